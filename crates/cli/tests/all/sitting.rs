//! What `run` itself says on a terminal: one line before the agent, one summary after it.

use bailiwick_testkit::World;

#[test]
fn one_line_before_and_one_summary_after() {
    let world = World::new();
    // What is told once has been told.
    world.home.write("workspaces/told", "");
    let script = "echo agent-begins; curl -sS https://refused.example/ >/dev/null; echo agent-ends";
    let mut terminal = world.terminal(["bash", "-c", script]);
    assert!(terminal.wait_for_exit().success());
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let (before, rest) = raw.split_once("agent-begins").unwrap();
    let (during, after) = rest.split_once("agent-ends").unwrap();
    assert_eq!(before.lines().count(), 1, "{before}");
    assert!(
        before.starts_with("bailiwick: session ")
            && before.contains("agent bash, tier T2, at most 12h; `bailiwick stop "),
        "{before}"
    );
    assert_eq!(during.trim(), "", "nothing of ours while the agent runs");
    assert!(after.contains("0 permitted, 0 held, ") && after.matches("  refused ").count() == 1, "{after}");
    assert!(after.contains("refused https://refused.example"), "{after}");
    assert!(after.contains("bailiwick resource add refused --address https://refused.example"), "{after}");
    // What the lines name is found by it.
    let short = before.split_whitespace().nth(2).unwrap().trim_end_matches(',').to_owned();
    let log = world.bailiwick().run(["log", "--session", &short]).ok().stdout();
    assert!(log.contains("refuse"), "{log}");
}

#[test]
fn a_quiet_run_ends_in_one_line_and_a_pipe_hears_nothing() {
    let world = World::new();
    // What is told once has been told.
    world.home.write("workspaces/told", "");
    let mut terminal = world.terminal(["true"]);
    assert!(terminal.wait_for_exit().success());
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert_eq!(raw.lines().count(), 2, "{raw}");
    assert!(raw.contains(": 0 permitted, 0 held, 0 refused"), "{raw}");

    let finished = world.script("printf '\\033]52;c;eA==\\007'").ok();
    assert_eq!(finished.stderr(), "");
    // Only a terminal is protected: bytes to a file or a pipe are data.
    assert_eq!(finished.stdout, b"\x1b]52;c;eA==\x07");
}

/// Through the whole product: what would write the clipboard does not reach the user's terminal, and what was set is taken back.
#[test]
fn the_terminal_is_protected_and_given_back() {
    let world = World::new();
    let script = r"printf 'x\033]52;c;c3RvbGVu\007\033[21t\033[?1049h\033[?25l\033[31mfull'; kill -9 $$";
    let mut terminal = world.terminal(["bash", "-c", script]);
    assert_eq!(terminal.wait_for_exit().code(), Some(137));
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(raw.contains("x\u{1b}[?1049h") && !raw.contains("52;c") && !raw.contains("[21t"), "{raw:?}");
    assert!(!terminal.is_full_screen());
    assert!(raw.contains("full\u{1b}[m\u{1b}[?1049l\u{1b}[?25h"), "{raw:?}");
}
