//! Which directories of the person's tools are visible, read-only, and which files in them are not.
//!
//! Tools live in the home directory, beside credentials. So this is a list of known tool directories plus what `PATH` names,
//! never the home directory itself; of `~/.local/share`, which holds keyrings and mail as well, only what tools are known to
//! keep there and what the links in `~/.local/bin` lead to.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::credential_files;

/// What to show and what to hide.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tools {
    /// For [`Plan::read_only`](crate::Plan::read_only).
    pub read_only: Vec<PathBuf>,
    /// For [`Plan::masks`](crate::Plan::masks).
    pub masks: Vec<PathBuf>,
}

/// Below the home directory.
const DIRECTORIES: &[&str] = &[
    ".asdf",
    ".bun",
    ".cargo",
    ".deno",
    ".fnm",
    ".jenv",
    ".local/bin",
    ".local/lib",
    ".mise",
    ".nodenv",
    ".nvm",
    ".pyenv",
    ".rbenv",
    ".rustup",
    ".sdkman",
    ".volta",
    "bin",
    "go",
];
/// Below `~/.local/share`.
const SHARE: &[&str] = &[
    "claude",
    "cursor-agent",
    "fnm",
    "mise",
    "pipx",
    "pnpm",
    "pypoetry",
    "rtx",
    "uv",
    "virtualenv",
    "virtualenvs",
];
/// Outside the home directory, `X/bin` on `PATH` shows `X` too, unless `X` is one of these.
const TOO_WIDE: &[&str] =
    &["/", "/opt", "/home", "/root", "/srv", "/var", "/mnt", "/media", "/tmp", "/snap", "/nix"];

/// The tools of a person with this home directory and this `PATH`. `hidden` are directories never to be shown whatever lies
/// above them: `BAILIWICK_HOME`, first of all.
#[must_use]
pub fn tools(home: &Path, path: Option<&OsStr>, hidden: &[PathBuf]) -> Tools {
    let mut shown = BTreeSet::new();
    shown.extend(DIRECTORIES.iter().map(|name| home.join(name)));
    let share = home.join(".local/share");
    shown.extend(SHARE.iter().map(|name| share.join(name)));
    shown.extend(linked_from(&home.join(".local/bin"), &share));
    for entry in path.map(std::env::split_paths).into_iter().flatten() {
        shown.extend(of_path_entry(&entry, home));
    }
    shown.retain(|dir| {
        dir.is_dir() && !holds(dir, home) && !hidden.iter().any(|hidden| dir.starts_with(hidden))
    });
    let inner = |dir: &&PathBuf| !shown.iter().any(|above| *dir != above && dir.starts_with(above));
    let mut masks: Vec<PathBuf> = shown
        .iter()
        .filter(|dir| dir.starts_with(home))
        .filter(inner)
        .flat_map(|dir| credential_files::below(dir))
        .collect();
    masks.extend(hidden.iter().filter(|hidden| shown.iter().any(|dir| hidden.starts_with(dir))).cloned());
    Tools { read_only: shown.into_iter().collect(), masks }
}

/// What to show of the home directory for a program whose file is `real`, links followed: the packages it was installed among, or else the
/// directory it lies in. `None` for a file that lies in the home directory itself, or not in it at all: `PATH` has named its directory.
#[must_use]
pub fn directory_of(real: &Path, home: &Path) -> Option<PathBuf> {
    let home = home.canonicalize().ok()?;
    let below = real.strip_prefix(&home).ok()?;
    let packages =
        real.ancestors().filter(|path| path.ends_with("node_modules") && path.starts_with(&home)).last();
    let directory = packages.or_else(|| real.parent())?;
    (below.components().count() > 1 && directory != home).then(|| directory.to_path_buf())
}

/// Whether showing `dir` would show the home directory.
fn holds(dir: &Path, home: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    home.starts_with(dir) || real(home).starts_with(real(dir))
}

fn of_path_entry(entry: &Path, home: &Path) -> Vec<PathBuf> {
    let plain = entry.is_absolute() && !entry.components().any(|part| part == Component::ParentDir);
    if !plain || entry == Path::new("/") {
        return Vec::new();
    }
    let mut dirs = vec![entry.to_path_buf()];
    let parent = entry.parent().filter(|_| entry.file_name().is_some_and(|name| name == "bin"));
    dirs.extend(
        parent
            .filter(|parent| {
                !parent.starts_with(home) && !TOO_WIDE.iter().any(|wide| *parent == Path::new(wide))
            })
            .map(Path::to_path_buf),
    );
    dirs
}

