//! The second lock: Landlock, with every right that the running kernel knows.
//!
//! The mount view already hides what is not named. These rules hold if a mount ever shows too much, and they take away TCP
//! connects altogether: the supervisor, who is outside, makes them. They allow nothing that the mount view does not.

use std::ffi::CString;
use std::path::PathBuf;

use bailiwick_sandbox_sys::LandlockProgram;

use crate::error::SandboxError;
use crate::paths::c_string;

/// The oldest ABI we start on: Linux 5.19. Debian 12 has it.
pub(crate) const FLOOR: u32 = 2;

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;
const RESOLVE_UNIX: u64 = 1 << 16;
/// The thirteen rights of ABI 1.
const FIRST: u64 = (1 << 13) - 1;

const CONNECT_TCP: u64 = 1 << 1;
const SCOPE_ABSTRACT_UNIX: u64 = 1;
const SCOPE_SIGNAL: u64 = 1 << 1;

/// What may be done beneath a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// List names.
    List,
    /// Read and execute.
    Read,
    /// Read and execute, and devices may be spoken to.
    Device,
    /// Everything.
    Write,
}

/// Rights by ABI. `BindTcp` is left alone: the network namespace is the sandbox's own, and development servers bind.
fn handled(abi: u32) -> u64 {
    let since = |first: u32, right: u64| if abi >= first { right } else { 0 };
    FIRST | since(2, REFER) | since(3, TRUNCATE) | since(5, IOCTL_DEV) | since(9, RESOLVE_UNIX)
}

fn rights(access: Access, handled: u64) -> u64 {
    let wanted = match access {
        Access::List => READ_DIR,
        Access::Read => EXECUTE | READ_FILE | READ_DIR,
        Access::Device => READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | IOCTL_DEV,
        Access::Write => handled & !IOCTL_DEV,
    };
    wanted & handled
}

/// The rule set for a kernel with this ABI.
pub(crate) fn program(abi: u32, rules: &[(PathBuf, Access)]) -> Result<LandlockProgram, SandboxError> {
    if abi < FLOOR {
        return Err(SandboxError::NoLandlock { abi });
    }
    let handled = handled(abi);
    let rules = rules
        .iter()
        .map(|(path, access)| Ok((c_string(path)?, rights(*access, handled))))
        .collect::<Result<Vec<(CString, u64)>, SandboxError>>()?;
    Ok(LandlockProgram {
        filesystem: handled,
        network: if abi >= 4 { CONNECT_TCP } else { 0 },
        scopes: if abi >= 6 { SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL } else { 0 },
        attribute_size: match abi {
            ..4 => 8,
            4..6 => 16,
            _ => 24,
        },
        rules,
    })
}
