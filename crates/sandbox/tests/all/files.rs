//! What is visible, what is writable, and what is neither.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use bailiwick_sandbox::{Exit, PrivateHome, Sandbox, SandboxError, Stream};

use crate::bench::{Bench, Refuse, injected, run};

#[test]
fn a_file_the_plan_does_not_name_cannot_be_taken() {
    let bench = Bench::new();
    let secret = bench.path("secret");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "MARKER-secret", "readable outside");
    let outcome = bench.shell(&format!("cp '{}' stolen; cat '{0}'; echo done > proof", secret.display()));
    assert_eq!(bench.left("proof").as_deref(), Some("done\n"));
    assert_eq!(bench.left("stolen"), None);
    assert!(!outcome.stdout.contains("MARKER"));
}

#[test]
fn accounts_and_keys_of_the_system_are_not_there() {
    let bench = Bench::new();
    bench.shell("for f in /etc/shadow /etc/gshadow /etc/ssh/ssh_host_rsa_key /etc/sudoers /sys /boot /root /home /var/lib /var/run/docker.sock /run/user; do [ -e $f ] && echo $f >> seen; done; echo done > proof");
    assert_eq!(bench.left("proof").as_deref(), Some("done\n"));
    assert_eq!(bench.left("seen"), None);
}

#[test]
fn nothing_but_the_workspace_can_be_changed() {
    let bench = Bench::new();
    let mut plan = bench.plan(&["/bin/sh", "-c", "touch /usr/MARKER /etc/MARKER /proc/MARKER /MARKER \"$TOOLS/MARKER\"; echo 1 > /proc/sys/kernel/sysrq; echo in > workspace"]);
    plan.environment.push(("TOOLS".into(), bench.path("tools").into()));
    plan.read_only.push(bench.path("tools"));
    run(plan, Refuse::all()).unwrap();
    assert_eq!(bench.left("workspace").as_deref(), Some("in\n"));
    for path in ["/usr/MARKER", "/etc/MARKER", "/MARKER"] {
        assert!(!Path::new(path).exists(), "{path}");
    }
    assert!(!bench.path("tools/MARKER").exists());
}

#[test]
fn a_masked_file_looks_empty_and_stays_as_it_is() {
    let bench = Bench::new();
    fs::write(bench.path("work/.env"), "TOKEN=MARKER").unwrap();
    fs::create_dir(bench.path("work/keys")).unwrap();
    fs::write(bench.path("work/keys/key"), "MARKER").unwrap();
    symlink(bench.path("work/.env"), bench.path("work/link")).unwrap();
    let mut plan = bench.plan(&["/bin/sh", "-c", "cat .env keys/* link > out; echo x > .env; rm -f .env; mv .env other; rm -rf keys; mv keys gone; echo done > proof"]);
    plan.masks = [".env", "keys", "link", "missing"].map(|name| bench.path("work").join(name)).to_vec();
    run(plan, Refuse::all()).unwrap();
    assert_eq!(bench.left("proof").as_deref(), Some("done\n"));
    assert_eq!(bench.left("out").as_deref(), Some(""));
    assert_eq!(bench.left(".env").as_deref(), Some("TOKEN=MARKER"));
    assert_eq!(bench.left("keys/key").as_deref(), Some("MARKER"));
}

#[test]
fn the_home_is_another_directory_at_the_same_path() {
    let bench = Bench::new();
    let real = bench.path("ann");
    fs::create_dir_all(real.join(".ssh")).unwrap();
    fs::write(real.join(".ssh/id"), "MARKER").unwrap();
    fs::create_dir_all(real.join(".cargo/bin")).unwrap();
    fs::write(real.join(".cargo/bin/tool"), "tool").unwrap();
    let mut plan = bench.plan(&[
        "/bin/sh",
        "-c",
        "cat ~/.ssh/id > out; cat ~/.cargo/bin/tool >> out; echo mine > ~/.config; touch ~/.cargo/x",
    ]);
    plan.environment.push(("HOME".into(), real.clone().into()));
    plan.home = Some(PrivateHome { host_dir: bench.path("home"), mount_at: real.clone() });
    plan.read_only.push(real.join(".cargo"));
    run(plan, Refuse::all()).unwrap();
    assert_eq!(bench.left("out").as_deref(), Some("tool"));
    assert_eq!(fs::read_to_string(bench.path("home/.config")).unwrap(), "mine\n");
    assert!(!real.join(".config").exists());
    assert!(!real.join(".cargo/x").exists());
}

