//! `--json`: what other programs build on.

use bailiwick_testkit::{Upstream, World};
use serde_json::Value;

#[track_caller]
fn has(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "no `{key}` in {value:#}");
    }
}

#[test]
fn doctor() {
    let world = World::new();
    let finished = world.bailiwick().run(["doctor", "--json"]);
    assert!([0, 1].contains(&finished.code()), "{}", finished.stderr());
    let told: Value = finished.json();
    assert!(["T0", "T1", "T2", "T3", "T4"].contains(&told["tier"].as_str().unwrap()), "{told:#}");
    let checks = told["checks"].as_array().unwrap();
    assert!(!checks.is_empty());
    for check in checks {
        has(check, &["name", "ok", "required", "proven_by", "fix"]);
        assert!(
            check["ok"] == true || check["required"] == false || check["fix"].is_string(),
            "no remedy in {check:#}"
        );
    }
    assert!(!world.bailiwick().run(["doctor"]).stdout().is_empty());
    assert_eq!(std::fs::read_dir(world.home.path()).unwrap().count(), 0, "doctor only looks");
}

#[test]
fn sessions() {
    let world = World::new();
    let mut terminal = world.terminal(["sh", "-c", "echo rea\"\"dy; read line"]);
    terminal.expect("ready");
    let listed: Vec<Value> = world.bailiwick().run(["session", "list", "--json"]).ok().ndjson();
    let [session] = listed.as_slice() else { panic!("one session, not {listed:#?}") };
    has(session, &["id", "agent", "initiator", "task", "opened_at", "ends_at", "actions", "under_way"]);
    let id = session["id"].as_str().unwrap();
    assert!(id.starts_with("ses_"), "{id}");
    let by = |reference: &str| {
        world.bailiwick().run(["session", "show", reference, "--json"]).ok().json::<Value>()
    };
    for reference in [id, "-", &id[..20], &id[id.len() - 4..]] {
        assert_eq!(by(reference)["id"], id, "{reference}");
    }
    let stopped: Value = world.bailiwick().run(["stop", "-", "--json"]).ok().json();
    has(&stopped, &["lock", "sessions", "cut", "confirmed", "took_ms"]);
    assert_eq!(stopped["sessions"][0], id);
    assert_eq!(terminal.wait_for_exit().code(), Some(124), "{}", terminal.contents());
    assert!(world.bailiwick().run(["session", "list", "--json"]).ok().stdout.is_empty(), "a session is left");
}

#[test]
fn log_and_explain() {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    world
        .script(&format!(
            "curl -sS -o /dev/null {}\ncurl -s http://unlisted.example/ || true",
            upstream.url("/asked")
        ))
        .ok();
    let rows: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let keys = [
        "act",
        "at",
        "session",
        "agent",
        "process",
        "resource",
        "operation",
        "decision",
        "reason",
        "approval",
        "outcome",
    ];
    rows.iter().for_each(|row| has(row, &keys));
    let asked = rows.iter().find(|row| row["resource"] == "service" && row["decision"] == "permit").unwrap();
    assert!(rows.iter().any(|row| row["decision"] == "refuse" && row["reason"].is_string()), "{rows:#?}");
    let at = asked["at"].as_str().unwrap();
    assert!(at.contains('T') && at.ends_with('Z'), "{at}");
    let act = asked["act"].as_str().unwrap();
    let told: Value = world.bailiwick().run(["explain", act, "--json"]).ok().json();
    for answer in ["initiator", "agent", "resource", "permission", "approval"] {
        assert!(told[answer].as_str().is_some_and(|answer| !answer.is_empty()), "{told:#}");
    }
    let latest: Value = world.bailiwick().run(["explain", "-", "--json"]).ok().json();
    has(&latest, &["initiator", "agent", "resource", "permission", "approval"]);
    let suggested: Value = world.bailiwick().run(["policy", "suggest", "-", "--json"]).ok().json();
    has(&suggested, &["sessions", "attempts", "written", "cases", "files", "left"]);
    let files = suggested["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file["file"] == "resources/unlisted-example.toml"), "{suggested:#}");
    let count = |arguments: &[&str]| {
        let arguments = [&["log", "--json"], arguments].concat();
        world.bailiwick().run(arguments).ok().ndjson::<Value>().len()
    };
    assert_eq!(count(&["--limit", "1"]), 1);
    assert_eq!(
        count(&["--decision", "permit"]) + count(&["--decision", "refuse"]) + count(&["--decision", "hold"]),
        rows.len()
    );
    assert_eq!(count(&["--session", asked["session"].as_str().unwrap()]), rows.len());
}
