//! The JSON that scripts rely on: exactly these keys mean exactly these things.

use bailiwick_testkit::Upstream;
use serde_json::Value;

use bailiwick_testkit::World;

/// One session with something permitted and something refused, reported.
fn reported() -> (World, Value) {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    let report = world.home.scratch().join("report.json");
    let script =
        format!("curl -sS {}; curl -sS https://anything-else.example/; exit 3", upstream.url("/some/path"));
    let arguments = [
        "run",
        "--task",
        "ask the service",
        "--report",
        report.to_str().unwrap(),
        "--",
        "bash",
        "-c",
        &script,
    ];
    world.bailiwick().run(arguments).expect_code(3);
    let report = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    (world, report)
}

#[track_caller]
fn has(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "no `{key}` in {value:#}");
    }
}

#[test]
fn report_log_explain_and_verify() {
    let (world, report) = reported();
    has(&report, &["session", "evidence", "actions", "exit"]);
    has(&report["evidence"], &["tier", "executable_sha256"]);
    assert_eq!(report["exit"]["code"], 3);
    assert!(report["exit"].get("signal").is_some_and(Value::is_null), "{report:#}");
    assert!(report["actions"]["permit"].as_u64() >= Some(1), "{report:#}");
    assert!(report["actions"]["refuse"].as_u64() >= Some(1), "{report:#}");
    assert_eq!(report["actions"]["hold"], 0);

    let bailiwick = world.bailiwick();
    let log: Vec<Value> = bailiwick.run(["log", "--json"]).ok().ndjson();
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
    log.iter().for_each(|row| has(row, &keys));
    let permitted = log.iter().find(|row| row["decision"] == "permit" && row["resource"] == "service");
    let permitted = permitted.unwrap_or_else(|| panic!("{log:#?}"));
    assert_eq!(permitted["session"], report["session"]);

    let act = permitted["act"].as_str().unwrap();
    assert!(act.starts_with("act_"));
    let explanation: Value = bailiwick.run(["explain", act, "--json"]).ok().json();
    has(&explanation, &["initiator", "agent", "resource", "permission", "approval"]);

    let verified: Value = bailiwick.run(["ledger", "verify", "--json"]).ok().json();
    assert_eq!(verified["ok"], true);
    assert!(verified["records"].as_u64() >= Some(3), "{verified:#}");
    assert!(verified["root"].is_string());
}

#[test]
fn doctor_says_what_is_enforced_and_how_it_knows() {
    let world = World::new();
    let doctor: Value = world.bailiwick().run(["doctor", "--json"]).ok().json();
    assert!(doctor["tier"].is_string(), "{doctor:#}");
    let checks = doctor["checks"].as_array().unwrap();
    assert!(!checks.is_empty());
    checks.iter().for_each(|check| has(check, &["name", "ok", "required", "proven_by", "fix"]));
}

#[test]
fn a_command_without_an_answer_says_so_in_its_exit_code_and_in_json() {
    let world = World::new();
    let missing = world.bailiwick().run(["explain", "act_00000000000000000000000000", "--json"]);
    assert_ne!(missing.code(), 0);
    let problem: Value = missing.json();
    has(&problem, &["code", "detail", "fix"]);
    world.bailiwick().run(["run", "--", "no-such-program-anywhere"]).expect_code(127);
    world.bailiwick().run(["run", "--no-such-flag", "--", "true"]).expect_code(2);
}
