//! From a [`Plan`] to the [`Program`] that the new process interprets.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bailiwick_sandbox_sys::{
    NetworkProgram, Program, ResourceLimit, SelfTest, StdioProgram, Sysctl, TerminalProgram, landlock_abi,
};
use rustix::fs::FileType;

use crate::error::SandboxError;
use crate::layout::{FORBIDDEN, Layout, layout};
use crate::netlink::{self, INSIDE_V4, INSIDE_V6};
use crate::paths::{c_string, in_root};
use crate::plan::{InjectedFile, Plan, Stdio, Stream};
use crate::{landlock, seccomp};

/// The error number with which the self-test's connect is answered: nothing else in the kernel's connect returns it.
pub(crate) const CONNECT_ANSWER: i32 = libc::EUCLEAN;

const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

pub(crate) fn compile(plan: &Plan, canary: &Path) -> Result<Program, SandboxError> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let Layout { mounts, rules, workdir } = layout(plan, uid, gid)?;
    Ok(Program {
        uid_map: format!("{uid} {uid} 1").into_bytes(),
        gid_map: format!("{gid} {gid} 1").into_bytes(),
        hostname: b"bailiwick".to_vec(),
        network: NetworkProgram {
            required: vec![netlink::link_up(), netlink::add_v4()],
            optional: vec![netlink::add_v6()],
            v4: INSIDE_V4.octets(),
            v6: INSIDE_V6.octets(),
        },
        memory_size: c_string(plan.limits.memory_bytes.to_string())?,
        memory_files: c_string(plan.limits.memory_files.to_string())?,
        mounts,
        sysctls: sysctls(plan)?,
        limits: limits(plan),
        candidates: candidates(plan, &workdir)?,
        argv: plan.argv.iter().map(c_string).collect::<Result<_, _>>()?,
        environment: environment(plan)?,
        workdir: c_string(&workdir)?,
        stdio: stdio(&plan.stdio)?,
        landlock: landlock::program(landlock_abi(), &rules)?,
        filter: seccomp::filter().ok_or(SandboxError::UnknownMachine)?,
        self_test: SelfTest {
            hidden: c_string(canary)?,
            forbidden: c_string(FORBIDDEN)?,
            workdir: c_string(&workdir)?,
            connect_answer: CONNECT_ANSWER,
            uid,
        },
    })
}

/// Whether the kernel has a `pid_max` for each process namespace (Linux 6.14). Before, writing it as root would change the host's.
pub(crate) fn has_own_pid_max() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 14)
}

fn sysctls(plan: &Plan) -> Result<Vec<Sysctl>, SandboxError> {
    let mut sysctls = vec![Sysctl {
        path: c_string("sys/user/max_user_namespaces")?,
        value: b"0".to_vec(),
        required: false,
    }];
    if has_own_pid_max() {
        // Ids below 300 are not used again after a wrap, so the number of processes is a little less.
        let value = plan.limits.processes.saturating_add(300).to_string().into_bytes();
        sysctls.push(Sysctl { path: c_string("sys/kernel/pid_max")?, value, required: false });
    }
    Ok(sysctls)
}

fn limits(plan: &Plan) -> Vec<ResourceLimit> {
    vec![
        ResourceLimit { resource: libc::RLIMIT_CORE, value: 0 },
        ResourceLimit { resource: libc::RLIMIT_NOFILE, value: plan.limits.open_files },
        ResourceLimit { resource: libc::RLIMIT_NPROC, value: plan.limits.processes },
    ]
}

/// Where the program may be: its path if it has one, else its name in each absolute directory of the inner `PATH`.
fn candidates(plan: &Plan, workdir: &Path) -> Result<Vec<CString>, SandboxError> {
    let name = plan.argv.first().filter(|name| !name.is_empty()).ok_or(SandboxError::NoCommand)?;
    if name.as_bytes().contains(&b'/') {
        return Ok(vec![c_string(workdir.join(name))?]);
    }
    let path =
        plan.environment.iter().rev().find(|(key, _)| key == "PATH").map(|(_, value)| value.as_os_str());
    std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)))
        .filter(|dir| dir.is_absolute())
        .map(|dir| c_string(dir.join(name)))
        .collect()
}