/// The directories directly below `share` that links in `bin` lead into.
fn linked_from(bin: &Path, share: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(bin).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let real = entry.path().canonicalize().ok()?;
            let name = real.strip_prefix(share.canonicalize().ok()?).ok()?.components().next()?;
            Some(share.join(name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn made(home: &Path, names: &[&str]) {
        for name in names {
            fs::create_dir_all(home.join(name)).unwrap();
        }
    }

    #[test]
    fn tools_are_shown_and_credentials_hidden() {
        let scratch = tempfile::tempdir().unwrap();
        let home = scratch.path().join("ann");
        made(&home, &[".cargo/bin", ".local/bin", ".local/share/keyrings", ".local/share/thing/bin", ".ssh"]);
        fs::write(home.join(".cargo/credentials.toml"), "token = 'MARKER'").unwrap();
        fs::write(home.join(".local/share/thing/bin/thing"), "").unwrap();
        std::os::unix::fs::symlink(home.join(".local/share/thing/bin/thing"), home.join(".local/bin/thing"))
            .unwrap();
        let found = tools(&home, None, &[]);
        assert_eq!(
            found.read_only,
            [home.join(".cargo"), home.join(".local/bin"), home.join(".local/share/thing")]
        );
        assert_eq!(found.masks, [home.join(".cargo/credentials.toml")]);
    }

    #[test]
    fn no_directory_of_tools_shows_a_credential() {
        for directory in DIRECTORIES
            .iter()
            .map(|name| (*name).to_owned())
            .chain(SHARE.iter().map(|name| format!(".local/share/{name}")))
        {
            let scratch = tempfile::tempdir().unwrap();
            let home = scratch.path().join("ann");
            made(&home, &[&format!("{directory}/etc/inner")]);
            let planted = [".netrc", ".npmrc", "credentials.toml", "etc/auth.json", "etc/inner/credentials"];
            for name in planted {
                fs::write(home.join(&directory).join(name), "MARKER").unwrap();
            }
            let masks = tools(&home, None, &[]).masks;
            for name in planted {
                assert!(
                    masks.contains(&home.join(&directory).join(name)),
                    "{directory}/{name} is not hidden"
                );
            }
        }
    }

    #[test]
    fn a_program_in_the_home_directory_brings_its_packages() {
        let scratch = tempfile::tempdir().unwrap();
        let home = scratch.path().canonicalize().unwrap().join("ann");
        made(&home, &["npm/lib/node_modules/a/node_modules/b/bin"]);
        let shown = |path: &str| directory_of(&home.join(path), &home);
        assert_eq!(
            shown("npm/lib/node_modules/a/node_modules/b/bin/b.js"),
            Some(home.join("npm/lib/node_modules"))
        );
        assert_eq!(shown("apps/tool/tool"), Some(home.join("apps/tool")));
        assert_eq!(shown("tool"), None);
        assert_eq!(directory_of(Path::new("/usr/bin/env"), &home), None);
    }

    #[test]
    fn path_never_shows_the_home_directory() {
        let scratch = tempfile::tempdir().unwrap();
        let home = scratch.path().join("ann");
        made(&home, &["own/bin", ".fly/bin"]);
        made(scratch.path(), &["node/bin"]);
        std::os::unix::fs::symlink(&home, scratch.path().join("link")).unwrap();
        let entries = [
            home.clone(),
            scratch.path().to_path_buf(),
            scratch.path().join("link"),
            PathBuf::from("relative"),
            PathBuf::from("/"),
            home.join(".fly/bin"),
            scratch.path().join("node/bin"),
        ];
        let path: OsString = std::env::join_paths(entries).unwrap();
        let found = tools(&home, Some(&path), &[]);
        assert_eq!(
            found.read_only,
            [home.join(".fly/bin"), scratch.path().join("node"), scratch.path().join("node/bin")]
        );
    }

    #[test]
    fn what_must_stay_hidden_is_masked_or_left_out() {
        let scratch = tempfile::tempdir().unwrap();
        let home = scratch.path().join("ann");
        made(&home, &["go/vault", ".local/share/uv"]);
        let hidden = [home.join("go/vault"), home.join(".local/share/uv")];
        let found = tools(&home, None, &hidden);
        assert_eq!(found.read_only, [home.join("go")]);
        assert_eq!(found.masks, [home.join("go/vault")]);
    }
}
