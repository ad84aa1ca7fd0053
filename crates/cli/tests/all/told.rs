//! What a command that fails has to say, to a person and to a program.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bailiwick_testkit::hunt::lock_holder;
use bailiwick_testkit::{Bailiwick, Finished, World};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long something may take to happen. It bounds a hang, it measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Panics unless the command fails with that code, names what was wrong and says what would help: to a person on standard error, and
/// with `--json` to a program on standard output. It is run twice.
#[track_caller]
pub(crate) fn fails<A: AsRef<OsStr>>(
    bailiwick: &Bailiwick<'_>,
    arguments: &[A],
    code: i32,
    wrong: &str,
    remedy: &str,
) {
    says(&bailiwick.run(arguments), code, wrong, remedy);
    let mut with_json: Vec<OsString> = vec!["--json".into()];
    with_json.extend(arguments.iter().map(|argument| argument.as_ref().to_owned()));
    let finished = bailiwick.run(with_json);
    says(&finished, code, wrong, remedy);
    let problem: Value = finished.json();
    let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    assert!(!text("title").is_empty() && !text("code").is_empty(), "{problem:#}");
    assert!(text("detail").contains(wrong), "`{wrong}` is not in {problem:#}");
    assert!(text("fix").contains(remedy), "`{remedy}` is not in {problem:#}");
}

/// Panics unless the command failed with that code, named what was wrong and said what would help.
#[track_caller]
pub(crate) fn says(finished: &Finished, code: i32, wrong: &str, remedy: &str) {
    let (line, said) = (&finished.line, finished.stderr());
    assert_eq!(finished.code(), code, "{line}: {said}");
    assert!(!said.contains("panicked"), "{line}: {said}");
    let (detail, fix) = said.split_once("to fix: ").unwrap_or((&said, ""));
    assert!(detail.contains(wrong), "{line} does not say `{wrong}`: {said}");
    assert!(fix.contains(remedy), "{line} does not say that `{remedy}` helps: {said}");
}

/// Starts a daemon, as any run does, and gives its process.
#[track_caller]
pub(crate) fn daemon(world: &World) -> u32 {
    world.script("true").ok();
    owner(&world.home.path())
}

/// The process of the daemon that owns the home.
#[track_caller]
pub(crate) fn owner(home: &Path) -> u32 {
    let mut owner = None;
    // The kernel's list may miss one lock while others come and go.
    until("a daemon owns the home", || {
        owner = lock_holder(&home.join("daemon.lock"));
        owner.is_some()
    });
    owner.unwrap()
}

/// Ends a daemon at once, with no chance to tidy up, and returns when nothing of it runs any more.
#[track_caller]
pub(crate) fn kill(daemon: u32) {
    kill_process(Pid::from_raw(daemon.cast_signed()).unwrap(), Signal::KILL).unwrap();
    until("the daemon is gone", || is_gone(daemon));
}

/// Whether a process has ended. Who would wait for it may never do so: then its entry stays, without threads.
pub(crate) fn is_gone(process: u32) -> bool {
    let directory = PathBuf::from(format!("/proc/{process}"));
    let Ok(stat) = fs::read_to_string(directory.join("stat")) else { return true };
    let threads = fs::read_dir(directory.join("task")).map_or(0, Iterator::count);
    threads <= 1 && stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Waits for something that has no event of its own.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "not true that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every record, by the command.
#[track_caller]
pub(crate) fn records(world: &World) -> Vec<Value> {
    world.bailiwick().run(["ledger", "export"]).ok().ndjson()
}

/// Panics unless the ledger is whole, by its files alone.
#[track_caller]
pub(crate) fn verified(world: &World) -> Value {
    let report: Value = world.bailiwick().run(["ledger", "verify", "--json"]).ok().json();
    assert_eq!(report["ok"], true, "{report:#}");
    report
}

/// A path as an argument and in messages.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
