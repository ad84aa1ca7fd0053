//! Files that are known to hold credentials, by their names. Such a file is never shown inside, wherever it lies among tools.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// How far below a directory of tools is looked. Credentials lie beside the tool's own configuration, not deep in its libraries.
const DEPTH: usize = 3;
/// The most entries of one directory of tools that are looked at.
const LOOKED_AT: usize = 16 * 1024;
/// Directories of packages, whose contents come from registries and are many.
const PASSED_OVER: &[&str] = &["node_modules", "registry", "site-packages", "toolchains", "git", "pkg"];
/// The largest configuration that is read to see whether it holds a token.
const MAX_CONFIGURATION: u64 = 256 * 1024;

const NAMES: &[&str] = &[
    ".boto",
    ".dockercfg",
    ".dockerconfigjson",
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    ".s3cfg",
    ".vault-token",
    ".yarnrc",
    ".yarnrc.yml",
    "_netrc",
    "access_tokens.db",
    "auth.ini",
    "auth.json",
    "auth.toml",
    "credentials",
    "credentials.db",
    "credentials.json",
    "credentials.toml",
    "hosts.yml",
    "oauth_creds.json",
    "pip.conf",
];
const KEYS: &[&str] = &["id_dsa", "id_ecdsa", "id_ed25519", "id_rsa"];

/// Whether a file or directory of this name holds credentials as a rule.
#[must_use]
pub fn holds_credentials(name: &str) -> bool {
    let env = name == ".env" || name.starts_with(".env.") && !name.ends_with(".example");
    env || name == ".credentials.json" || NAMES.contains(&name) || KEYS.contains(&name)
}

/// What below `directory` holds credentials.
pub(crate) fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = LOOKED_AT;
    look(directory, 0, &mut left, &mut found);
    found.sort();
    found
}

fn look(directory: &Path, depth: usize, left: &mut usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Some(less) = left.checked_sub(1) else { return };
        *left = less;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_str().unwrap_or_default();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if holds_credentials(name) || (!is_directory && has_token(&path, name)) {
            found.push(path);
        } else if is_directory && depth < DEPTH && !PASSED_OVER.contains(&name) {
            look(&path, depth + 1, left, found);
        }
    }
}

/// Configuration that may hold a token beside what a build needs: cargo's and mise's.
fn has_token(path: &Path, name: &str) -> bool {
    if !matches!(name, "config" | "config.toml" | "settings.toml") {
        return false;
    }
    let small =
        fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_CONFIGURATION);
    let text = if small { fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    text.lines().map(|line| line.trim().to_ascii_lowercase()).any(|line| {
        let key = line.split('=').next().unwrap_or_default();
        !line.starts_with('#') && ["token", "password", "secret"].iter().any(|word| key.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_hidden_only_with_a_token_in_it() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("config.toml");
        fs::write(&path, "[build]\nrustflags = ['-C', 'target-cpu=native']\n# token = x\n").unwrap();
        assert!(below(scratch.path()).is_empty());
        fs::write(&path, "[registries.acme]\ntoken = 'MARKER'\n").unwrap();
        assert_eq!(below(scratch.path()), [path]);
    }

    #[test]
    fn names_say_it() {
        for name in [".netrc", ".npmrc", "credentials.toml", "auth.json", ".env", ".env.local", "id_ed25519"]
        {
            assert!(holds_credentials(name), "{name}");
        }
        for name in ["env", "node", ".env.example", "credentials.rs", "id_rsa.pub", "config.toml"] {
            assert!(!holds_credentials(name), "{name}");
        }
    }
}
