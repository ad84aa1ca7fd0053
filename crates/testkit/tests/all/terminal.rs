//! A real shell on the terminal.

use std::process::Command;

use bailiwick_testkit::Terminal;

fn shell() -> Terminal {
    let mut command = Command::new("bash");
    command
        .args(["--norc", "--noprofile", "-i"])
        .env("PS1", "ready> ")
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm");
    Terminal::spawn(&command, 24, 80)
}

#[test]
fn what_is_typed_runs_and_what_it_prints_is_seen() {
    let mut terminal = shell();
    terminal.expect("ready>");
    terminal.send("echo $((40 + 2))\n");
    terminal.expect("42");
    terminal.send("exit 7\n");
    assert_eq!(terminal.wait_for_exit().code(), Some(7));
}

#[test]
fn resize_job_control_and_interrupts_reach_the_program() {
    let terminal = shell();
    terminal.expect("ready>");
    terminal.resize(30, 100);
    terminal.send("stty size\n");
    terminal.expect("30 100");
    let running = || {
        let mark = terminal.mark();
        terminal.send("sh -c 'echo n\"\"ow; exec sleep 1000'\n");
        terminal.expect_since(mark, "now");
    };
    running();
    terminal.send("\x03");
    terminal.send("echo code=$?\n");
    terminal.expect("code=130");
    running();
    terminal.send("\x1a");
    terminal.expect("Stopped");
}
