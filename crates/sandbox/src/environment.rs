//! Which variables a program inside may see: an allow-list.
//!
//! Variables are where people keep tokens, and where sockets of the desktop, the SSH agent and proxies are named. What is not
//! known to be harmless stays outside.

use std::ffi::{OsStr, OsString};

const NAMES: &[&str] = &[
    // Who and where.
    "HOME",
    "LOGNAME",
    "PATH",
    "PWD",
    "SHELL",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    // The terminal.
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLORFGBG",
    "COLORTERM",
    "COLUMNS",
    "FORCE_COLOR",
    "LESS",
    "LINES",
    "LS_COLORS",
    "NO_COLOR",
    "TERM",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    // Language; `LC_*` beside it.
    "LANG",
    "LANGUAGE",
    // How work is done.
    "CI",
    "DEBIAN_FRONTEND",
    "EDITOR",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_EDITOR",
    "MANPAGER",
    "PAGER",
    "VISUAL",
    // Tools and where they are.
    "AR",
    "ASDF_DATA_DIR",
    "ASDF_DIR",
    "BUN_INSTALL",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "CC",
    "CFLAGS",
    "CONDA_DEFAULT_ENV",
    "CONDA_PREFIX",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "DENO_INSTALL",
    "FNM_DIR",
    "GO111MODULE",
    "GOARCH",
    "GOBIN",
    "GOCACHE",
    "GOMODCACHE",
    "GOOS",
    "GOPATH",
    "GOROOT",
    "GOTOOLCHAIN",
    "JAVA_HOME",
    "LDFLAGS",
    "MAKEFLAGS",
    "MISE_DATA_DIR",
    "NODE_ENV",
    "NVM_BIN",
    "NVM_DIR",
    "PKG_CONFIG_PATH",
    "PNPM_HOME",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "RUSTFLAGS",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SDKMAN_DIR",
    "SOURCE_DATE_EPOCH",
    "VIRTUAL_ENV",
    "VOLTA_HOME",
];

/// Keeps what may be seen inside; the order stays.
#[must_use]
pub fn filtered(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    variables.into_iter().filter(|(name, _)| allowed(name)).collect()
}

/// Whether a variable of this name may be seen inside.
#[must_use]
pub fn allowed(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| NAMES.contains(&name) || name.starts_with("LC_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_passes() {
        let all = [
            "PATH",
            "AWS_SECRET_ACCESS_KEY",
            "LC_ALL",
            "SSH_AUTH_SOCK",
            "HTTPS_PROXY",
            "LD_PRELOAD",
            "NODE_OPTIONS",
        ];
        let pairs = all.map(|name| (OsString::from(name), OsString::from("MARKER")));
        let names: Vec<OsString> = filtered(pairs).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["PATH", "LC_ALL"]);
    }

    #[test]
    fn no_listed_name_smells_of_a_secret() {
        for name in NAMES {
            for smell in ["TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "_KEY", "AUTH_SOCK", "PROXY"] {
                assert!(!name.contains(smell), "{name}");
            }
        }
    }
}
