//! What of the person's configuration a program finds in its private home: what its profile names, without what could be a credential.
//!
//! Copied once, when the home does not have it yet. Afterwards it is the program's own.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bailiwick_profile::Copied;
use bailiwick_sandbox::holds_credentials;

use super::private_home::PrivateHome;

/// The largest file that is copied.
const MAX_FILE: u64 = 1 << 20;
/// Files of one directory.
const MAX_FILES: usize = 512;
/// Directories within each other.
const MAX_DEPTH: usize = 8;

/// Copies what is not there yet. Returns what could not be copied, and why.
pub(crate) fn copy(copies: &[Copied], from: &Path, into: &PrivateHome) -> Vec<(String, String)> {
    let mut failed = Vec::new();
    for copied in copies {
        let path = Path::new(&copied.path);
        if into.has(path) || !from.join(path).exists() {
            continue;
        }
        if let Err(error) = one(copied, from, into) {
            failed.push((copied.path.clone(), error.to_string()));
        }
    }
    failed
}

fn one(copied: &Copied, from: &Path, into: &PrivateHome) -> io::Result<()> {
    let path = Path::new(&copied.path);
    let mut files = Vec::new();
    list(&from.join(path), path.to_path_buf(), 0, &mut files)?;
    for (host, inside) in files {
        let Some(contents) = read(&host)? else { continue };
        let executable = fs::metadata(&host).is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0);
        let contents =
            if copied.keys.is_empty() { contents } else { only(&inside, &contents, &copied.keys)? };
        into.put(&inside, &contents, executable)?;
    }
    Ok(())
}

/// The files at or below `host`, and where they go. People keep configuration behind links, so the first step follows one; further
/// links are left out.
fn list(host: &Path, inside: PathBuf, depth: usize, files: &mut Vec<(PathBuf, PathBuf)>) -> io::Result<()> {
    let metadata = if depth == 0 { fs::metadata(host)? } else { fs::symlink_metadata(host)? };
    let secret = inside.file_name().and_then(|name| name.to_str()).is_none_or(holds_credentials);
    if secret || files.len() >= MAX_FILES || depth > MAX_DEPTH {
        return Ok(());
    }
    if metadata.is_file() {
        files.push((host.to_path_buf(), inside));
    } else if metadata.is_dir() {
        for entry in fs::read_dir(host)? {
            let entry = entry?;
            list(&entry.path(), inside.join(entry.file_name()), depth + 1, files)?;
        }
    }
    Ok(())
}

fn read(host: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut contents = Vec::new();
    fs::File::open(host)?.take(MAX_FILE + 1).read_to_end(&mut contents)?;
    Ok((contents.len() as u64 <= MAX_FILE).then_some(contents))
}

/// A JSON or TOML file with these keys at its top and no others.
fn only(path: &Path, contents: &[u8], keys: &[String]) -> io::Result<Vec<u8>> {
    let text = std::str::from_utf8(contents).map_err(io::Error::other)?;
    if path.extension().is_some_and(|extension| extension == "toml") {
        let mut document: toml_edit::DocumentMut = text.parse().map_err(io::Error::other)?;
        document.retain(|key, _| keys.iter().any(|kept| kept == key));
        return Ok(document.to_string().into_bytes());
    }
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    object.retain(|key, _| keys.contains(key));
    Ok(serde_json::to_vec_pretty(&object)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays_outside() {
        let scratch = tempfile::tempdir().unwrap();
        let (user, home) = (scratch.path().join("user"), scratch.path().join("home"));
        for directory in [user.join(".x/skills/a"), home.clone()] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(user.join(".x/settings.json"), r#"{"model": "m", "env": {"K": "MARKER"}}"#).unwrap();
        fs::write(user.join(".x/config.toml"), "model = 'm'\n[mcp.a.env]\nK = 'MARKER'\n").unwrap();
        fs::write(user.join(".x/skills/a/SKILL.md"), "text").unwrap();
        fs::write(user.join(".x/skills/a/.env"), "K=MARKER").unwrap();
        fs::write(user.join("outside"), "MARKER").unwrap();
        std::os::unix::fs::symlink(user.join("outside"), user.join(".x/skills/a/link")).unwrap();
        let copied = |path: &str, keys: &[&str]| Copied {
            path: path.into(),
            keys: keys.iter().map(|key| (*key).into()).collect(),
        };
        let copies = [
            copied(".x/settings.json", &["model"]),
            copied(".x/config.toml", &["model"]),
            copied(".x/skills", &[]),
            copied(".x/none", &[]),
        ];
        let into = PrivateHome::at(&home).unwrap();
        assert_eq!(copy(&copies, &user, &into), []);
        assert!(bailiwick_testkit::hunt::in_files(&home, b"MARKER").is_empty());
        assert!(fs::read_to_string(home.join(".x/settings.json")).unwrap().contains("\"m\""));
        assert!(fs::read_to_string(home.join(".x/config.toml")).unwrap().contains("model"));
        assert_eq!(fs::read_to_string(home.join(".x/skills/a/SKILL.md")).unwrap(), "text");
        fs::write(home.join(".x/settings.json"), "its own").unwrap();
        copy(&copies, &user, &into);
        assert_eq!(fs::read_to_string(home.join(".x/settings.json")).unwrap(), "its own");
    }
}
