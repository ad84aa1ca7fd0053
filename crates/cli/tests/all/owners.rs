//! One daemon a home: a second one, one that was killed, and what it leaves behind.

use std::fs;

use bailiwick_testkit::World;

use crate::told::{daemon, fails, is_gone, kill, owner, records, text, until, verified};

#[test]
fn a_second_daemon_names_the_first_and_leaves_it_alone() {
    let world = World::new();
    let first = daemon(&world);
    let wrong = format!("process {first}, owns `{}`", world.home.path().display());
    fails(&world.bailiwick(), &["serve"], 5, &wrong, &format!("kill {first}"));
    world.script("true").ok();
    assert_eq!(owner(&world.home.path()), first);
    verified(&world);
}

#[test]
fn what_a_killed_daemon_leaves_behind_is_in_nobodys_way() {
    let world = World::new();
    let first = daemon(&world);
    let before = records(&world);
    kill(first);
    assert!(world.home.path().join("daemon.sock").exists() && world.home.path().join("launch.sock").exists());
    let home = text(&world.home.path());
    fails(&world.bailiwick(), &["log"], 3, &home, "bailiwick serve");
    fails(&world.bailiwick(), &["session", "list"], 3, &home, "bailiwick run");
    verified(&world);
    // As the remedy says: any run starts one.
    assert_eq!(world.script("echo again").ok().stdout(), "again\n");
    assert_ne!(owner(&world.home.path()), first);
    world.bailiwick().run(["log"]).ok();
    let after = records(&world);
    assert_eq!(after.get(..before.len()), Some(before.as_slice()), "records were lost");
    verified(&world);
}

#[test]
fn a_session_survives_its_daemon() {
    let world = World::new();
    let mut session = world.terminal(["sh", "-c", "echo rea\"\"dy; read line; exit 7"]);
    session.expect("ready");
    let first = owner(&world.home.path());
    kill(first);
    until("the session is listed again", || {
        let listed = world.bailiwick().run(["session", "list", "--json"]);
        listed.code() == 0 && listed.ndjson::<serde_json::Value>().len() == 1
    });
    session.send("\n");
    assert_eq!(session.wait_for_exit().code(), Some(7), "{}", session.contents());
    verified(&world);
}

#[test]
fn a_home_that_is_removed_ends_its_sessions_and_does_not_come_back() {
    let world = World::new();
    let mut session = world.terminal(["sh", "-c", "echo rea\"\"dy; read line"]);
    session.expect("ready");
    let daemon = owner(&world.home.path());
    fs::remove_dir_all(world.home.path()).unwrap();
    session.expect("was removed");
    assert_eq!(session.wait_for_exit().code(), Some(124), "{}", session.contents());
    until("the daemon is gone", || is_gone(daemon));
    assert!(!world.home.path().exists(), "the home came back");
    // What belongs to others is still theirs.
    assert!(world.home.workspace().is_dir() && world.home.user().is_dir());
}

#[test]
fn other_things_in_the_place_of_sockets() {
    let world = World::new();
    for name in ["daemon.sock", "launch.sock"] {
        fs::write(world.home.path().join(name), "not a socket\n").unwrap();
    }
    assert_eq!(world.script("echo works").ok().stdout(), "works\n");
}