fn environment(plan: &Plan) -> Result<Vec<CString>, SandboxError> {
    plan.environment
        .iter()
        .map(|(name, value)| {
            let mut variable = OsString::from(name);
            variable.push("=");
            variable.push(value);
            c_string(variable)
        })
        .collect()
}

fn stdio(stdio: &Stdio) -> Result<StdioProgram, SandboxError> {
    let mut streams = [None; 3];
    for (number, (slot, stream)) in streams.iter_mut().zip(&stdio.streams).enumerate() {
        if let Stream::Descriptor(fd) = stream {
            check_stream(number, fd)?;
            *slot = Some(fd.as_raw_fd());
        }
    }
    let wants = stdio.streams.iter().any(|stream| matches!(stream, Stream::Terminal));
    let terminal = wants.then_some(TerminalProgram { size: stdio.window, foreground: stdio.foreground });
    Ok(StdioProgram { streams, terminal })
}

/// A descriptor is authority that no later check sees: a directory leads out of the mount view, a socket out of the network, a
/// terminal can be typed into, a file emptied or made executable.
fn check_stream(number: usize, fd: impl AsFd) -> Result<(), SandboxError> {
    let refuse = |kind| Err(SandboxError::Stream { number, kind });
    let stat = rustix::fs::fstat(&fd).map_err(SandboxError::doing("look at a standard stream"))?;
    let null = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (1, 3);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => Ok(()),
        FileType::CharacterDevice if null => Ok(()),
        FileType::CharacterDevice => refuse("a device"),
        FileType::RegularFile => refuse("a file"),
        FileType::Directory => refuse("a directory"),
        FileType::Socket => refuse("a socket"),
        FileType::BlockDevice => refuse("a block device"),
        FileType::Symlink | FileType::Unknown => refuse("of an unknown kind"),
    }
}

/// The files that exist only inside, packed for the new process.
pub(crate) fn pack(files: &[InjectedFile]) -> Result<Vec<u8>, SandboxError> {
    let files: Vec<(CString, u32, &[u8])> = files
        .iter()
        .map(|file| Ok((in_root(&file.path)?, file.mode & 0o777, file.contents.as_slice())))
        .collect::<Result<_, SandboxError>>()?;
    Ok(bailiwick_sandbox_sys::encode_files(
        files.iter().map(|(path, mode, contents)| (path.as_c_str(), *mode, *contents)),
    ))
}

/// What a failed step was working on, in words.
pub(crate) fn item(
    program: &Program,
    files: &[PathBuf],
    step: bailiwick_sandbox_sys::Step,
    index: u64,
) -> Option<String> {
    use bailiwick_sandbox_sys::{Mount, Step};
    let index = usize::try_from(index).ok()?;
    match step {
        Step::SourceMount | Step::SourceChanged | Step::Mount => Some(match program.mounts.get(index)? {
            Mount::Bind(bind) => bind.source.to_string_lossy().into_owned(),
            Mount::Directory { target, .. }
            | Mount::Symlink { target, .. }
            | Mount::File { target, .. }
            | Mount::Scratch { target, .. }
            | Mount::Mask { target } => format!("/{}", target.to_string_lossy()),
            Mount::Proc => "/proc".into(),
            Mount::Terminals => "/dev/pts".into(),
        }),
        Step::Sysctl => Some(program.sysctls.get(index)?.path.to_string_lossy().into_owned()),
        Step::Landlock => {
            let (path, _) = program.landlock.rules.get(index.checked_sub(1)?)?;
            Some(path.to_string_lossy().into_owned())
        }
        Step::InjectedFile => Some(files.get(index)?.display().to_string()),
        Step::Workdir => Some(program.workdir.to_string_lossy().into_owned()),
        _ => None,
    }
}
