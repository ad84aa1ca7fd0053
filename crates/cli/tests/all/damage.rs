//! Damaged files: what is wrong is named, the ledger can be checked all the same, and the remedy that is named works.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bailiwick_testkit::World;
use bailiwick_testkit::product::{LIMIT, finish};
use serde_json::Value;

use crate::told::{daemon, fails, kill, owner, records, text, verified};

const GARBAGE: &[u8] = b"this was a database once, and is none any more. ";

/// A home with a session on record and signed, and no daemon.
fn used() -> World {
    let world = World::new();
    let owner = daemon(&world);
    // Asking for the records has them signed.
    assert!(
        records(&world).iter().any(|record| record["kind"] == "session_closed"),
        "its end is not on record"
    );
    kill(owner);
    world
}

/// Puts garbage in the place of a database, whole: what SQLite would recover from its log is gone as well.
fn spoil(database: &Path) {
    fs::write(database, GARBAGE.repeat(200)).unwrap();
    for suffix in ["-wal", "-shm"] {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        let _ = fs::remove_file(name);
    }
}

#[test]
fn the_state_database() {
    let world = used();
    let before = verified(&world);
    let database = world.home.path().join("state.db");
    spoil(&database);
    fails(&world.bailiwick(), &["run", "--", "true"], 125, &text(&database), "move it away");
    fails(&world.bailiwick(), &["serve"], 1, &text(&database), "move it away");
    assert_eq!(verified(&world)["root"], before["root"]);
    assert!(fs::read(&database).unwrap().starts_with(GARBAGE), "what could be evidence was overwritten");
    fs::rename(&database, database.with_extension("damaged")).unwrap();
    world.script("true").ok();
    assert!(verified(&world)["records"].as_u64() > before["records"].as_u64(), "records were lost");
}