#[test]
fn a_link_planted_in_the_private_home_is_not_followed() {
    let bench = Bench::new();
    let real = bench.path("ann");
    fs::create_dir_all(real.join(".cargo")).unwrap();
    symlink(bench.scratch.path(), bench.path("home/.cargo")).unwrap();
    let mut plan = bench.plan(&["/bin/true"]);
    plan.home = Some(PrivateHome { host_dir: bench.path("home"), mount_at: real.clone() });
    plan.read_only.push(real.join(".cargo"));
    let error = Sandbox::prepare(plan).unwrap_err();
    assert!(matches!(error, SandboxError::Step { .. }), "{error}");
    assert_eq!(error.exit_code(), 125);
}

#[test]
fn an_injected_file_exists_only_inside() {
    let bench = Bench::new();
    fs::write(bench.path("tools/config"), "host").unwrap();
    let mut plan = bench.plan(&["/bin/sh", "-c", "cat \"$T/config\" /etc/gitconfig /etc/hosts /etc/deep/new > out; echo x > \"$T/config\"; echo y > /etc/hosts; mount > mounts"]);
    plan.environment.push(("T".into(), bench.path("tools").into()));
    plan.read_only.push(bench.path("tools"));
    plan.files.push(injected(Path::new("/etc/gitconfig"), "first "));
    plan.files.push(injected(&bench.path("tools/config"), "inside "));
    let (prepared, capture) = crate::bench::prepare(plan).unwrap();
    let late = vec![
        injected(Path::new("/etc/gitconfig"), "late "),
        injected(Path::new("/etc/hosts"), "hosts "),
        injected(Path::new("/etc/deep/new"), "new"),
    ];
    let outcome = capture.finish(prepared.start(late, Refuse::all()).unwrap());
    assert_eq!(bench.left("out").as_deref(), Some("inside late hosts new"), "{}", outcome.stderr);
    assert_eq!(fs::read_to_string(bench.path("tools/config")).unwrap(), "host");
    assert!(!Path::new("/etc/deep").exists());
}

#[test]
fn an_injected_file_never_makes_one_on_the_host() {
    let bench = Bench::new();
    let mut plan = bench.plan(&["/bin/true"]);
    plan.files.push(injected(&bench.path("work/new"), "x"));
    let error = Sandbox::prepare(plan).unwrap().start(Vec::new(), Refuse::all()).unwrap_err();
    assert!(error.to_string().contains("work/new"), "{error}");
    assert_eq!(bench.left("new"), None);
}

#[test]
fn large_injected_files_arrive_whole() {
    let bench = Bench::new();
    let mut plan = bench.plan(&["/bin/sh", "-c", "cksum < /etc/large > sum"]);
    let contents = "0123456789abcdef".repeat(100_000);
    plan.files.push(injected(Path::new("/etc/large"), &contents));
    run(plan, Refuse::all()).unwrap();
    fs::write(bench.path("same"), &contents).unwrap();
    let outside = std::process::Command::new("cksum")
        .stdin(fs::File::open(bench.path("same")).unwrap())
        .output()
        .unwrap();
    assert_eq!(bench.left("sum").unwrap().as_bytes(), outside.stdout);
}

