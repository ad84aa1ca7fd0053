//! Taking over what a person has already: into the vault, and never inside.

use bailiwick_testkit::Terminal;
use serde_json::Value;

use crate::stage::{REAL, Stage, holds};

/// Says what it finds, and asks the model as itself.
const CLAUDE: &str = r#"env > seen-environment
cat ~/.claude/.credentials.json > seen-file 2>/dev/null || true
key=${ANTHROPIC_API_KEY:-}
curl -sS -o answer -w '%{http_code}' -H "x-api-key: $key" -H 'content-type: application/json' -d '{"messages":[]}' https://api.anthropic.com/v1/messages > status
"#;
const KEY: &str = "pattern = 'header'\nname = 'x-api-key'";

fn claude() -> Stage {
    let stage = Stage::new(Vec::new()).variable("ANTHROPIC_API_KEY", REAL);
    stage.declare("anthropic", "api.anthropic.com", KEY);
    stage.program("claude", CLAUDE);
    stage
}

fn status(stage: &Stage) -> String {
    std::fs::read_to_string(stage.world.home.workspace().join("status")).unwrap_or_default()
}

#[test]
fn an_imported_key_opens_the_resource_and_stays_outside() {
    let stage = claude();
    let said = stage.run(&["--import"], &["./claude"]).ok().stderr();
    assert!(said.contains("took over") && !said.contains(REAL), "{said}");
    assert_eq!(status(&stage), "200");
    assert!(stage.model.seen().iter().all(|seen| seen.header("x-api-key") == REAL));
    let work = stage.world.home.workspace();
    assert!(holds(&work.join("seen-environment"), "ANTHROPIC_API_KEY=sk-ant-api03-bailiwick-dummy-"));
    assert!(holds(&work.join("seen-environment"), "IS_SANDBOX=1"));
    stage.never_inside(REAL);
    // The next run needs neither the variable nor a question.
    let again = stage.without_variables();
    std::fs::remove_file(work.join("status")).unwrap();
    again.run(&[], &["./claude"]).ok();
    assert_eq!(status(&again), "200");
    let log: Vec<Value> = again.world.bailiwick().run(["log", "--json"]).ok().ndjson();
    assert!(!serde_json::to_string(&log).unwrap().contains(REAL));
}

#[test]
fn a_resource_that_is_not_declared_is_declared_from_the_profile() {
    let stage = Stage::new(Vec::new()).variable("ANTHROPIC_API_KEY", REAL);
    stage.program("claude", "env > seen-environment");
    stage.run(&["--import"], &["./claude"]).ok();
    let shown: Value = stage.world.bailiwick().run(["resource", "show", "anthropic", "--json"]).ok().json();
    assert_eq!(shown["credential"]["pattern"]["name"], "x-api-key", "{shown:#}");
    assert!(!shown.to_string().contains(REAL));
    stage.never_inside(REAL);
}

#[test]
fn without_a_terminal_and_without_the_flag_nothing_is_taken() {
    let stage = claude();
    let said = stage.run(&[], &["./claude"]).ok().stderr();
    assert!(said.contains("--import") && said.contains("ANTHROPIC_API_KEY"), "{said}");
    assert!(said.contains("has no login"), "{said}");
    assert_ne!(status(&stage), "200");
    assert!(stage.model.seen().is_empty(), "a request went out without a credential");
    let secrets = stage.world.bailiwick().run(["secret", "list"]).ok().stdout();
    assert!(!secrets.contains("anthropic"), "{secrets}");
}

#[test]
fn at_a_terminal_one_yes_takes_it_over_and_one_no_is_remembered() {
    for (typed, code) in [("y\n", "200"), ("\n", "403")] {
        let stage = claude();
        let mut terminal = Terminal::spawn(&stage.command(&[], &["./claude"]), 24, 200);
        terminal.expect("[y/N]");
        terminal.send(typed);
        terminal.wait_for_exit();
        assert!(!String::from_utf8_lossy(&terminal.raw()).contains(REAL));
        assert_eq!(status(&stage), code, "{}", terminal.contents());
        let mut terminal = Terminal::spawn(&stage.command(&[], &["./claude"]), 24, 200);
        terminal.wait_for_exit();
        assert!(!terminal.contents().contains("[y/N]"), "it asked again");
    }
}

