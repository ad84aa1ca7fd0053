//! Paths on their way into a program for the kernel.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::error::SandboxError;

/// A path as the kernel wants it.
pub(crate) fn c_string(path: impl AsRef<OsStr>) -> Result<CString, SandboxError> {
    let path = path.as_ref();
    CString::new(path.as_bytes()).map_err(|_| SandboxError::NulByte { what: path.into() })
}

/// Where an absolute path of the sandbox lies in its new root: without the leading `/`, and refused with `.` or `..`.
pub(crate) fn in_root(path: &Path) -> Result<CString, SandboxError> {
    let refuse = || SandboxError::OddPath { path: path.into() };
    let mut components = path.components();
    if components.next() != Some(Component::RootDir) {
        return Err(refuse());
    }
    let mut relative = OsString::new();
    for component in components {
        let Component::Normal(name) = component else { return Err(refuse()) };
        if !relative.is_empty() {
            relative.push("/");
        }
        relative.push(name);
    }
    if relative.is_empty() { Err(refuse()) } else { c_string(relative) }
}

/// The path without symbolic links.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf, SandboxError> {
    path.canonicalize().map_err(|source| SandboxError::Path { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_place_in_the_new_root() {
        assert_eq!(in_root(Path::new("/home/a b")).unwrap().to_bytes(), b"home/a b");
        assert_eq!(in_root(Path::new("/a//b/")).unwrap().to_bytes(), b"a/b");
    }

    #[test]
    fn a_path_that_could_leave_the_new_root_is_refused() {
        for path in ["a", "/", "/a/../b", "../a", ""] {
            assert!(in_root(Path::new(path)).is_err(), "{path}");
        }
    }
}
