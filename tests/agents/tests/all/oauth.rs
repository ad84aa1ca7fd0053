//! Refreshing tokens is the gateway's affair: once for all who wait, kept before it is used, and never inside.

use std::time::{Duration, Instant};

use bailiwick_testkit::hunt;
use bailiwick_testkit::issuer::Issuer;
use bailiwick_testkit::product::finish;
use serde_json::Value;

use crate::stage::Stage;

const ACCESS: &str = "MARKER-access-0-77f0";
const REFRESH: &str = "MARKER-refresh-0-31aa";
const LIMIT: Duration = Duration::from_secs(120);
const ASK: &str = "ask() { curl -sS -o answer-$1 -w '%{http_code}' -H 'Authorization: Bearer x' -d '{}' https://api.anthropic.com/v1/messages > status-$1; }\n";

/// A person with a subscription whose access token expires at this moment, in seconds since 1970.
fn subscribed(expires_at: i64) -> (Stage, Issuer) {
    let stage = Stage::new(Vec::new());
    let issuer = Issuer::start(&stage.world.ca, &["api.anthropic.com"], ACCESS, REFRESH);
    credentials(&stage, ACCESS, REFRESH, expires_at);
    let text = format!(
        "address = 'https://api.anthropic.com'\ndial = '{}'\nca = '{}'\nprivate = true\n[credential]\npattern = 'bearer'\n[credential.oauth]\ntoken_url = '{}'\nclient_id = 'x'\n",
        issuer.address(),
        stage.world.pem.display(),
        issuer.token_url()
    );
    stage.world.home.write("resources/anthropic.toml", &text);
    (stage, issuer)
}

/// What Claude Code keeps of a login.
fn credentials(stage: &Stage, access: &str, refresh: &str, expires_at: i64) {
    let tokens =
        serde_json::json!({ "accessToken": access, "refreshToken": refresh, "expiresAt": expires_at * 1000 });
    let file = serde_json::json!({ "claudeAiOauth": tokens });
    stage.user_file(".claude/.credentials.json", &file.to_string());
}

fn status(stage: &Stage, name: &str) -> String {
    std::fs::read_to_string(stage.world.home.workspace().join(format!("status-{name}"))).unwrap_or_default()
}

fn nothing_inside(stage: &Stage) {
    for token in ["MARKER-access", "MARKER-refresh"] {
        stage.never_inside(token);
    }
    assert!(
        hunt::in_files(&stage.world.home.path(), b"MARKER-refresh").is_empty(),
        "a token lies open in the home"
    );
}

#[test]
fn two_agents_at_once_make_one_refresh_and_both_work() {
    let (stage, issuer) = subscribed(1_000_000);
    stage.program("claude", &format!("{ASK}ask $1"));
    stage.program("other", &format!("{ASK}ask $1 & ask $1-2 & ask $1-3 & wait"));
    stage.run(&["--import"], &["./claude", "first"]).ok();
    assert_eq!((status(&stage, "first").as_str(), issuer.issued()), ("200", 1));
    // What was issued lasts an hour: nobody asks again, also not a daemon that comes after.
    let said = stage.run(&[], &["./other", "second"]).ok().stderr();
    for name in ["second", "second-2", "second-3"] {
        assert_eq!(status(&stage, name), "200", "{said}");
    }
    assert_eq!(issuer.asked(), 1);
    nothing_inside(&stage);
}

#[test]
fn many_who_wait_for_one_refresh_share_it() {
    let (stage, issuer) = subscribed(1_000_000);
    issuer.hold(true);
    stage.program("claude", &format!("{ASK}for n in 1 2 3 4 5 6; do ask $n & done; wait"));
    let command = stage.command(&["--import"], &["./claude"]);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| finish(command, b"", LIMIT).ok());
        issuer.wait_until_asked(LIMIT);
        issuer.hold(false);
        running.join().unwrap();
    });
    for name in ["1", "2", "3", "4", "5", "6"] {
        assert_eq!(status(&stage, name), "200");
    }
    assert_eq!((issuer.asked(), issuer.issued()), (1, 1));
}

