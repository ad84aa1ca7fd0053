//! A login done inside: a person says yes once, the tokens go to the vault and dummies go inside, and the program works with them. Judged by
//! the issuer, which knows what it issued and who showed it.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use bailiwick_testkit::issuer::{CODE, Issuer};
use bailiwick_testkit::{Terminal, hunt};
use serde_json::Value;

use crate::stage::Stage;

/// As Claude Code does it: the code that the person pasted, exchanged; who that is; and work. Its login file is what the answer says.
const LOGIN: &str = r#"
login() { curl -sS -o ~/login.json -w '%{http_code}' -H 'content-type: application/json' -d "{\"grant_type\": \"authorization_code\", \"code\": \"$1\", \"code_verifier\": \"v\"}" $TOKEN_URL > status-login; }
work() { curl -sS -o answer-$1 -w '%{http_code}' -H "Authorization: Bearer $(/usr/bin/python3 -c 'import json, os; print(json.load(open(os.path.expanduser("~/login.json")))["access_token"])')" -d '{}' https://api.anthropic.com/v1/messages > status-$1; }
"#;

/// A person without a login, and an issuer.
fn stranger() -> (Stage, Issuer) {
    let stage = Stage::new(Vec::new());
    let issuer = Issuer::start(&stage.world.ca, &["api.anthropic.com"], "MARKER-none", "MARKER-none");
    let text = format!(
        "address = ['https://api.anthropic.com', 'https://localhost:{port}']\ndial = '{address}'\nca = '{ca}'\nprivate = true
[credential]\npattern = 'bearer'\n[credential.oauth]\ntoken_url = '{url}'\nclient_id = 'x'
[at.login]\nhost = 'localhost:{port}'\ncredentials = 'none'
[[route]]\nat = 'login'\nmethod = 'POST'\npath = '/oauth/token'\nbody = 'json'\noperation = 'oauth.token'\neffects = ['identity']
mints = {{ fields = ['/access_token'], optional = ['/refresh_token'], login = true }}\n",
        port = issuer.address().port(),
        address = issuer.address(),
        ca = stage.world.pem.display(),
        url = issuer.token_url(),
    );
    stage.world.home.write("resources/anthropic.toml", &text);
    stage.world.home.write("bailiwick.toml", "[approval]\nwait = '60s'\n");
    (stage, issuer)
}

fn start(stage: &Stage, issuer: &Issuer, script: &str) -> Child {
    let script = format!("{LOGIN}{script}").replace("$TOKEN_URL", &issuer.token_url());
    stage.program("claude", &script);
    let mut command = stage.command(&[], &["./claude"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The person says yes to the next card, and what it showed.
fn say_yes(stage: &Stage) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    // There may be no daemon yet.
    let waits = || {
        let listed = stage.world.bailiwick().run(["--json", "approval", "list"]);
        listed.code() == 0 && !listed.ndjson::<Value>().is_empty()
    };
    while !waits() {
        assert!(Instant::now() < deadline, "nobody is asked");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut terminal = Terminal::spawn(&stage.world.bailiwick().command(["approve"]), 40, 120);
    terminal.expect("answer:");
    let card = terminal.contents();
    let line = card.lines().find(|line| line.ends_with("to exactly this, once")).unwrap();
    terminal.send(&format!("{}\r", line.split_whitespace().next().unwrap()));
    assert!(terminal.wait_for_exit().success());
    card
}

fn status(stage: &Stage, name: &str) -> String {
    std::fs::read_to_string(stage.world.home.workspace().join(format!("status-{name}"))).unwrap_or_default()
}

#[test]
fn the_tokens_stay_outside_and_the_program_works_now_and_later() {
    let (stage, issuer) = stranger();
    let mut inside = start(&stage, &issuer, &format!("login {CODE}; work now"));
    let card = say_yes(&stage);
    assert!(card.contains("oauth.token") && card.contains("anthropic"), "{card}");
    assert!(inside.wait().unwrap().success());
    assert_eq!((status(&stage, "login").as_str(), status(&stage, "now").as_str()), ("200", "200"));
    assert_eq!(issuer.issued(), 1);
    // Another session: what was logged in to is still there, and inside is still nothing.
    start(&stage, &issuer, "work later").wait().unwrap();
    assert_eq!(status(&stage, "later"), "200");
    for token in ["MARKER-access", "MARKER-refresh"] {
        stage.never_inside(token);
        assert!(hunt::in_files(&stage.world.home.path(), token.as_bytes()).is_empty(), "{token} lies open");
    }
    // The program is told that its tokens last, so that it never tries to refresh them.
    let home = hunt::in_files(&stage.homes(), b"\"expires_in\": 31536000");
    let compact = hunt::in_files(&stage.homes(), b"\"expires_in\":31536000");
    assert!(!home.is_empty() || !compact.is_empty());
    stage.world.bailiwick().run(["ledger", "verify"]).ok();
}

#[test]
fn nobody_logs_in_without_a_yes() {
    let (stage, issuer) = stranger();
    stage.world.home.write("bailiwick.toml", "[approval]\nwait = '300ms'\n");
    start(&stage, &issuer, &format!("login {CODE}; true")).wait().unwrap();
    assert_eq!((status(&stage, "login").as_str(), issuer.asked(), issuer.issued()), ("403", 0, 0));
}

#[test]
fn an_answer_that_is_no_login_changes_nothing() {
    let (stage, issuer) = stranger();
    let mut inside = start(&stage, &issuer, "login wrong; true");
    say_yes(&stage);
    assert!(inside.wait().unwrap().success());
    assert_eq!((status(&stage, "login").as_str(), issuer.issued()), ("400", 0));
    let secrets: Vec<Value> = stage.world.bailiwick().run(["--json", "secret", "list"]).ok().ndjson();
    assert!(secrets.is_empty(), "{secrets:?}");
}
