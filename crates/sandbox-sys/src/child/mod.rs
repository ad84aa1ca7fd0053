//! What the sandbox's first process does, from `clone` to its end.
//!
//! Runs in a copy of a program that may have had many threads: it must not allocate, lock, or unwind. It interprets the
//! [`Program`], reports each stage, and stops at the first failure. It never decides anything.

mod files;
mod first;
mod lock;
mod mounts;
mod network;
mod self_test;

use std::ffi::CStr;
use std::os::fd::RawFd;

use crate::channel::{self, MAX_DESCRIPTORS};
use crate::program::Program;
use crate::raw::{self, Errno};
use crate::wire::{Order, Report, Step};

/// What had to be allocated before the process existed.
pub(crate) struct Prepared {
    /// Null-terminated argument array.
    pub(crate) argv: Vec<*const libc::c_char>,
    /// Null-terminated environment array.
    pub(crate) environment: Vec<*const libc::c_char>,
    /// One slot for each mount of the program.
    pub(crate) sources: Vec<RawFd>,
}

/// A failed step.
pub(crate) struct Fault {
    step: Step,
    item: u64,
    errno: Errno,
}

type Outcome<T> = Result<T, Fault>;

/// Names the step that an error number belongs to.
trait At<T> {
    fn at(self, step: Step, item: usize) -> Outcome<T>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, step: Step, item: usize) -> Outcome<T> {
        self.map_err(|errno| Fault { step, item: item as u64, errno })
    }
}

/// Descriptors that stay open, at fixed numbers so that everything else can be closed in one call.
const CHANNEL: RawFd = 3;
const STDIO: [RawFd; 3] = [4, 5, 6];
const FIRST_FREE: u32 = 7;

/// The executable that was found.
struct Executable<'a> {
    fd: RawFd,
    path: &'a CStr,
}

/// Runs the sandbox's first process.
pub(crate) fn run(program: &Program, prepared: &mut Prepared, channel: RawFd) -> ! {
    if let Err(fault) = live(program, prepared, channel) {
        let _ = say(Report::Failed(fault.step, fault.item, fault.errno), &[]);
    }
    raw::exit(125)
}

fn live(program: &Program, prepared: &mut Prepared, channel: RawFd) -> Outcome<()> {
    separate(program, channel).at(Step::Descriptors, 0)?;
    raw::default_signal_handlers();
    raw::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0).at(Step::Lifetime, 0)?;
    become_mapped(program).at(Step::IdMap, 0)?;
    raw::setsid().at(Step::Terminal, 0)?;
    raw::sethostname(&program.hostname).at(Step::Hostname, 0)?;
    report_namespaces()?;
    network::set_up(&program.network)?;

    let root = mounts::build(program, &mut prepared.sources)?;
    raw::fchdir(root).and_then(|()| raw::enter_root()).at(Step::Pivot, 0)?;
    raw::chdir(&program.workdir).at(Step::Workdir, 0)?;
    let terminal = open_terminal(program).at(Step::Terminal, 1)?;
    let executable = find(program)?;
    let outer = terminal.map(|(outer, _)| outer);
    say(Report::Prepared, outer.as_slice())?;
    if let Some(outer) = outer {
        raw::close(outer);
    }

    let packed = obey(Order::Start)?.ok_or(Fault { step: Step::Order, item: 0, errno: libc::EBADMSG })?;
    files::unpack(root, packed)?;
    raw::close(packed);
    mounts::seal(root).at(Step::Seal, 0)?;
    raw::close(root);
    lock::drop_privileges(program)?;
    lock::apply_landlock(&program.landlock)?;
    lock::apply_filter(&program.filter)?;
    let passed = self_test::run(&program.self_test);
    say(Report::SelfTested(passed), &[])?;
    obey(Order::Launch)?;
    let inner = terminal.map(|(_, inner)| inner);
    let foreground = program.stdio.terminal.is_some_and(|terminal| terminal.foreground);
    first::launch_and_wait(prepared, &executable, &first::Terminal { inner, foreground })
}

