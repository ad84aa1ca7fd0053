//! Which directory may become a workspace, and what in it stays hidden.
//!
//! The workspace is the one place of the host that the program can write. A home directory in it would hand over every
//! configuration and key; our own home, the vault.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::SandboxError;
use crate::paths::canonical;

/// Directories that are the system's or everyone's.
const SHARED: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/var",
    "/var/tmp",
    "/var/lib",
    "/usr/local",
];
/// Of these, nothing inside may be a workspace either.
const SYSTEM: &[&str] =
    &["/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr"];

/// The most entries of the workspace that are looked at for secrets.
const LOOKED_AT: usize = 4096;

/// The workspace without symbolic links, if it may be one.
///
/// # Errors
/// [`SandboxError::Workspace`] if it is or contains a home directory, `/`, or `bailiwick_home`, lies in the latter, or is the
/// system's; [`SandboxError::Path`] if it cannot be looked at.
pub fn validate_workdir(workdir: &Path, home: &Path, bailiwick_home: &Path) -> Result<PathBuf, SandboxError> {
    let real = canonical(workdir)?;
    let refuse = |reason| Err(SandboxError::Workspace { path: real.clone(), reason });
    if !real.is_dir() {
        return refuse("it is not a directory");
    }
    if real == Path::new("/") || SHARED.iter().any(|shared| real == Path::new(shared)) {
        return refuse("it is a directory of the system");
    }
    if SYSTEM.iter().any(|system| real.starts_with(system)) {
        return refuse("it lies in a directory of the system");
    }
    let ours = bailiwick_home.canonicalize().unwrap_or_else(|_| bailiwick_home.to_path_buf());
    if ours.starts_with(&real) || real.starts_with(&ours) {
        return refuse("it holds Bailiwick's own home or lies in it");
    }
    let homes = std::iter::once(home.to_path_buf()).chain(homes());
    for home in homes {
        if home.canonicalize().unwrap_or(home).starts_with(&real) {
            return refuse("it is or contains a home directory");
        }
    }
    Ok(real)
}

/// The home directories of root and of people.
fn homes() -> Vec<PathBuf> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':').skip(2);
            let uid: u32 = fields.next()?.parse().ok()?;
            let home = fields.nth(2)?;
            let person = uid == 0 || (1000..65_534).contains(&uid);
            (person && home.starts_with('/') && home != "/").then(|| PathBuf::from(home))
        })
        .collect()
}

/// Files at the top of the workspace that usually hold secrets: `.env` files (not their examples), private keys, `.netrc`.
/// They look empty inside unless the person grants them. At most the first 4096 entries are looked at.
#[must_use]
pub fn workspace_masks(workdir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(workdir) else { return Vec::new() };
    let mut masks: Vec<PathBuf> = entries
        .take(LOOKED_AT)
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(looks_secret))
        .map(|entry| entry.path())
        .collect();
    masks.sort();
    masks
}

/// Where git looks for hooks in the workspace: in its own git directory, in those of its submodules, and in repositories near the top.
/// At most the first 4096 directories are looked at; the guard of the workspace looks at all of them.
#[must_use]
pub fn hook_directories(workdir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next = std::collections::VecDeque::from([workdir.to_path_buf()]);
    for _ in 0..LOOKED_AT {
        let Some(directory) = next.pop_front() else { break };
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        let own =
            directory.file_name().is_some_and(|name| name == ".git") || directory.join("HEAD").is_file();
        for entry in entries.flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            match entry.file_name().to_str() {
                Some("hooks") if own => found.push(entry.path()),
                Some("objects" | "refs" | "logs") if own => {}
                Some("node_modules" | "target") => {}
                _ => next.push_back(entry.path()),
            }
        }
    }
    found.sort();
    found
}

fn looks_secret(name: &str) -> bool {
    const EXAMPLES: &[&str] = &["example", "sample", "template", "dist", "defaults"];
    const KEYS: &[&str] =
        &["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", ".pgpass", "credentials.json"];
    let env = name == ".env"
        || name == ".envrc.private"
        || name
            .strip_prefix(".env.")
            .is_some_and(|rest| !EXAMPLES.iter().any(|example| rest.ends_with(example)));
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    env || KEYS.contains(&name) || matches!(extension, Some("key" | "p12" | "pfx" | "jks" | "keystore"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_or_the_system_is_no_workspace() {
        let scratch = tempfile::tempdir().unwrap();
        let home = scratch.path().join("home/ann");
        let ours = home.join(".local/share/bailiwick");
        fs::create_dir_all(&ours).unwrap();
        fs::create_dir_all(home.join("project")).unwrap();
        let check = |path: &Path| validate_workdir(path, &home, &ours);
        assert!(check(&home.join("project")).is_ok());
        for bad in [&home, &scratch.path().join("home"), scratch.path(), &ours, &home.join(".local")] {
            assert!(matches!(check(bad), Err(SandboxError::Workspace { .. })), "{}", bad.display());
        }
        for bad in ["/", "/etc", "/usr/share", "/tmp", "/proc/self", "/root"] {
            assert!(check(Path::new(bad)).is_err(), "{bad}");
        }
        assert!(matches!(check(&home.join("nothing")), Err(SandboxError::Path { .. })));
    }

    #[test]
    fn a_link_is_judged_by_where_it_leads() {
        let scratch = tempfile::tempdir().unwrap();
        let home = scratch.path().join("ann");
        fs::create_dir_all(home.join("project")).unwrap();
        std::os::unix::fs::symlink(&home, scratch.path().join("link")).unwrap();
        let ours = scratch.path().join("ours");
        assert!(validate_workdir(&scratch.path().join("link"), &home, &ours).is_err());
        let project = validate_workdir(&scratch.path().join("link/project"), &home, &ours).unwrap();
        assert_eq!(project, home.canonicalize().unwrap().join("project"));
    }

    #[test]
    fn hooks_are_found_where_git_looks() {
        let scratch = tempfile::tempdir().unwrap();
        for directory in [
            ".git/hooks",
            ".git/modules/lib/hooks",
            "a/b/.git/hooks",
            "src/hooks",
            "bare.git/hooks",
            ".git/objects/hooks",
        ] {
            fs::create_dir_all(scratch.path().join(directory)).unwrap();
        }
        for head in [".git/modules/lib/HEAD", "bare.git/HEAD"] {
            fs::write(scratch.path().join(head), "ref: refs/heads/main").unwrap();
        }
        let found = hook_directories(scratch.path());
        let expected = [".git/hooks", ".git/modules/lib/hooks", "a/b/.git/hooks", "bare.git/hooks"];
        assert_eq!(found, expected.map(|path| scratch.path().join(path)));
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [".env", ".env.local", ".env.production", "server.key", "id_ed25519", ".netrc"] {
            assert!(looks_secret(name), "{name}");
        }
        for name in [".env.example", ".envrc", "environment.ts", "id_rsa.pub", "monkey", "key"] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
