//! Programs that end in their own way, that cannot be run, and that are not there.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use bailiwick_testkit::World;
use bailiwick_testkit::product::{LIMIT, finish};
use serde_json::Value;

use crate::told::{fails, records, says, verified};

fn count(world: &World, kind: &str) -> usize {
    records(world).iter().filter(|record| record["kind"] == kind).count()
}

#[test]
fn a_run_exits_as_its_program_did() {
    let world = World::new();
    for (script, code) in
        [("exit 0", 0), ("exit 1", 1), ("exit 42", 42), ("exit 125", 125), ("exit 255", 255)]
    {
        world.script(script).expect_code(code);
    }
    for (signal, code) in [("TERM", 143), ("INT", 130), ("KILL", 137), ("SEGV", 139)] {
        world.script(&format!("kill -{signal} $$")).expect_code(code);
    }
    assert_eq!(count(&world, "session_closed"), 9, "an end is not on record");
}

#[test]
fn the_report_says_how_it_ended() {
    let world = World::new();
    let report = world.home.scratch().join("report.json");
    for (script, code, signal) in [("exit 7", Some(7), None), ("kill -TERM $$", None, Some(15))] {
        let mut command = world.bailiwick().command(["run", "--report"]);
        command.arg(&report).args(["--", "sh", "-c", script]);
        finish(command, b"", LIMIT);
        let told: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        assert_eq!(told["exit"]["code"].as_i64(), code, "{told:#}");
        assert_eq!(told["exit"]["signal"].as_i64(), signal, "{told:#}");
        assert!(told["session"].as_str().unwrap().starts_with("ses_"), "{told:#}");
        assert!(told["evidence"]["executable_sha256"].is_string(), "{told:#}");
        for decision in ["permit", "hold", "refuse"] {
            assert!(told["actions"][decision].is_u64(), "{told:#}");
        }
    }
}

#[test]
fn a_program_that_is_not_there() {
    let world = World::new();
    for program in ["no-such-program", "./no-such-program", "/no/such/program"] {
        fails(&world.bailiwick(), &["run", "--", program], 127, &format!("`{program}`"), "--readable PATH");
        fails(&world.bailiwick(), &["run", "--offline", "--", program], 127, program, "--readable PATH");
    }
    verified(&world);
}