#[test]
fn locks_outlive_the_state() {
    let world = World::new();
    let session = |agent: &str| world.bailiwick().run(["run", "--agent", agent, "--", "true"]);
    session("coder").ok();
    let add = |target: &str| {
        let report: Value = world.bailiwick().run(["lock", "add", target, "--json"]).ok().json();
        report["lock"]["id"].as_str().unwrap().to_owned()
    };
    let (kept, lifted) = (add("agent:coder"), add("agent:mailer"));
    world.bailiwick().run(["lock", "lift", &lifted]).ok();
    let home = world.home.path();
    let locks = || -> Vec<Value> { world.bailiwick().run(["lock", "list", "--json"]).ok().ndjson() };
    // Removed, then put back from a copy of before the locks.
    let copy = home.join("state.copy");
    for back in [false, true] {
        kill(owner(&home));
        for file in ["state.db", "state.db-wal", "state.db-shm"] {
            let _ = fs::remove_file(home.join(file));
        }
        if back {
            fs::copy(&copy, home.join("state.db")).unwrap();
        }
        session("mailer").ok();
        let ids: Vec<_> = locks().iter().map(|lock| lock["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids, [kept.as_str()], "put back: {back}");
        let refused = session("coder").expect_code(125);
        assert!(refused.stderr().contains("agent:coder"), "{}", refused.stderr());
        if !back {
            an_empty_state(&copy, &home.join("state.db"));
        }
    }
}

/// A state as it was before anything was kept in it.
fn an_empty_state(at: &Path, like: &Path) {
    let script = "import sqlite3, sys
source, copy = sqlite3.connect(sys.argv[2]), sqlite3.connect(sys.argv[1])
source.backup(copy)
for table in ('handle', 'session', 'lock'): copy.execute(f'DELETE FROM {table}')
copy.execute(\"UPDATE setting SET value = '1' WHERE key = 'locks.reconciled'\")
copy.commit()";
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", script]).args([at, like]);
    finish(python, b"", LIMIT).ok();
}

#[test]
fn the_index_is_built_again_from_the_ledger() {
    let world = World::new();
    world.script("curl -s http://unlisted.example/ || true").ok();
    let rows = |world: &World| world.bailiwick().run(["log", "--json"]).ok().ndjson::<Value>();
    let before = rows(&world);
    assert!(!before.is_empty());
    kill(owner(&world.home.path()));
    spoil(&world.home.path().join("index.db"));
    world.script("true").ok();
    assert_eq!(rows(&world), before);
}

#[test]
fn the_keys() {
    for name in ["vault.key", "ledger.key"] {
        let world = used();
        let key = world.home.path().join(name);
        fs::write(&key, "short").unwrap();
        let run = world.bailiwick().run(["run", "--", "true"]).expect_code(125);
        assert!(run.stderr().contains(&text(&key)), "{}", run.stderr());
        let serve = world.bailiwick().run(["serve"]).expect_code(1);
        assert!(
            serve.stderr().contains(&text(&key)) && !serve.stderr().contains("panicked"),
            "{}",
            serve.stderr()
        );
        assert_eq!(fs::read_to_string(&key).unwrap(), "short");
        verified(&world);
    }
}

/// A copy of the ledger, as an auditor has one.
fn copy(world: &World) -> PathBuf {
    let copy = world.home.scratch().join("copy");
    let _ = fs::remove_dir_all(&copy);
    let mut command = Command::new("cp");
    command.arg("-r").arg(world.home.path().join("ledger")).arg(&copy);
    finish(command, b"", LIMIT).ok();
    copy
}

/// The widest partial tile of a level: the file that the checkpoint rests on.
fn widest(copy: &Path, level: &str) -> PathBuf {
    let tiles = fs::read_dir(copy.join("tile").join(level).join("000.p")).unwrap();
    let paths = tiles.map(|entry| entry.unwrap().path());
    paths.max_by_key(|path| path.file_name().unwrap().to_str().unwrap().parse::<u64>().unwrap()).unwrap()
}

#[track_caller]
fn is_told(world: &World, copy: &Path, file: &Path) {
    let bailiwick = world.bailiwick();
    let arguments = ["ledger", "verify", "--directory", copy.to_str().unwrap()];
    let name = text(file.strip_prefix(copy).unwrap());
    let told = bailiwick.run(arguments).expect_code(1).stdout();
    assert!(told.contains(&format!("NOT OK    `{name}`")), "`{name}` is not named: {told}");
    assert!(told.contains("to fix"), "{told}");
    assert!(!told.contains("verified  "), "{told}");
    let report: Value = bailiwick.run(arguments.iter().chain(&["--json"])).expect_code(1).json();
    assert_eq!(report["ok"], false, "{report:#}");
    assert_eq!(report["problem"]["file"], name.as_str(), "{report:#}");
    assert!(report["problem"]["detail"].is_string(), "{report:#}");
}

/// A way to damage a file.
type Damage = fn(&mut Vec<u8>);

const DAMAGES: [(&str, Damage); 3] = [
    ("altered", |bytes| bytes[20] ^= 1),
    ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
    ("emptied", Vec::clear),
];

#[test]
fn an_altered_or_truncated_ledger() {
    let world = used();
    let whole = copy(&world);
    let checked = world.bailiwick().run(["ledger", "verify", "--directory", whole.to_str().unwrap()]).ok();
    assert!(checked.stdout().contains("verified  "), "{}", checked.stdout());
    let (bundle, hashes) = (widest(&whole, "entries"), widest(&whole, "0"));
    for (what, damage) in DAMAGES {
        for file in [&bundle, &hashes, &whole.join("checkpoint")] {
            let copied = copy(&world);
            let mut bytes = fs::read(file).unwrap();
            damage(&mut bytes);
            fs::write(file, bytes).unwrap();
            // An altered hash shows where the record that it should fit does not: in the bundle.
            let shows = if what == "altered" && *file == hashes { &bundle } else { file };
            is_told(&world, &copied, shows);
        }
    }
}

#[test]
fn a_ledger_with_files_missing() {
    let world = used();
    for name in ["checkpoint", "log.vkey"] {
        let copied = copy(&world);
        fs::remove_file(copied.join(name)).unwrap();
        is_told(&world, &copied, &copied.join(name));
    }
    for key in [GARBAGE, b"", b"log.example+00000000+AAAA\n"] {
        let copied = copy(&world);
        fs::write(copied.join("log.vkey"), key).unwrap();
        is_told(&world, &copied, &copied.join("log.vkey"));
    }
    for level in ["entries", "0"] {
        let copied = copy(&world);
        let tile = widest(&copied, level);
        fs::remove_file(&tile).unwrap();
        is_told(&world, &copied, &tile);
    }
    fails(
        &world.bailiwick(),
        &["ledger", "verify", "--directory", "/no/such"],
        4,
        "/no/such",
        "bailiwick run",
    );
}

#[test]
fn a_daemon_does_not_go_on_with_a_ledger_that_was_altered() {
    let world = used();
    let bundle = widest(&world.home.path().join("ledger"), "entries");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes.truncate(100);
    fs::write(&bundle, bytes).unwrap();
    fails(&world.bailiwick(), &["run", "--", "true"], 125, "ledger", "bailiwick ledger verify");
    fails(&world.bailiwick(), &["serve"], 1, "ledger", "bailiwick ledger verify");
    world.bailiwick().run(["ledger", "verify"]).expect_code(1);
}

#[test]
fn an_altered_record_that_nobody_has_signed_yet() {
    let world = World::new();
    kill(daemon(&world));
    let records = verified(&world)["records"].as_u64();
    let copied = copy(&world);
    let logs = fs::read_dir(copied.join("wal")).unwrap().map(|entry| entry.unwrap().path());
    let log = logs.max().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    bytes[300] ^= 1;
    fs::write(&log, bytes).unwrap();
    is_told(&world, &copied, &log);
    fs::copy(&log, world.home.path().join("ledger").join(log.strip_prefix(&copied).unwrap())).unwrap();
    let name = text(log.strip_prefix(&copied).unwrap());
    fails(&world.bailiwick(), &["run", "--", "true"], 125, &name, "bailiwick ledger verify");
    assert!(records > Some(2));
}

#[test]
fn an_export_says_what_it_leaves_out() {
    let world = World::new();
    kill(daemon(&world));
    let on_record = verified(&world)["records"].as_u64().unwrap();
    let export = world.bailiwick().run(["ledger", "export"]).ok();
    let left_out = on_record - u64::try_from(export.ndjson::<Value>().len()).unwrap();
    let said = export.stderr();
    assert!(left_out == 0 || said.contains(&format!("{left_out} further records")), "{left_out}: {said}");
    world.script("true").ok();
    let export = world.bailiwick().run(["ledger", "export"]).ok();
    assert!(
        export.stderr().is_empty() && export.ndjson::<Value>().len() > usize::try_from(on_record).unwrap()
    );
}

#[test]
fn what_verify_says_to_a_program() {
    let world = used();
    let report = verified(&world);
    assert!(report["records"].as_u64().unwrap() >= 5, "{report:#}");
    assert!(report["root"].as_str().unwrap().starts_with("sha256:"), "{report:#}");
    assert!(report["problem"].is_null(), "{report:#}");
    assert_eq!(report["records"].as_u64(), Some(u64::try_from(records(&world).len()).unwrap()));
    let bailiwick = world.bailiwick();
    assert!(bailiwick.run(["ledger", "proof", "0"]).ok().stdout().starts_with("c2sp.org/tlog-proof@v1"));
    fails(&bailiwick, &["ledger", "proof", "9999"], 4, "9999", "bailiwick ledger verify");
    fails(&bailiwick, &["ledger", "export", "--format", "xml"], 2, "`xml`", "ndjson");
}
