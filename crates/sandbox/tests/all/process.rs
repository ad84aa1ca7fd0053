//! Life, death and rights of the processes inside.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio as ProcessStdio};
use std::time::Duration;

use bailiwick_sandbox::{Exit, Sandbox, SandboxError, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::bench::{Bench, PYTHON, Refuse, pipe, prepare, processes_in, run};

const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// Whether the process behind a pidfd, or the peer behind a pipe, came to its end in time.
fn ends(fd: impl AsFd) -> bool {
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&PATIENCE)).unwrap() == 1
}

/// Whether something becomes true within half a minute.
fn in_time(mut it: impl FnMut() -> bool) -> bool {
    (0..3000).any(|_| {
        let done = it();
        if !done {
            std::thread::sleep(Duration::from_millis(10));
        }
        done
    })
}

#[test]
fn the_exit_code_is_the_programs() {
    let bench = Bench::new();
    for code in [0u8, 1, 42, 125, 255] {
        assert_eq!(bench.shell(&format!("exit {code}")).exit, Exit::Code(code));
    }
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGSEGV] {
        let exit = bench.shell(&format!("kill -{signal} $$")).exit;
        assert_eq!(exit, Exit::Signal(signal));
        assert_eq!(i32::from(exit.code()), 128 + signal);
    }
}

#[test]
fn a_program_that_is_not_there_is_127_and_one_that_cannot_run_126() {
    let bench = Bench::new();
    fs::write(bench.path("work/plain"), "x").unwrap();
    fs::write(bench.path("work/garbage"), "not a program\n").unwrap();
    fs::write(bench.path("work/orphan"), "#!/no/such/interpreter\n").unwrap();
    for name in ["garbage", "orphan"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(bench.path("work").join(name), mode).unwrap();
    }
    for (program, code) in [
        ("nothing-of-that-name", 127),
        ("./nothing", 127),
        ("/etc/passwd", 126),
        ("/usr", 126),
        ("./plain", 126),
        ("./garbage", 126),
        ("./orphan", 126),
    ] {
        let error = run(bench.plan(&[program]), Refuse::all()).map(|_| ()).unwrap_err();
        assert_eq!(error.exit_code(), code, "{program}: {error}");
    }
    assert!(matches!(run(bench.plan(&[]), Refuse::all()), Err(SandboxError::NoCommand)));
}

#[test]
fn a_script_runs_and_knows_its_name() {
    let bench = Bench::new();
    fs::write(bench.path("work/script"), "#!/bin/sh\necho \"$0 $1\"\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bench.path("work/script"), mode).unwrap();
    let outcome = run(bench.plan(&["./script", "argument"]), Refuse::all()).unwrap();
    assert!(outcome.stdout.ends_with("/script argument\n"), "{}", outcome.stdout);
}

#[test]
fn the_executed_file_is_the_measured_one() {
    let bench = Bench::new();
    let (prepared, capture) = prepare(bench.plan(&["sh", "-c", "sha256sum /proc/$$/exe"])).unwrap();
    let measured = prepared.executable_sha256().to_owned();
    let running = prepared.start(Vec::new(), Refuse::all()).unwrap();
    assert_eq!(running.evidence().executable_sha256, measured);
    assert!(capture.finish(running).stdout.starts_with(&measured));
    // Once more, from the cache.
    let again = Sandbox::prepare(bench.plan(&["sh", "-c", ":"])).unwrap();
    assert_eq!(again.executable_sha256(), measured);
    assert!(fs::read_to_string(bench.path("state/digests")).unwrap().contains(&measured));
}

#[test]
fn a_changed_file_is_measured_again() {
    let bench = Bench::new();
    let program = bench.path("work/program");
    fs::copy("/bin/true", &program).unwrap();
    let first = Sandbox::prepare(bench.plan(&["./program"])).unwrap().executable_sha256().to_owned();
    fs::remove_file(&program).unwrap();
    fs::copy("/bin/false", &program).unwrap();
    let second = Sandbox::prepare(bench.plan(&["./program"])).unwrap().executable_sha256().to_owned();
    assert_ne!(first, second);
}

#[test]
fn no_privilege_is_left() {
    let bench = Bench::new();
    let mut plan = bench.plan(&["/bin/cat"]);
    let (input, hold) = pipe();
    let [_, output, error] = plan.stdio.streams;
    plan.stdio.streams = [Stream::Descriptor(input), output, error];
    let running = Sandbox::prepare(plan).unwrap().start(Vec::new(), Refuse::all()).unwrap();
    let members = processes_in(running.evidence().namespaces.pid);
    let (cat, _) = members.iter().copied().find(|(pid, _)| comm(*pid) == "cat").unwrap();
    let status = fs::read_to_string(format!("/proc/{cat}/status")).unwrap();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap().to_owned()
    };
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    let own = rustix::process::geteuid().as_raw().to_string();
    assert!(field("Uid:").split_whitespace().all(|uid| uid == own));
    drop(hold);
    assert_eq!(running.wait(), Exit::Code(0));
}

