//! The first session that a new user has, typed at a terminal, word for word.

use bailiwick_testkit::{GitHost, Terminal};
use serde_json::Value;

use bailiwick_testkit::world::{TOKEN, World};

#[test]
fn the_first_session() {
    let world = World::new();
    let forge = GitHost::start(&world.ca, TOKEN);
    forge.add_repository("acme/site");
    declares(&world, &forge);

    let mut shell = world.terminal(["bash", "--norc", "--noprofile"]);
    shell.send("PS1='inside> '; echo r\"\"eady\n");
    shell.expect("ready");
    let url = format!("{}/acme/site", forge.url());
    type_and_wait(&shell, &format!("git clone -q {url} && cd site"));
    type_and_wait(&shell, "git -c user.name=e -c user.email=e@example.com commit -q --allow-empty -m fix");
    type_and_wait(&shell, "git push -q origin HEAD:fix-42");
    assert!(forge.refs("acme/site").contains_key("refs/heads/fix-42"), "{}", shell.contents());
    let mark = shell.mark();
    shell.send("curl -sS -w 'st''atus=%{http_code}\\n' https://anything-else.example/\n");
    shell.expect_since(mark, "status=403");
    shell.expect_since(mark, "bailiwick resource add");
    shell.send("exit\n");
    assert!(shell.wait_for_exit().success());
    assert!(!String::from_utf8_lossy(&shell.raw()).contains(TOKEN), "the token crossed the terminal");

    let bailiwick = world.bailiwick();
    let log: Vec<Value> = bailiwick.run(["log", "--json"]).ok().ndjson();
    let pushes: Vec<_> = log.iter().filter(|row| row["operation"] == "git.push").collect();
    assert!(pushes.iter().any(|row| row["decision"] == "permit" && row["resource"] == "forge"), "{log:#?}");
    assert!(log.iter().any(|row| row["decision"] == "refuse"), "{log:#?}");
    bailiwick.run(["explain", "-"]).ok();
    bailiwick.run(["ledger", "verify"]).ok();
    bailiwick.run(["doctor"]).ok();
}

#[test]
fn stop_ends_the_latest_session_at_once() {
    let world = World::new();
    let mut shell = world.terminal(["bash", "-c", "echo r\"\"eady; exec sleep 1000"]);
    shell.expect("ready");
    world.bailiwick().run(["stop", "-"]).ok();
    assert_eq!(shell.wait_for_exit().code(), Some(124));
}

/// `resource add` asks for the token on the terminal and does not echo it.
fn declares(world: &World, forge: &GitHost) {
    let url = forge.url();
    let arguments = ["resource", "add", "forge", "--address", &url, "--template", "git", "--ca"];
    let mut command = world.bailiwick().command(arguments);
    command.arg(&world.pem);
    let mut terminal = Terminal::spawn(&command, 24, 80);
    terminal.expect("forge");
    terminal.send(&format!("{TOKEN}\n"));
    assert!(terminal.wait_for_exit().success(), "{}", terminal.contents());
    assert!(!terminal.contents().contains(TOKEN), "the token was echoed");
}

fn type_and_wait(shell: &Terminal, line: &str) {
    let mark = shell.mark();
    shell.send(&format!("{line}; echo \"done\"\"=$?\"\n"));
    shell.expect_since(mark, "done=");
    assert!(shell.contents().contains("done=0"), "{line}\n{}", shell.contents());
}
