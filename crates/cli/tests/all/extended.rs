//! A session's time: told before it is up, and more of it given by a person, for a daemon that starts anew as well.

use std::time::Duration;

use bailiwick_testkit::{Terminal, World};
use serde_json::Value;

use crate::told::{records, until};

/// Sessions of this many seconds, told of `before` they end.
fn world(seconds: u64, before: u64) -> World {
    let world = World::new();
    let settings =
        format!("[session]\nttl_terminal = '{seconds}s'\nttl = '{seconds}s'\ntold_before = '{before}s'\n");
    world.home.write("bailiwick.toml", &settings);
    world
}

fn session(world: &World, script: &str) -> Terminal {
    Terminal::spawn(&world.bailiwick().command(["run", "--", "bash", "-c", script]), 24, 100)
}

fn ends_at(world: &World) -> String {
    let listed: Vec<Value> = world.bailiwick().run(["session", "list", "--json"]).ok().ndjson();
    listed[0]["ends_at"].as_str().unwrap().to_owned()
}

#[test]
fn a_person_gives_a_session_more_time_and_it_outlives_the_daemon() {
    let world = world(6, 2);
    let mut running = session(&world, "echo at wo\"\"rk; while [ ! -e done ]; do sleep 0.1; done; exit 7");
    running.expect("at work");
    let before = ends_at(&world);
    let told = world.bailiwick().run(["session", "extend", "-", "--json"]).ok().json::<Value>();
    assert!(told["ends_at"].as_str().unwrap() > before.as_str(), "{told:#}");
    // No longer than any session gets, and never shorter than it was.
    let most = world.bailiwick().run(["session", "extend", "-", "--by", "5h", "--json"]).ok().json::<Value>();
    let extended = ends_at(&world);
    assert_eq!(most["ends_at"].as_str().unwrap(), extended);
    world.bailiwick().run(["session", "extend", "-", "--by", "1ms"]).ok();
    assert_eq!(ends_at(&world), extended);
    world.kill_daemon();
    until("another daemon goes on with it", || {
        let listed = world.bailiwick().run(["session", "list", "--json"]);
        listed.code() == 0 && listed.ndjson::<Value>().len() == 1
    });
    assert_eq!(ends_at(&world), extended);
    assert!(!running.contents().contains("its time was up"));
    std::fs::write(world.home.workspace().join("done"), "").unwrap();
    assert_eq!(running.wait_for_exit().code(), Some(7));
    let given = records(&world).into_iter().filter(|record| record["kind"] == "session_extended").count();
    assert_eq!(given, 3);
    world.bailiwick().run(["session", "extend", "-"]).expect_code(4);
}

#[test]
fn the_person_at_the_terminal_is_told_and_a_word_lets_it_go_on() {
    let world = world(7, 5);
    let mut running = session(&world, "echo at wo\"\"rk; sleep 9; echo went \"\"on; exit 7");
    running.expect("at work");
    let raw = |text: &str| String::from_utf8_lossy(&running.raw()).contains(text);
    until("the person is told", || raw("the session ends soon"));
    running.send("\x1d");
    running.expect("may this session go on?");
    let screen = running.contents();
    let line = screen.lines().find(|line| line.contains("for as long again")).unwrap();
    let word = line.split_whitespace().next().unwrap();
    running.send("yes\r");
    running.expect("at work");
    running.send("\x1d");
    running.expect("may this session go on?");
    let screen = running.contents();
    let line = screen.lines().find(|line| line.contains("for as long again")).unwrap();
    let new_word = line.split_whitespace().next().unwrap();
    assert_ne!(word, "yes");
    running.send(&format!("{new_word}\r"));
    running.expect("went on");
    assert_eq!(running.wait_for_exit().code(), Some(7), "{}", running.contents());
}

#[test]
fn nobody_answers_and_it_ends() {
    let world = world(3, 2);
    let mut command = world.bailiwick().command(["run", "--", "sleep", "1000"]);
    command.stdin(std::process::Stdio::null());
    let ended = bailiwick_testkit::product::finish(command, b"", Duration::from_secs(60)).expect_code(124);
    let said = ended.stderr();
    assert!(said.contains("the session ends at") && said.contains("bailiwick session extend ses_"), "{said}");
}