fn comm(pid: u32) -> String {
    // Before Linux 6.14 a program executed by descriptor is named after the descriptor.
    let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    exe.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[test]
fn open_files_of_the_supervisor_stay_outside() {
    let bench = Bench::new();
    let secret = fs::File::open(bench.path("secret")).unwrap();
    rustix::io::fcntl_setfd(&secret, rustix::io::FdFlags::empty()).unwrap();
    // Reading its own output would never end.
    let outcome = bench.shell(
        "for f in /proc/self/fd/* /proc/1/fd/*; do case $(readlink $f) in pipe:*) ;; *) readlink $f; cat $f ;; esac; done < /dev/null",
    );
    assert!(!outcome.stdout.contains("secret") && !outcome.stdout.contains("MARKER"), "{}", outcome.stdout);
    drop(secret);
}

#[test]
fn the_first_process_cannot_be_looked_into() {
    let bench = Bench::new();
    let outcome = bench.shell("for f in mem environ maps root/etc/hostname cwd/. fd/3 exe; do head -c 1 /proc/1/$f >/dev/null 2>&1 && echo $f; done; kill -9 1; kill -STOP 1; echo alive");
    assert_eq!(outcome.stdout, "alive\n");
}

/// Another test's sandbox may have been given the number of the namespace at once: it ends soon, and what was left running would not.
fn assert_nobody_in(namespace: u64) {
    assert!(in_time(|| processes_in(namespace).is_empty()), "{:?}", processes_in(namespace));
}

#[test]
fn what_the_program_leaves_running_ends_with_it() {
    let bench = Bench::new();
    let (prepared, capture) = prepare(bench.plan(&[
        "/bin/sh",
        "-c",
        "(trap '' TERM HUP INT; setsid sleep 1000) & echo on; exit 3",
    ]))
    .unwrap();
    let running = prepared.start(Vec::new(), Refuse::all()).unwrap();
    let namespace = running.evidence().namespaces.pid;
    let outcome = capture.finish(running);
    assert_eq!((outcome.exit, outcome.stdout.as_str()), (Exit::Code(3), "on\n"));
    assert_nobody_in(namespace);
}

#[test]
fn orphans_are_reaped() {
    let bench = Bench::new();
    let mut plan = bench.plan(&[
        PYTHON,
        "-c",
        "import os\nfor i in range(100):\n p=os.fork()\n if p==0:\n  if os.fork()==0: os._exit(0)\n  os._exit(0)\n os.waitpid(p,0)\nopen('ready','w').close()\nos.read(0,1)",
    ]);
    let (input, hold) = pipe();
    let [_, output, error] = plan.stdio.streams;
    plan.stdio.streams = [Stream::Descriptor(input), output, error];
    let running = Sandbox::prepare(plan).unwrap().start(Vec::new(), Refuse::all()).unwrap();
    let namespace = running.evidence().namespaces.pid;
    let settled = in_time(|| {
        bench.left("ready").is_some() && !processes_in(namespace).iter().any(|(_, state)| *state == 'Z')
    });
    assert!(settled, "{:?}", processes_in(namespace));
    drop(hold);
    running.wait();
}

#[test]
fn a_fork_bomb_stays_inside_its_limit() {
    let bench = Bench::new();
    let mut plan = bench.plan(&[
        PYTHON,
        "-c",
        "import os,time\nn=0\nfor i in range(10000):\n try: p=os.fork()\n except OSError: break\n if p==0:\n  time.sleep(1000)\n n+=1\nopen('count.new','w').write(str(n))\nos.rename('count.new','count')\nos.read(0,1)",
    ]);
    plan.limits.processes = 100;
    let (input, hold) = pipe();
    let [_, output, error] = plan.stdio.streams;
    plan.stdio.streams = [Stream::Descriptor(input), output, error];
    let running = Sandbox::prepare(plan).unwrap().start(Vec::new(), Refuse::all()).unwrap();
    let limited = running.evidence().limits.iter().any(|limit| limit.starts_with("processes"));
    let namespace = running.evidence().namespaces.pid;
    let mut most = 0;
    let counted = in_time(|| bench.left("count").is_some());
    most = most.max(processes_in(namespace).len());
    assert!(counted);
    // As root on a kernel without its own pid_max nothing can hold it, and the evidence says so.
    assert!(!limited || most <= 400, "{most} processes");
    drop(hold);
    running.wait();
    assert_nobody_in(namespace);
}

#[test]
fn what_this_kernel_lacks_is_in_the_evidence() {
    let bench = Bench::new();
    let running =
        Sandbox::prepare(bench.plan(&["/bin/true"])).unwrap().start(Vec::new(), Refuse::all()).unwrap();
    let evidence = running.evidence().clone();
    running.wait();
    for (since, what) in [(4, "TCP rights"), (6, "scopes"), (9, "named unix sockets")] {
        let named = evidence.missing.iter().any(|missing| missing.contains(what));
        assert_eq!(named, evidence.landlock_abi < since, "{what}: {:?}", evidence.missing);
    }
}

#[test]
fn killing_the_sandbox_kills_everything() {
    let bench = Bench::new();
    let mut running = Sandbox::prepare(bench.plan(&["/bin/sh", "-c", "sleep 1000 & sleep 1000"]))
        .unwrap()
        .start(Vec::new(), Refuse::all())
        .unwrap();
    assert!(running.take_terminal().is_none());
    let namespace = running.evidence().namespaces.pid;
    let killer = running.killer().unwrap();
    std::thread::spawn(move || killer.kill());
    assert_eq!(running.wait(), Exit::Signal(libc::SIGKILL));
    assert_nobody_in(namespace);
}

#[test]
fn a_sandbox_that_is_dropped_is_gone() {
    let bench = Bench::new();
    let running = Sandbox::prepare(bench.plan(&["/bin/sleep", "1000"]))
        .unwrap()
        .start(Vec::new(), Refuse::all())
        .unwrap();
    let namespace = running.evidence().namespaces.pid;
    // Root sees both processes, another user only the program, and not while it is being executed.
    assert!(in_time(|| !processes_in(namespace).is_empty()));
    drop(running);
    assert_nobody_in(namespace);
    let prepared = Sandbox::prepare(bench.plan(&["/bin/sleep", "1000"])).unwrap();
    drop(prepared);
    let left: Vec<_> =
        fs::read_dir(bench.path("state")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["digests"]);
}

/// Not a test by itself: the supervisor that the next test kills, in a process of its own.
#[test]
fn supervisor_to_be_killed() {
    let Some(dir) = std::env::var_os("BAILIWICK_TEST_SUPERVISE") else { return };
    let mut bench = Bench::new();
    bench.scratch.disable_cleanup(true);
    let mut plan =
        bench.plan(&["/bin/sh", "-c", "setsid sh -c 'trap \"\" HUP TERM; sleep 1000' & sleep 1000"]);
    plan.workdir = dir.into();
    let running = Sandbox::prepare(plan).unwrap().start(Vec::new(), Refuse::all()).unwrap();
    println!("namespace {}", running.evidence().namespaces.pid);
    running.wait();
}

#[test]
fn when_the_supervisor_is_killed_everything_dies() {
    let bench = Bench::new();
    let mut supervisor = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::supervisor_to_be_killed", "--nocapture", "--test-threads=1"])
        .env("BAILIWICK_TEST_SUPERVISE", bench.path("work"))
        .env("TMPDIR", bench.scratch.path())
        .stdout(ProcessStdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(supervisor.stdout.take().unwrap());
    let namespace: u64 = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split("namespace ").nth(1)?.trim().parse().ok())
        .unwrap();
    assert!(in_time(|| processes_in(namespace).len() >= 2), "{:?}", processes_in(namespace));
    let inside: Vec<_> = processes_in(namespace)
        .iter()
        .map(|(pid, _)| {
            pidfd_open(Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap(), PidfdFlags::empty()).unwrap()
        })
        .collect();
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    assert!(inside.iter().all(ends));
    // What is dead and not yet reaped runs nothing.
    let alive = processes_in(namespace).into_iter().filter(|(_, state)| *state != 'Z');
    assert_eq!(alive.collect::<Vec<_>>(), []);
}

#[test]
fn the_environment_is_the_plans_and_nothing_else() {
    let bench = Bench::new();
    let mut plan = bench.plan(&["/usr/bin/env"]);
    plan.environment.push(("ODD".into(), "a=b\nc".into()));
    let outcome = run(plan, Refuse::all()).unwrap();
    assert_eq!(outcome.stdout, "PATH=/usr/bin:/bin\nODD=a=b\nc\n");
}

#[test]
fn dangerous_system_calls_are_refused() {
    let bench = Bench::new();
    let outcome = bench.python(
        r"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
calls = {'mount':165,'umount2':166,'pivot_root':155,'chroot':161,'setns':308,'ptrace':101,'process_vm_readv':310,
 'bpf':321,'perf':298,'keyctl':250,'add_key':248,'userfaultfd':323,'io_uring_setup':425,'open_tree':428,'move_mount':429,
 'fsopen':430,'mount_setattr':442,'pidfd_getfd':438,'kcmp':312,'open_by_handle_at':304,'init_module':175,'reboot':169,
 'iopl':172,'personality':135}
import platform
if platform.machine() != 'x86_64': raise SystemExit(77)
for name, number in calls.items():
    arg = 0x40000 if name == 'personality' else 0
    if libc.syscall(number, arg, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 1: print(name, ctypes.get_errno())
for flags in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x4000000, 0x8000000, 0x2000000, 0x80):
    if libc.syscall(272, flags) != -1 or ctypes.get_errno() != 1: print('unshare', hex(flags))
if libc.syscall(435, 0, 0) != -1 or ctypes.get_errno() != 38: print('clone3')
if libc.syscall(317, 1, 8, 0) != -1 or ctypes.get_errno() != 16: print('second listener', ctypes.get_errno())
for request in (0x5412, 0x541c, 0x541d, 0x100005412):
    if libc.ioctl(0, ctypes.c_ulong(request), 0) != -1 or ctypes.get_errno() != 1: print('ioctl', hex(request), ctypes.get_errno())
",
    );
    assert!(matches!(outcome.exit, Exit::Code(0 | 77)), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn foreign_calling_conventions_are_deadly() {
    let bench = Bench::new();
    // getpid by int 0x80 and by the x32 number, each in machine code of x86_64.
    let program = |code: &str| {
        format!(
            "import ctypes,mmap,platform\nif platform.machine()!='x86_64': raise SystemExit(77)\nm=mmap.mmap(-1,4096,prot=7)\nm.write(bytes.fromhex('{code}'))\nctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()\nopen('survived','w')"
        )
    };
    for code in ["b814000000cd80c3", "b827000040" /* mov eax, 0x40000027 */] {
        let code = if code.len() == 10 { format!("{code}0f05c3") } else { code.to_owned() };
        let exit = bench.python(&program(&code)).exit;
        assert!(matches!(exit, Exit::Signal(libc::SIGSYS | libc::SIGSEGV) | Exit::Code(77)), "{exit:?}");
        assert_eq!(bench.left("survived"), None);
    }
}

#[test]
fn a_signal_reaches_the_program() {
    use bailiwick_sandbox::terminal::Job;
    let bench = Bench::new();
    let mut running = Sandbox::prepare(bench.plan(&["/bin/sleep", "1000"]))
        .unwrap()
        .start(Vec::new(), Refuse::all())
        .unwrap();
    running.signal(Signal::TERM).unwrap();
    assert_eq!(running.wait(), Exit::Signal(libc::SIGTERM));
}

#[test]
fn evidence_says_what_was_proved() {
    let bench = Bench::new();
    let running =
        Sandbox::prepare(bench.plan(&["/bin/true"])).unwrap().start(Vec::new(), Refuse::all()).unwrap();
    let evidence = serde_json::to_value(running.evidence()).unwrap();
    assert_eq!(evidence["tier"], "T2");
    assert_eq!(evidence["uid"], rustix::process::geteuid().as_raw());
    assert!(evidence["layers"].as_array().unwrap().len() >= 10);
    let own = |name: &str| {
        let link = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        link.to_string_lossy().trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap()
    };
    for (name, key) in
        [("user", "user"), ("mnt", "mount"), ("pid", "pid"), ("net", "network"), ("ipc", "ipc")]
    {
        assert_ne!(evidence["namespaces"][key].as_u64().unwrap(), own(name), "{name}");
    }
    running.wait();
}

#[test]
fn two_hundred_sandboxes_one_after_another_leave_nothing() {
    let bench = Bench::new();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    run(bench.plan(&["/bin/true"]), Refuse::all()).unwrap();
    let mut file = fs::File::create(bench.path("work/log")).unwrap();
    for number in 0..200 {
        let outcome = run(bench.plan(&["/bin/true"]), Refuse::all()).unwrap();
        assert_eq!(outcome.exit, Exit::Code(0));
        writeln!(file, "{number} {}", descriptors()).unwrap();
    }
    let left: Vec<_> =
        fs::read_dir(bench.path("state")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["digests"]);
}

#[test]
fn a_process_that_is_gone_cannot_be_signalled() {
    let bench = Bench::new();
    let running =
        Sandbox::prepare(bench.plan(&["/bin/true"])).unwrap().start(Vec::new(), Refuse::all()).unwrap();
    let pid = Pid::from_raw(running.pid()).unwrap();
    let killer = running.killer().unwrap();
    running.wait();
    killer.kill();
    assert!(kill_process(pid, Signal::CONT).is_err());
}