#[test]
fn whoever_leaves_while_it_goes_on_loses_nothing() {
    let (stage, issuer) = subscribed(1_000_000);
    issuer.hold(true);
    let script = format!(
        "{ASK}curl -sS -o /dev/null -d '{{}}' https://api.anthropic.com/v1/messages & pid=$!\nwhile [ ! -e go ]; do sleep 0.1; done\nkill -KILL $pid; wait $pid || true\ntouch left\nwhile [ ! -e more ]; do sleep 0.1; done\nask stayer"
    );
    stage.program("claude", &script);
    let command = stage.command(&["--import"], &["./claude"]);
    let work = stage.world.home.workspace();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| finish(command, b"", LIMIT).ok());
        issuer.wait_until_asked(LIMIT);
        std::fs::write(work.join("go"), "").unwrap();
        while !work.join("left").exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        issuer.hold(false);
        std::fs::write(work.join("more"), "").unwrap();
        running.join().unwrap();
    });
    assert_eq!(status(&stage, "stayer"), "200");
    assert_eq!((issuer.asked(), issuer.issued()), (1, 1), "the answer that nobody waited for was lost");
}

#[test]
fn a_refresh_that_dies_half_way_is_said_with_what_helps() {
    let (stage, issuer) = subscribed(1_000_000);
    issuer.hold(true);
    stage.program("claude", &format!("{ASK}ask a"));
    let command = stage.command(&["--import"], &["./claude"]);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| finish(command, b"", LIMIT));
        issuer.wait_until_asked(LIMIT);
        let begun = Instant::now();
        while issuer.issued() == 0 {
            assert!(begun.elapsed() < LIMIT);
            std::thread::sleep(Duration::from_millis(5));
        }
        // The issuer has ended the old tokens, and the new ones are on their way.
        stage.world.kill_daemon();
        issuer.hold(false);
        running.join().unwrap();
    });
    assert_ne!(status(&stage, "a"), "200");

    stage.program("claude", &format!("{ASK}ask b; ask c; cat answer-c > said"));
    stage.run(&[], &["./claude"]).ok();
    assert_eq!((status(&stage, "b").as_str(), status(&stage, "c").as_str()), ("403", "403"));
    let said = std::fs::read_to_string(stage.world.home.workspace().join("said")).unwrap();
    assert!(said.contains("login is over") && said.contains("bailiwick run --import"), "{said}");
    // The record says how far it came, both times.
    let export: Vec<Value> = stage.world.bailiwick().run(["ledger", "export"]).ok().ndjson();
    let phases: Vec<_> = export.iter().filter(|record| record["kind"] == "credential_refresh").collect();
    let phases: Vec<_> = phases.iter().map(|record| record["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["attempt", "attempt", "failed"]);
    // What helps, helps.
    issuer.renew("MARKER-access-9", "MARKER-refresh-9");
    credentials(&stage, "MARKER-access-9", "MARKER-refresh-9", 4_102_444_800);
    stage.program("claude", &format!("{ASK}ask d"));
    stage.run(&["--import"], &["./claude"]).ok();
    assert_eq!(status(&stage, "d"), "200");
    nothing_inside(&stage);
}

#[test]
fn a_login_that_is_over_is_said_once_asked_and_with_what_helps() {
    let (stage, issuer) = subscribed(1_000_000);
    issuer.revoke();
    stage.program("claude", &format!("{ASK}ask a; ask b; cat answer-b > said"));
    stage.run(&["--import"], &["./claude"]).ok();
    assert_eq!((status(&stage, "a").as_str(), status(&stage, "b").as_str()), ("403", "403"));
    let said = std::fs::read_to_string(stage.world.home.workspace().join("said")).unwrap();
    assert!(said.contains("invalid_grant") && said.contains("bailiwick run --import"), "{said}");
    assert_eq!(issuer.asked(), 1, "a refused token was shown again");
}

#[test]
fn a_token_that_the_upstream_does_not_take_is_refreshed_before_the_next_request() {
    let (stage, issuer) = subscribed(4_102_444_800);
    issuer.revoke_access();
    stage.program("claude", &format!("{ASK}ask a; ask b; ask c"));
    stage.run(&["--import"], &["./claude"]).ok();
    assert_eq!(["a", "b", "c"].map(|name| status(&stage, name)), ["401", "200", "200"]);
    assert_eq!(issuer.asked(), 1);
    nothing_inside(&stage);
    let log: Vec<Value> = stage.world.bailiwick().run(["log", "--json"]).ok().ndjson();
    assert!(!serde_json::to_string(&log).unwrap().contains("MARKER"));
    stage.world.bailiwick().run(["ledger", "verify"]).ok();
}
