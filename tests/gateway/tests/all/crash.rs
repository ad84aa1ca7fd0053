//! The daemon is killed at random moments, again and again, under load: what reached the upstream is on record, what was answered
//! is on record, the ledger verifies, and the session goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use bailiwick_testkit::hunt::lock_holder;
use bailiwick_testkit::{Terminal, World};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::attack::service;

const KILLS: usize = 200;
/// A kill comes at most this long after the daemon has taken its home: also while it still starts.
const LATEST: u64 = 400;
/// How long the next daemon may take. It bounds a hang, it measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Four writers that never repeat themselves, until `stop` appears; what was answered with 200 is noted.
const LOAD: &str = r#"
import http.client, os, ssl, sys, threading
context = ssl.create_default_context()
noted = os.open("answered", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def write(name):
    number, connection = 0, None
    while not os.path.exists("stop"):
        number += 1
        path = f"/effect/{name}-{number}"
        try:
            connection = connection or http.client.HTTPSConnection("localhost", int(sys.argv[1]), timeout=10, context=context)
            connection.request("POST", path, b"x")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200: os.write(noted, (path + "\n").encode())
        except (OSError, http.client.HTTPException):
            connection = None
writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
[writer.start() for writer in writers]
print("loa" + "ding", flush=True)
[writer.join() for writer in writers]
print("do" + "ne", flush=True)
"#;

#[test]
fn two_hundred_kills_leave_no_effect_without_a_record() {
    let (world, upstream) = service();
    std::fs::write(world.home.workspace().join("load.py"), LOAD).unwrap();
    let mut session = world.terminal(["/usr/bin/python3", "load.py", &upstream.port().to_string()]);
    session.expect("loading");
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    kill_again_and_again(&world, &session, seed);
    std::fs::write(world.home.workspace().join("stop"), "").unwrap();
    session.expect("done");
    assert_eq!(session.wait_for_exit().code(), Some(0), "{}", session.contents());

    let effects: BTreeSet<String> = upstream
        .seen()
        .iter()
        .map(|seen| seen.path().to_owned())
        .filter(|path| path.starts_with("/effect/"))
        .collect();
    let answered = std::fs::read_to_string(world.home.workspace().join("answered")).unwrap();
    // The last kill may have left no daemon; what is on record is exported once one has signed it.
    let begun = Instant::now();
    while world.bailiwick().run(["run", "--", "true"]).code() != 0 {
        assert!(begun.elapsed() < PATIENCE, "seed {seed}: no daemon came back");
    }
    let records: Vec<Value> = world.bailiwick().run(["ledger", "export"]).ok().ndjson();
    let attempts: BTreeSet<&str> = records
        .iter()
        .filter(|record| record["kind"] == "attempt" && record["decision"]["decision"] == "permit")
        .filter_map(|record| record["target"].as_str())
        .collect();
    eprintln!(
        "seed {seed}: {} effects, {} answered, {} attempts",
        effects.len(),
        answered.lines().count(),
        attempts.len()
    );
    assert!(effects.len() > KILLS, "{} effects are no load", effects.len());
    for effect in &effects {
        assert!(attempts.contains(effect.as_str()), "seed {seed}: {effect} happened and is not on record");
    }
    for path in answered.lines() {
        assert!(effects.contains(path) && attempts.contains(path), "seed {seed}: {path} was answered");
    }
    let verified: Value = world.bailiwick().run(["ledger", "verify", "--json"]).ok().json();
    assert_eq!(verified["ok"], true, "seed {seed}: {verified:#}");
}

/// Kills whoever holds the home, at random moments from when it took it.
fn kill_again_and_again(world: &World, session: &Terminal, seed: u32) {
    let lock = world.home.path().join("daemon.lock");
    let mut random = u64::from(seed) | 1;
    let mut last = 0;
    for _ in 0..KILLS {
        let started = Instant::now();
        let daemon = loop {
            match lock_holder(&lock) {
                Some(pid) if pid != last => break pid,
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
            assert!(started.elapsed() < PATIENCE, "seed {seed}: no daemon came back\n{}", session.contents());
        };
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_millis(random % LATEST));
        // It may have ended meanwhile; its number is not given away that fast.
        let _ = kill_process(Pid::from_raw(daemon.cast_signed()).unwrap(), Signal::KILL);
        last = daemon;
    }
}