#[test]
fn a_program_that_cannot_run() {
    let world = World::new();
    let file = |name: &str, text: &str, mode: u32| {
        let path = world.home.workspace().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    file("plain", "echo hello\n", 0o644);
    file("lost", "#!/no/such/interpreter\n", 0o755);
    file("odd", "\u{7f}ELF and nothing of the kind", 0o755);
    let cannot = |program: &str, remedy: &str| {
        fails(&world.bailiwick(), &["run", "--", program], 126, &format!("`{program}`"), remedy);
    };
    cannot("./plain", "chmod +x");
    cannot("/usr/bin", "sh FILE");
    cannot("./lost", "interpreter");
    cannot("./odd", "built for this machine");
    // The remedy that is named is one.
    world.script("sh ./plain").ok();
    assert!(count(&world, "session_opened") > 1, "what could not run is not on record");
    assert_eq!(count(&world, "session_opened"), count(&world, "session_closed"), "an end is not on record");
    assert!(records(&world).iter().all(|record| record["end"] != "lost"), "nothing was lost");
    verified(&world);
}

#[test]
fn no_program_and_unknown_words() {
    let world = World::new();
    for arguments in [
        vec!["run"],
        vec!["run", "--"],
        vec!["run", "--no-such-flag", "--", "true"],
        vec!["run", "--ttl", "5", "--", "true"],
        vec!["log", "--no-such-flag"],
        vec!["log", "--decision", "maybe"],
        vec!["log", "--limit", "many"],
        vec!["no-such-command"],
        vec!["session", "no-such-command"],
        vec!["secret", "set", "Not_A_Name"],
        vec!["lock", "add", "everyone"],
    ] {
        let finished = world.bailiwick().run(&arguments).expect_code(2);
        assert!(finished.stdout().is_empty(), "{}", finished.stdout());
        assert!(finished.stderr().contains("--help"), "{}", finished.stderr());
        let mut with_json = vec!["--json"];
        with_json.extend(arguments);
        let problem: Value = world.bailiwick().run(with_json).expect_code(2).json();
        assert_eq!(problem["code"], "usage", "{problem:#}");
        assert!(problem["fix"].is_string() && problem["detail"].is_string(), "{problem:#}");
    }
    // What stands behind `--` is the program's own.
    assert!(world.script("exit 2").expect_code(2).stdout().is_empty());
    assert!(!world.home.path().join("no").exists());
}

#[test]
fn files_that_an_option_names() {
    let world = World::new();
    let bailiwick = world.bailiwick();
    let run = |option: &str, path: &str| bailiwick.run(["run", option, path, "--", "touch", "it-ran"]);
    for option in ["--task-file", "--grant", "--readable"] {
        says(&run(option, "/no/such/file"), 2, "`/no/such/file`", option);
    }
    says(&run("--report", "/no/such/directory/report"), 125, "`/no/such/directory/report`", "--report FILE");
    fs::write(world.home.workspace().join("grant.json"), "{ nonsense").unwrap();
    says(&run("--grant", "grant.json"), 2, "grant.json` is not a grant: ", "--grant FILE");
    let large = format!("{{\"capabilities\":[{}]}}", " ".repeat(16 * 1024));
    fs::write(world.home.workspace().join("grant.json"), large).unwrap();
    says(&run("--grant", "grant.json"), 2, "larger than 16384 bytes", "--grant FILE");
    says(&run("--grant", "/dev/zero"), 2, "larger than 16384 bytes", "--grant FILE");
    assert!(!world.home.workspace().join("it-ran").exists(), "it ran all the same");
}

#[test]
fn values_that_an_option_cannot_take() {
    let world = World::new();
    let bailiwick = world.bailiwick();
    fails(&bailiwick, &["run", "--env", "NAME=value", "--", "true"], 2, "`NAME=value`", "`--env NAME`");
    let task = "x".repeat(20_000);
    fails(&bailiwick, &["run", "--task", &task, "--", "true"], 2, "20000 bytes", "--task");
    fails(&bailiwick, &["run", "--", ""], 125, "no command", "bailiwick run -- CMD");
    // No time at all is not the same as no limit.
    bailiwick.run(["run", "--ttl", "0s", "--", "sleep", "1000"]).expect_code(124);
}

#[test]
fn words_that_are_not_text() {
    let world = World::new();
    let odd = OsStr::from_bytes(b"\xff");
    let run = |words: &[&OsStr]| {
        let mut command = world.bailiwick().command(["run"]);
        command.args(words);
        finish(command, b"", LIMIT)
    };
    let dashes = OsStr::new("--");
    says(&run(&[dashes, odd]), 127, "`\u{fffd}`", "--readable PATH");
    run(&[OsStr::new("--task"), odd, dashes, OsStr::new("true")]).expect_code(2);
    let workspace = world.home.workspace().join(odd);
    fs::create_dir(&workspace).unwrap();
    let made = run(&[OsStr::new("--workdir"), odd, dashes, OsStr::new("touch"), odd]);
    made.ok();
    assert!(workspace.join(odd).exists());
    verified(&world);
}

#[test]
fn a_long_command_line_runs_and_is_on_record() {
    let world = World::new();
    let long = "x".repeat(100_000);
    let words: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let mut command = world.bailiwick().command(["run", "--", "sh", "-c", "echo $#-${#1}", "sh", &long]);
    command.args(words);
    assert_eq!(finish(command, b"", LIMIT).ok().stdout(), "20001-100000\n");
    assert_eq!(count(&world, "session_closed"), 1, "its end is not on record");
    verified(&world);
}

#[test]
fn readers_that_have_had_enough() {
    let world = World::new();
    world.script("true").ok();
    for line in [
        "completions bash",
        "doctor",
        "doctor --json",
        "ledger export",
        "ledger proof 0",
        "ledger verify",
        "policy list",
        "log --json",
        "session list --json",
        "version",
        "--help",
    ] {
        let bailiwick = world.bailiwick();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = bailiwick.command(line.split(' '));
        let ended = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let ended = ended.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.is_empty(), "{line}: {} {said}", ended.status);
    }
    let mut command = Command::new("sh");
    command.env_clear().envs(world.bailiwick().variables());
    command.args(["-c", "exec \"$0\" completions bash >/dev/full"]).arg(world.bailiwick().program());
    let said = finish(command, b"", LIMIT).expect_code(1).stderr();
    assert!(said.contains("No space left") && !said.contains("panicked"), "{said}");
}

#[test]
fn version_and_completions() {
    let world = World::new();
    let version = world.bailiwick().run(["version"]).ok().stdout();
    assert!(version.starts_with(&format!("bailiwick {}", env!("CARGO_PKG_VERSION"))), "{version}");
    let told: Value = world.bailiwick().run(["version", "--json"]).ok().json();
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert!(told["build"].as_str().unwrap().starts_with(env!("CARGO_PKG_VERSION")), "{told:#}");
    world.bailiwick().run(["--version"]).ok();
    world.bailiwick().run(["--help"]).ok();
    let script = world.bailiwick().run(["completions", "bash"]).ok().stdout;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", "source /dev/stdin && complete -p bailiwick"]);
    let known = finish(bash, &script, LIMIT).ok().stdout();
    assert!(known.contains("bailiwick"), "{known}");
    for shell in ["zsh", "fish"] {
        assert!(!world.bailiwick().run(["completions", shell]).ok().stdout.is_empty());
    }
    world.bailiwick().run(["completions", "no-such-shell"]).expect_code(2);
}

#[test]
fn every_command_has_a_man_page() {
    let world = World::new();
    let directory = world.home.scratch().join("man1");
    world.bailiwick().run(["man".as_ref(), directory.as_os_str()]).ok();
    let page = std::fs::read_to_string(directory.join("bailiwick-run.1")).unwrap();
    assert!(page.contains("sandbox") && directory.join("bailiwick-approval-yes.1").is_file());
}
