//! What work inside costs once it runs: compiling, `git status` and `git grep` in a repository of 20,000 files, native, behind a bare
//! Landlock and seccomp wrapper, and in the sandbox. The starts are not in it: the command is repeated inside, and timed there.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use landlock::{ABI, Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::measure::{Contestant, ms, quantile, rounds};
use crate::product::{CLIENT_CORE, Product, own, result, timed};
use crate::report::{Goal, Row};

const FILES: usize = 20_000;
const REPEATS: &str = "5";

pub(crate) fn run(count: usize) -> Result<Vec<Row>> {
    let product = Product::new()?;
    let workspace = product.workspace();
    populate(&workspace)?;
    let compile = "for i in 0 1 2 3 4 5 6 7 8 9; do cc -O1 -c c/$i.c -o c/$i.o || exit 1; done";
    let cases = [
        ("compile of 10 files", vec!["sh", "-c", compile], 1.05),
        ("git status, 20,000 files", vec!["git", "--no-optional-locks", "status", "--porcelain"], 1.15),
        ("git grep, 20,000 files", vec!["git", "grep", "-c", "--threads", "1", "needle"], 1.40),
    ];
    let own = own()?;
    let mut rows = Vec::new();
    for (what, command, most) in cases {
        let repeated: Vec<&str> = [own.as_str(), "repeat", REPEATS].into_iter().chain(command).collect();
        let found = rounds(
            count,
            vec![
                Contestant::new("native", || result(&mut here(&workspace, &repeated))),
                Contestant::new("wrapper", || {
                    let wrapped: Vec<&str> =
                        [own.as_str(), "wrapped"].into_iter().chain(repeated.clone()).collect();
                    result(&mut here(&workspace, &wrapped))
                }),
                Contestant::new("sandbox", || result(&mut product.inside(&["--offline"], &repeated)?)),
            ],
        )?;
        let row = || Row::new("steady", what, "ms", found.value("sandbox")).rounds(found.count());
        rows.push(
            row()
                .beside("native", found.value("native"), found.ratio("sandbox", "native"))
                .goal(Goal::RatioAtMost(most)),
        );
        rows.push(
            row()
                .beside("bare wrapper", found.value("wrapper"), found.ratio("sandbox", "wrapper"))
                .goal(Goal::RatioAtMost(1.05)),
        );
    }
    Ok(rows)
}

fn here(workspace: &Path, argv: &[&str]) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", CLIENT_CORE]).args(argv).current_dir(workspace);
    command
}

/// A repository of 20,000 committed files, and ten small C files in it.
fn populate(workspace: &Path) -> Result<()> {
    for number in 0..FILES {
        let directory = workspace.join(format!("d{}/e{}", number % 40, number / 40 % 25));
        std::fs::create_dir_all(&directory)?;
        let text = format!("file {number}\n{}", "some words that are not looked for\n".repeat(20));
        std::fs::write(
            directory.join(format!("f{number}.txt")),
            text + if number % 100 == 0 { "needle\n" } else { "" },
        )?;
    }
    std::fs::create_dir(workspace.join("c"))?;
    for number in 0..10 {
        let text =
            format!("#include <stdio.h>\nint f{number}(int x) {{ return printf(\"%d\", x * {number}); }}\n");
        std::fs::write(workspace.join(format!("c/{number}.c")), text)?;
    }
    std::fs::write(workspace.join(".gitignore"), "*.o\n")?;
    let commit =
        ["-c", "user.name=Example", "-c", "user.email=example@example.com", "commit", "-q", "-m", "start"];
    for arguments in [vec!["init", "-q"], vec!["add", "-A"], commit.to_vec()] {
        timed(Command::new("git").args(arguments).current_dir(workspace))?;
    }
    Ok(())
}

/// Runs a command that many times and prints the median in milliseconds.
pub(crate) fn repeat(times: usize, command: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = command else { bail!("no command") };
    let mut values = Vec::new();
    for _ in 0..=times {
        let started = Instant::now();
        let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
        values.push(ms(started.elapsed()));
        ensure!(status.success(), "{program}: {status}");
    }
    values.remove(0);
    println!("{}", quantile(&mut values, 0.5));
    Ok(())
}

/// Runs a command under Landlock (everything readable, `/tmp` and the working directory writable) and a small seccomp filter: the
/// least that a sandbox of this kind costs.
pub(crate) fn wrapped(command: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = command else { bail!("no command") };
    let abi = ABI::V5;
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?.create()?;
    rules = rules.add_rule(PathBeneath::new(PathFd::new("/")?, AccessFs::from_read(abi)))?;
    for path in [Path::new("/tmp"), Path::new("/dev"), &std::env::current_dir()?] {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, AccessFs::from_all(abi)))?;
    }
    rules.restrict_self()?;
    // ptrace, kexec_load, init_module, bpf, mount and setns, by their numbers on this architecture.
    let denied = [101, 246, 175, 321, 165, 308].map(|number| (number, Vec::new()));
    let filter = SeccompFilter::new(
        denied.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(1),
        std::env::consts::ARCH.try_into()?,
    )?;
    let program_of_filter: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program_of_filter)?;
    let status = Command::new(program).args(arguments).status()?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}