#[test]
fn a_credential_of_the_program_is_not_passed_on_when_asked_for() {
    let stage = claude();
    let said = stage.run(&["--env", "ANTHROPIC_API_KEY"], &["./claude"]).expect_code(2).stderr();
    assert!(said.contains("stay outside") && said.contains("--import"), "{said}");
    stage.never_inside(REAL);
}

#[test]
fn the_file_of_a_subscription_is_taken_over_whole() {
    let stage = Stage::new(Vec::new());
    let (access, refresh) = (REAL, "MARKER-refresh-b81f");
    stage.user_file(
        ".claude/.credentials.json",
        &format!(
            r#"{{"claudeAiOauth": {{"accessToken": "{access}", "refreshToken": "{refresh}", "expiresAt": 4102444800000, "subscriptionType": "pro"}}}}"#
        ),
    );
    stage.declare(
        "anthropic",
        "api.anthropic.com",
        "pattern = 'bearer'\n[credential.oauth]\ntoken_url = 'https://localhost/oauth/token'\nclient_id = 'x'",
    );
    let ask = r#"token=$(sed -n 's/.*"accessToken": "\(.*\)".*/\1/p' ~/.claude/.credentials.json)
cp ~/.claude/.credentials.json seen-file
curl -sS -o answer -w '%{http_code}' -H "Authorization: Bearer $token" -H 'content-type: application/json' -d '{"messages":[]}' https://api.anthropic.com/v1/messages > status"#;
    stage.program("claude", ask);
    stage.run(&["--import"], &["./claude"]).ok();
    assert_eq!(status(&stage), "200");
    let inside = stage.world.home.workspace().join("seen-file");
    assert!(
        holds(&inside, "sk-ant-oat01-bailiwick-dummy-") && holds(&inside, "sk-ant-ort01-bailiwick-dummy-")
    );
    assert!(holds(&inside, r#""subscriptionType": "pro""#));
    stage.never_inside(access);
    stage.never_inside(refresh);
}

#[test]
fn a_link_planted_in_the_private_home_is_not_written_through() {
    let stage = claude();
    stage.run(&["--import"], &["./claude"]).ok();
    let victim = stage.world.home.user().join("victim");
    std::fs::create_dir(&victim).unwrap();
    stage.program("codex", &format!("rm -rf ~/.codex; ln -s {} ~/.codex", victim.display()));
    stage.declare("openai", "api.openai.com", "pattern = 'bearer'");
    let stage = stage.variable("OPENAI_API_KEY", REAL);
    stage.run(&["--import"], &["./codex"]).ok();
    let said = stage.run(&[], &["./codex"]).expect_code(125).stderr();
    assert!(said.contains("--fresh-home"), "{said}");
    assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0, "a file of the host was made");
    stage.run(&["--fresh-home"], &["./codex"]).ok();
}

/// Another version of the agent keeps its login in another form: it is not understood, so nothing of it is taken over and nothing of it is inside.
#[test]
fn a_login_in_another_form_is_not_found_and_not_inside() {
    for form in [
        format!(r#"{{"version": 2, "accounts": [{{"token": "{REAL}", "refresh": "{REAL}-r"}}]}}"#),
        format!(r#"{{"claudeAiOauth": "{REAL}"}}"#),
        format!("token: {REAL}"),
    ] {
        let stage = Stage::new(Vec::new());
        stage.user_file(".claude/.credentials.json", &form);
        stage.user_file(".claude/settings.json", r#"{"theme": "dark"}"#);
        stage.declare("anthropic", "api.anthropic.com", KEY);
        stage.program("claude", "find ~ -type f -exec cat {} + > everything 2>/dev/null; true");
        let said = stage.run(&["--import"], &["./claude"]).ok().stderr();
        assert!(said.contains("has no login") && said.contains("ANTHROPIC_API_KEY"), "{form}: {said}");
        assert!(!said.contains(REAL), "{said}");
        let inside = stage.world.home.workspace().join("everything");
        assert!(holds(&inside, "dark") && !holds(&inside, REAL), "{form}");
        stage.never_inside(REAL);
        let secrets = stage.world.bailiwick().run(["secret", "list"]).ok().stdout();
        assert!(!secrets.contains("anthropic"), "{secrets}");
    }
}
