//! Bytes, size, signals, and the terminal given back.

use rustix::process::Signal;

use super::outer::Outer;
use super::roles::{GRACE_MS, PANIC};

#[test]
fn echoes_and_ends_with_the_program() {
    let mut outer = Outer::launcher(&["cat"], &[]);
    outer.wait_raw(true);
    outer.type_keys("hello\r");
    // Once from the inner terminal's echo, once from cat.
    outer.wait_for("hello\r\nhello\r\n");
    outer.type_keys("\x04");
    outer.assert_ended("exited status-0");
}

#[test]
fn passes_the_exit_status() {
    let mut outer = Outer::launcher(&["sh", "-c", "exit 7"], &[]);
    outer.assert_ended("exited status-7");
}

#[test]
fn the_inner_terminal_has_the_size_of_the_outer_and_follows_it() {
    let script = "stty size; trap 'stty size; kill $p; exit 0' WINCH; sleep 600 & p=$!; echo ready; wait";
    let mut outer = Outer::launcher(&["bash", "-c", script], &[]);
    outer.wait_for("40 100");
    outer.wait_for("ready");
    outer.resize(51, 132);
    outer.wait_for("51 132");
    outer.assert_ended("exited status-0");
}

#[test]
fn ctrl_c_reaches_the_program_and_only_it() {
    let script = "trap 'echo caught; kill $p; exit 3' INT; sleep 600 & p=$!; echo ready; wait";
    let mut outer = Outer::launcher(&["bash", "-c", script], &[]);
    outer.wait_for("ready");
    outer.type_keys("\x03");
    outer.wait_for("caught");
    outer.assert_ended("exited status-3");

    let mut outer = Outer::launcher(&["cat"], &[]);
    outer.wait_raw(true);
    outer.type_keys("a\r");
    outer.wait_for("a\r\na\r\n");
    outer.type_keys("\x03");
    outer.assert_ended("exited killed-2");
}

#[test]
fn a_burst_at_the_end_is_not_lost() {
    let script = "head -c 1000000 /dev/zero | tr '\\0' x; printf END";
    let mut outer = Outer::launcher(&["sh", "-c", script], &[]);
    outer.assert_ended("exited status-0");
    let screen = outer.screen();
    let burst: String = screen.chars().skip_while(|&c| c != 'x').take_while(|&c| c == 'x').collect();
    assert!(
        burst.len() == 1_000_000 && screen.contains("xEND"),
        "{} bytes of the burst arrived",
        burst.len()
    );
}

#[test]
fn a_long_paste_arrives_whole() {
    let script = "stty -echo -icanon; echo ready; head -c 200000 | cksum";
    let mut outer = Outer::launcher(&["sh", "-c", script], &[]);
    outer.wait_for("ready");
    outer.type_keys(&"0123456789".repeat(20_000));
    // The checksum of that text (cksum(1)), and its length.
    outer.wait_for("3552502430 200000\r\n");
    outer.assert_ended("exited status-0");
}

#[test]
fn a_signal_is_passed_on_and_the_terminal_given_back() {
    let mut outer = Outer::launcher(&["cat"], &[]);
    outer.wait_raw(true);
    outer.kill(Signal::TERM);
    outer.assert_ended("exited killed-15");
}

#[test]
fn a_program_that_does_not_end_when_told_is_left_to_be_killed() {
    let script = "trap '' TERM; echo ready; exec cat";
    let mut outer = Outer::launcher(&["sh", "-c", script], &[(GRACE_MS, "1")]);
    outer.wait_for("ready");
    outer.kill(Signal::TERM);
    outer.wait_for("[ended signalled-15");
    assert_eq!(outer.settings(), outer.settings_before);
}

#[test]
fn a_fatal_signal_gives_the_terminal_back() {
    let mut outer = Outer::launcher(&["cat"], &[]);
    outer.wait_raw(true);
    outer.kill(Signal::ALARM);
    outer.wait_for("[ended signalled-14");
    assert_eq!(outer.settings(), outer.settings_before);
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let mut outer = Outer::launcher(&["cat"], &[(PANIC, "1")]);
    outer.wait_raw(true);
    outer.type_keys("x");
    outer.wait_for("as the test asked");
    outer.wait_raw(false);
    assert!(!outer.wait_child(), "the launcher panicked");
    assert_eq!(outer.settings(), outer.settings_before);
}

#[test]
fn a_terminal_that_goes_away_ends_the_program() {
    let mut outer = Outer::launcher(&["cat"], &[]);
    outer.wait_raw(true);
    outer.hang_up();
}

#[test]
fn a_program_without_descriptors_may_come_back_to_its_terminal() {
    let script = "exec <&- >&- 2>&-; (sleep 0.3); echo back >/dev/tty; exit 4";
    let mut outer = Outer::launcher(&["sh", "-c", script], &[]);
    outer.wait_for("back");
    outer.assert_ended("exited status-4");
}

#[test]
fn full_screen_programs_work() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    let path = file.to_str().unwrap();
    if installed("vim") {
        let mut outer = Outer::launcher(&["vim", "-u", "NONE", "-n", path], &[]);
        outer.wait_for("~");
        outer.type_keys("iwritten inside\x1b:wq\r");
        outer.assert_ended("exited status-0");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "written inside\n");
    }
    std::fs::write(&file, (0..500).map(|n| format!("line {n}\n")).collect::<String>()).unwrap();
    if installed("less") {
        let mut outer = Outer::launcher(&["less", path], &[]);
        outer.wait_for("line 0");
        outer.type_keys("G");
        outer.wait_for("line 499");
        outer.type_keys("q");
        outer.assert_ended("exited status-0");
    }
}

#[test]
fn an_interactive_interpreter_works() {
    let mut outer = Outer::launcher(&["python3", "-q", "-i"], &[("PYTHONSTARTUP", "")]);
    outer.wait_for(">>> ");
    outer.type_keys("print(6 * 7)\r");
    outer.wait_for("\n42\r\n");
    outer.wait_for(">>> ");
    // With Enter, as the interpreter may only look for the signal once it has a line.
    outer.type_keys("\x03\r");
    outer.wait_for("KeyboardInterrupt");
    outer.type_keys("exit(5)\r");
    outer.assert_ended("exited status-5");
}

fn installed(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: {program} is not installed, so it was not tried");
    }
    found
}