#[test]
fn workspaces_with_odd_names_work() {
    let bench = Bench::new();
    for name in ["a b", "new\nline", "quote'\"", "ünïcode", "-rf", "percent%s"] {
        let dir = bench.path(name);
        fs::create_dir(&dir).unwrap();
        let mut plan = bench.plan(&["/bin/sh", "-c", "pwd > where"]);
        plan.workdir = dir.clone();
        run(plan, Refuse::all()).unwrap();
        let canonical = dir.canonicalize().unwrap();
        assert_eq!(fs::read_to_string(dir.join("where")).unwrap(), format!("{}\n", canonical.display()));
    }
    symlink(bench.path("work"), bench.path("link")).unwrap();
    let mut plan = bench.plan(&["/bin/sh", "-c", "pwd -P > where"]);
    plan.workdir = bench.path("link");
    run(plan, Refuse::all()).unwrap();
    assert!(bench.left("where").unwrap().ends_with("/work\n"));
}

#[test]
fn a_workspace_that_cannot_be_written_is_refused() {
    let bench = Bench::new();
    fs::set_permissions(bench.path("work"), fs::Permissions::from_mode(0o555)).unwrap();
    let started = Sandbox::prepare(bench.plan(&["/bin/true"])).unwrap().start(Vec::new(), Refuse::all());
    fs::set_permissions(bench.path("work"), fs::Permissions::from_mode(0o755)).unwrap();
    let error = started.unwrap_err();
    assert!(matches!(&error, SandboxError::SelfTest { missed } if missed.len() == 1), "{error}");
}

#[test]
fn a_missing_workspace_is_refused() {
    let bench = Bench::new();
    let mut plan = bench.plan(&["/bin/true"]);
    plan.workdir = bench.path("nothing");
    assert!(matches!(Sandbox::prepare(plan), Err(SandboxError::Path { .. })));
}

#[test]
fn a_stream_that_carries_authority_is_refused() {
    let bench = Bench::new();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let streams =
        [fs::File::open("/").unwrap().into(), socket.into(), fs::File::open("/dev/zero").unwrap().into()];
    for stream in streams {
        let mut plan = bench.plan(&["/bin/true"]);
        let [_, output, error] = plan.stdio.streams;
        plan.stdio.streams = [Stream::Descriptor(stream), output, error];
        assert!(matches!(Sandbox::prepare(plan), Err(SandboxError::Stream { number: 0, .. })));
    }
}

#[test]
fn scratch_directories_are_private_and_gone_afterwards() {
    let bench = Bench::new();
    let outcome = bench.shell("for d in /tmp /var/tmp /dev/shm /run; do echo x > $d/MARKER-scratch || echo $d; done; printf '#!/bin/sh\\nexit 9' > /tmp/x; chmod +x /tmp/x; /tmp/x");
    assert_eq!(outcome.exit, Exit::Code(9));
    assert_eq!(outcome.stdout, "");
    for dir in ["/tmp", "/var/tmp", "/dev/shm", "/run"] {
        assert!(!Path::new(dir).join("MARKER-scratch").exists(), "{dir}");
    }
}

#[test]
fn memory_files_have_a_limit() {
    let bench = Bench::new();
    let mut plan =
        bench.plan(&["/bin/sh", "-c", "head -c 20000000 /dev/zero > /tmp/big; wc -c < /tmp/big > size"]);
    plan.limits.memory_bytes = 4 << 20;
    run(plan, Refuse::all()).unwrap();
    let size: u64 = bench.left("size").unwrap().trim().parse().unwrap();
    assert!(size <= 4 << 20, "{size}");
}

#[test]
fn usual_programs_find_what_they_need() {
    let bench = Bench::new();
    let outcome = bench.shell("set -e; id -u >/dev/null; git init -q repo; date; python3 -c 'import multiprocessing as m, ssl; p=m.Pool(2); print(p.map(abs,[-1]), ssl.create_default_context().cert_store_stats()[\"x509_ca\"] > 10)'; df /tmp > /dev/null; echo ok");
    assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("[1] True"), "{}", outcome.stdout);
}