/// Keeps the channel and the standard streams, closes everything else: the supervisor's descriptors must not live on in here.
fn separate(program: &Program, channel: RawFd) -> Result<(), Errno> {
    const ABOVE: RawFd = FIRST_FREE as RawFd + 3;
    let channel = raw::dup_above(channel, ABOVE)?;
    let mut streams = [-1; 3];
    for (stream, given) in streams.iter_mut().zip(program.stdio.streams) {
        if let Some(fd) = given {
            *stream = raw::dup_above(fd, ABOVE)?;
        }
    }
    raw::dup3(channel, CHANNEL, libc::O_CLOEXEC)?;
    for (stream, place) in streams.into_iter().zip(STDIO) {
        if stream >= 0 {
            raw::dup3(stream, place, libc::O_CLOEXEC)?;
        }
    }
    raw::close_range(FIRST_FREE, u32::MAX)?;
    let null = raw::open(c"/dev/null", libc::O_RDWR, 0)?;
    // A stream that becomes the terminal later keeps its place: whatever else is opened until then must not land there.
    for (given, place) in program.stdio.streams.iter().zip(STDIO) {
        if given.is_none() && place != null {
            raw::dup3(null, place, libc::O_CLOEXEC)?;
        }
    }
    for standard in 0..3 {
        if standard != null {
            raw::dup3(null, standard, 0)?;
        }
    }
    if null > 2 && !STDIO.contains(&null) {
        raw::close(null);
    }
    Ok(())
}

/// Writes the id maps. They belong to the file's owner, which is us only while we are dumpable.
fn become_mapped(program: &Program) -> Result<(), Errno> {
    raw::prctl(libc::PR_SET_DUMPABLE, 1, 0)?;
    raw::write_file(c"/proc/self/setgroups", b"deny")?;
    raw::write_file(c"/proc/self/gid_map", &program.gid_map)?;
    raw::write_file(c"/proc/self/uid_map", &program.uid_map)?;
    raw::prctl(libc::PR_SET_DUMPABLE, 0, 0).map(|_| ())
}

fn report_namespaces() -> Outcome<()> {
    let paths = [
        c"/proc/self/ns/user",
        c"/proc/self/ns/mnt",
        c"/proc/self/ns/pid",
        c"/proc/self/ns/net",
        c"/proc/self/ns/ipc",
        c"/proc/self/ns/uts",
        c"/proc/self/ns/cgroup",
    ];
    let mut inodes = [0; 7];
    for (index, (inode, path)) in inodes.iter_mut().zip(paths).enumerate() {
        *inode = raw::stat(path).at(Step::Report, index)?.ino;
    }
    say(Report::Namespaces(inodes), &[])
}

/// A terminal of the sandbox's own: outer end, inner end.
fn open_terminal(program: &Program) -> Result<Option<(RawFd, RawFd)>, Errno> {
    let Some(terminal) = program.stdio.terminal else { return Ok(None) };
    let outer = raw::open(c"/dev/pts/ptmx", libc::O_RDWR | libc::O_NOCTTY, 0)?;
    raw::unlock_pty(outer)?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    let inner = raw::ioctl_number(outer, libc::TIOCGPTPEER as libc::c_ulong, flags as libc::c_ulong)?;
    raw::set_window(inner, terminal.size.rows, terminal.size.columns)?;
    for (stream, place) in program.stdio.streams.iter().zip(STDIO) {
        if stream.is_none() {
            raw::dup3(inner, place, libc::O_CLOEXEC)?;
        }
    }
    Ok(Some((outer, inner)))
}

/// Opens the first candidate that can be executed, as execvp(3) would choose it, and passes it out to be measured.
fn find(program: &Program) -> Outcome<Executable<'_>> {
    let mut worst = libc::ENOENT;
    for (index, path) in program.candidates.iter().enumerate() {
        match open_executable(path) {
            Ok(fd) => {
                say(Report::Found(index as u64), &[fd])?;
                return Ok(Executable { fd, path });
            }
            Err(libc::ENOENT | libc::ENOTDIR) => {}
            Err(errno) => worst = errno,
        }
    }
    say(Report::NotFound(worst), &[])?;
    raw::exit(127)
}

fn open_executable(path: &CStr) -> Result<RawFd, Errno> {
    let fd = raw::open(path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY, 0)?;
    let regular = raw::fstat(fd)?.is_regular();
    match if regular { raw::may_execute(fd) } else { Err(libc::EACCES) } {
        Ok(()) => Ok(fd),
        Err(errno) => {
            raw::close(fd);
            Err(errno)
        }
    }
}

fn say(report: Report, descriptors: &[RawFd]) -> Outcome<()> {
    channel::send(CHANNEL, &report.encode(), descriptors).at(Step::Report, 0)
}

/// Waits for this order and no other; the supervisor's end ends the process.
fn obey(expected: Order) -> Outcome<Option<RawFd>> {
    let mut descriptors = [-1; MAX_DESCRIPTORS];
    let Some((words, count)) = channel::receive(CHANNEL, &mut descriptors, 0).at(Step::Order, 1)? else {
        raw::exit(125)
    };
    if Order::decode(words) != Some(expected) {
        return Err(libc::EBADMSG).at(Step::Order, 2);
    }
    Ok(descriptors.first().copied().filter(|_| count > 0))
}
