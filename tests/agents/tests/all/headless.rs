//! Agents without a terminal: one prompt, one command run, one file written.

use bailiwick_testkit::Turn;
use serde_json::Value;

use crate::stage::{REAL, Stage, agent, holds};

fn script() -> Vec<Turn> {
    vec![
        Turn::shell(
            "echo written-by-the-agent > result; env > environment; cat ~/.codex/auth.json ~/.claude/.credentials.json >> environment 2>/dev/null; id -u",
        ),
        Turn::text("all done"),
    ]
}

/// Runs the agent with its prompt, and judges it from outside.
fn works(stage: &Stage, inside: &[&str], header: &str, expected: &str) {
    let finished = stage.run(&["--import"], inside).ok();
    let work = stage.world.home.workspace();
    assert!(
        holds(&work.join("result"), "written-by-the-agent"),
        "{}\n{}",
        finished.stdout(),
        finished.stderr()
    );
    assert!(finished.stdout().contains("all done"), "{}\n{}", finished.stdout(), finished.stderr());
    let asked: Vec<_> = stage.model.seen().into_iter().filter(|seen| seen.method == "POST").collect();
    assert!(asked.len() >= 2, "{asked:#?}");
    assert!(asked.iter().all(|seen| seen.header(header) == expected), "{asked:#?}");
    stage.never_inside(REAL);
    let log: Vec<Value> = stage.world.bailiwick().run(["log", "--json"]).ok().ndjson();
    assert!(
        log.iter().any(|row| row["decision"] == "permit" && row["operation"] != "net.resolve"),
        "{log:#?}"
    );
    stage.world.bailiwick().run(["ledger", "verify"]).ok();
}

#[test]
fn claude_runs_a_command() {
    let Some(claude) = agent("claude") else { return };
    let stage = Stage::new(script()).variable("ANTHROPIC_API_KEY", REAL);
    stage.declare("anthropic", "api.anthropic.com", "pattern = 'header'\nname = 'x-api-key'");
    let claude = claude.display().to_string();
    let model = "claude-sonnet-4-5";
    works(
        &stage,
        &[&claude, "-p", "write the file", "--allowedTools", "Bash", "--model", model],
        "x-api-key",
        REAL,
    );
}

#[test]
fn opencode_runs_a_command() {
    let Some(opencode) = agent("opencode") else { return };
    // It asks its own permission for what lies outside the workspace.
    let script =
        vec![Turn::shell("echo written-by-the-agent > result; env > environment"), Turn::text("all done")];
    let stage = Stage::new(script).variable("ANTHROPIC_API_KEY", REAL);
    stage.declare("anthropic", "api.anthropic.com", "pattern = 'header'\nname = 'x-api-key'");
    let opencode = opencode.display().to_string();
    let model = "anthropic/claude-sonnet-4-5";
    works(&stage, &[&opencode, "run", "--model", model, "write the file"], "x-api-key", REAL);
}

#[test]
fn codex_runs_a_command() {
    let Some(codex) = agent("codex") else { return };
    let stage = Stage::new(script()).variable("OPENAI_API_KEY", REAL);
    stage.declare("openai", "api.openai.com", "pattern = 'bearer'");
    let codex = codex.display().to_string();
    works(
        &stage,
        &[&codex, "exec", "--skip-git-repo-check", "-m", "gpt-5.3-codex", "write the file"],
        "authorization",
        &format!("Bearer {REAL}"),
    );
}

#[test]
fn gemini_runs_a_command() {
    let Some(gemini) = agent("gemini") else { return };
    let stage = Stage::new(script()).variable("GEMINI_API_KEY", REAL);
    stage.declare(
        "gemini",
        "generativelanguage.googleapis.com",
        "pattern = 'header'\nname = 'x-goog-api-key'",
    );
    let gemini = gemini.display().to_string();
    works(
        &stage,
        &[&gemini, "-p", "write the file", "-m", "gemini-2.5-flash", "--approval-mode", "yolo"],
        "x-goog-api-key",
        REAL,
    );
}
