//! The locks, in the order in which each can still be applied: limits, capabilities, Landlock, seccomp.

use std::os::fd::RawFd;

use super::{At, Outcome, say};
use crate::program::{BpfInstruction, LandlockProgram, Program};
use crate::raw::{self, Errno};
use crate::wire::{Report, Step};

pub(super) fn drop_privileges(program: &Program) -> Outcome<()> {
    for (index, limit) in program.limits.iter().enumerate() {
        let hard = raw::hard_limit(limit.resource).at(Step::ResourceLimit, index)?;
        let value = limit.value.min(hard);
        raw::setrlimit(limit.resource, value, value).at(Step::ResourceLimit, index)?;
    }
    raw::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).at(Step::Privileges, 0)?;
    // Root without a capability stays without: NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE and KEEP_CAPS, all locked.
    raw::prctl(libc::PR_SET_SECUREBITS, 0xef, 0).at(Step::Privileges, 1)?;
    for capability in 0..64 {
        match raw::prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Ok(_) => {}
            Err(libc::EINVAL) => break, // beyond the last capability of this kernel
            Err(errno) => return Err(errno).at(Step::Privileges, 2),
        }
    }
    raw::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0)
        .at(Step::Privileges, 3)?;
    clear_capabilities().at(Step::Privileges, 4)?;
    raw::prctl(libc::PR_SET_DUMPABLE, 0, 0).map(|_| ()).at(Step::Privileges, 5)
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

const CAPABILITY_VERSION: u32 = 0x2008_0522;

fn clear_capabilities() -> Result<(), Errno> {
    let header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let none = [0u32; 6];
    // SAFETY: version 3 reads a header and two sets of three words.
    match unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) } {
        0 => Ok(()),
        _ => Err(raw::errno()),
    }
}

/// The effective, permitted and inheritable sets, two words each.
pub(super) fn capabilities() -> Result<[u32; 6], Errno> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let mut sets = [0u32; 6];
    // SAFETY: version 3 writes two sets of three words.
    match unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) } {
        0 => Ok(sets),
        _ => Err(raw::errno()),
    }
}

/// `struct landlock_ruleset_attr`.
#[repr(C)]
struct RulesetAttr {
    filesystem: u64,
    network: u64,
    scopes: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneathAttr {
    allowed: u64,
    parent: RawFd,
}

/// Rights that can be given on a file; the others only make sense on a directory and are refused there (landlock(7)).
const FILE_RIGHTS: u64 = 1 | 2 | 4 | (1 << 14) | (1 << 15);

pub(super) fn apply_landlock(landlock: &LandlockProgram) -> Outcome<()> {
    let attribute =
        RulesetAttr { filesystem: landlock.filesystem, network: landlock.network, scopes: landlock.scopes };
    let size = landlock.attribute_size.min(size_of::<RulesetAttr>());
    // SAFETY: `attribute` is at least `size` bytes long.
    let ruleset = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attribute, size, 0) };
    let ruleset = if ruleset < 0 { Err(raw::errno()) } else { Ok(ruleset as RawFd) }.at(Step::Landlock, 0)?;
    for (index, (path, rights)) in landlock.rules.iter().enumerate() {
        match raw::open(path, libc::O_PATH, 0) {
            Ok(place) => {
                let added = add_rule(ruleset, place, *rights);
                raw::close(place);
                added.at(Step::Landlock, index + 1)?;
            }
            Err(libc::ENOENT | libc::ENOTDIR) => {}
            Err(errno) => return Err(errno).at(Step::Landlock, index + 1),
        }
    }
    // SAFETY: takes no pointer.
    let restricted = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) };
    if restricted != 0 {
        return Err(raw::errno()).at(Step::Landlock, landlock.rules.len() + 1);
    }
    raw::close(ruleset);
    Ok(())
}

fn add_rule(ruleset: RawFd, place: RawFd, rights: u64) -> Result<(), Errno> {
    let allowed = if raw::fstat(place)?.is_dir() { rights } else { rights & FILE_RIGHTS };
    let rule = PathBeneathAttr { allowed, parent: place };
    // SAFETY: rule type 1 reads one `struct landlock_path_beneath_attr`.
    match unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset, 1, &raw const rule, 0) } {
        0 => Ok(()),
        _ => Err(raw::errno()),
    }
}

/// Applies the filter and passes its listener out. From here on each `connect` waits for the supervisor.
pub(super) fn apply_filter(filter: &[BpfInstruction]) -> Outcome<()> {
    const SET_MODE_FILTER: u32 = 1;
    const NEW_LISTENER: u64 = 1 << 3;
    const WAIT_KILLABLE_RECV: u64 = 1 << 5;
    let length = u16::try_from(filter.len()).map_err(|_| libc::E2BIG).at(Step::Seccomp, 0)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut().cast() };
    // SAFETY: `program` describes a live array of instructions laid out as `struct sock_filter`; the kernel only reads it.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SET_MODE_FILTER,
            NEW_LISTENER | WAIT_KILLABLE_RECV,
            &raw const program,
        )
    };
    let listener =
        if listener < 0 { Err(raw::errno()) } else { Ok(listener as RawFd) }.at(Step::Seccomp, 1)?;
    say(Report::Filtered, &[listener])?;
    raw::close(listener);
    Ok(())
}
