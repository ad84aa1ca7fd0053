//! Agents at a terminal, drawing the whole screen, as a person has them.

use bailiwick_testkit::{Terminal, Turn};

use crate::stage::{REAL, Stage, agent, holds};

fn script() -> Vec<Turn> {
    vec![Turn::shell("echo written-by-the-agent > result"), Turn::text("all done here")]
}

/// Starts the agent with its prompt, waits for the model's last word on the screen, and leaves.
fn works(stage: &Stage, inside: &[&str]) {
    let mut terminal = Terminal::spawn(&stage.command(&["--import"], inside), 40, 120);
    terminal.expect("all done here");
    let work = stage.world.home.workspace();
    assert!(holds(&work.join("result"), "written-by-the-agent"), "{}", terminal.contents());
    terminal.send("\x03");
    terminal.send("\x03");
    stage.world.bailiwick().run(["stop", "-"]);
    terminal.wait_for_exit();
    assert!(!String::from_utf8_lossy(&terminal.raw()).contains(REAL));
    let asked: Vec<_> = stage.model.seen().into_iter().filter(|seen| seen.method == "POST").collect();
    assert!(asked.len() >= 2, "{asked:#?}");
    stage.never_inside(REAL);
}

#[test]
fn codex_works_at_a_terminal() {
    let Some(codex) = agent("codex") else { return };
    let stage = Stage::new(script()).variable("OPENAI_API_KEY", REAL);
    stage.declare("openai", "api.openai.com", "pattern = 'bearer'");
    let codex = codex.display().to_string();
    let all = "--dangerously-bypass-approvals-and-sandbox";
    works(&stage, &[&codex, all, "-m", "gpt-5.3-codex", "write the file"]);
}

#[test]
fn gemini_works_at_a_terminal() {
    let Some(gemini) = agent("gemini") else { return };
    let stage = Stage::new(script()).variable("GEMINI_API_KEY", REAL);
    stage.declare(
        "gemini",
        "generativelanguage.googleapis.com",
        "pattern = 'header'\nname = 'x-goog-api-key'",
    );
    let gemini = gemini.display().to_string();
    works(&stage, &[&gemini, "-i", "write the file", "-m", "gemini-2.5-flash", "--approval-mode", "yolo"]);
}
