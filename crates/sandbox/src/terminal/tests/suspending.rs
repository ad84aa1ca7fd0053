//! Job control: under a shell that has it, in a pipeline, and where nobody would continue us.

use std::io::Write;

use rustix::fs::{FileType, Mode, mknodat};

use super::outer::Outer;
use super::roles::role_line;

#[test]
fn a_stopped_program_stops_the_launcher_and_goes_on_with_it() {
    let mut outer = Outer::shell();
    outer.type_keys(&format!("{}\r", role_line("proxy", &["cat"])));
    outer.wait_raw(true);
    outer.type_keys("one\r");
    outer.wait_for("one\r\none\r\n");
    for word in ["two", "three"] {
        outer.type_keys("\x1a");
        outer.wait_for("Stopped");
        outer.wait_for("PROMPT> ");
        assert_eq!(outer.settings(), outer.settings_before, "settings while stopped");
        outer.type_keys("fg\r");
        outer.wait_raw(true);
        outer.type_keys(&format!("{word}\r"));
        outer.wait_for(&format!("{word}\r\n{word}\r\n"));
    }
    outer.type_keys("\x04");
    outer.wait_for("[ended exited status-0]");
    outer.type_keys("exit\r");
    outer.wait_child();
}

/// For the shell: waits until a job of its own is stopped, and says so in words that the command does not contain.
const WAIT_STOPPED: &str = "until [ \"$(jobs -s)\" ]; do :; done; echo 'is 'stopped\r";

#[test]
fn in_the_background_the_keyboard_stays_with_the_shell() {
    let mut outer = Outer::shell();
    // cat reads the inner terminal, in whose background it is: it stops for that, as without a sandbox.
    outer.type_keys(&format!("{} &\r", role_line("proxy", &["cat"])));
    outer.type_keys(WAIT_STOPPED);
    outer.wait_for("is stopped");
    assert!(!outer.is_raw());
    outer.type_keys("fg\r");
    outer.wait_raw(true);
    outer.type_keys("here\r");
    outer.wait_for("here\r\nhere\r\n");
    outer.type_keys("\x1a");
    outer.wait_for("PROMPT> ");
    outer.type_keys(&format!("bg; {WAIT_STOPPED}"));
    outer.wait_for("is stopped");
    assert!(!outer.is_raw());
    outer.type_keys("fg\r");
    outer.wait_raw(true);
    outer.type_keys("back\r");
    outer.wait_for("back\r\nback\r\n");
    outer.type_keys("\x04");
    outer.wait_for("[ended exited status-0]");
    outer.type_keys("exit\r");
    outer.wait_child();
}

#[test]
fn in_a_pipeline_the_keyboard_is_taken_when_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    mknodat(rustix::fs::CWD, &gate, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let script = format!("echo be''fore; cat {}; read answer </dev/tty; echo got-$answer", gate.display());
    let mut outer = Outer::shell();
    outer.type_keys(&format!("{} | cat\r", role_line("proxy", &["bash", "-c", &script])));
    outer.wait_for("before");
    assert!(!outer.is_raw(), "the keyboard was taken before anyone wanted it");
    std::fs::OpenOptions::new().write(true).open(&gate).unwrap().write_all(b"go\n").unwrap();
    outer.wait_raw(true);
    outer.type_keys("yes\r");
    // The answer comes through the pipe, the launcher's last word does not: in either order.
    outer.wait_for("PROMPT> ");
    let screen = outer.screen();
    assert!(screen.contains("got-yes") && screen.contains("[ended exited status-0]"), "{screen}");
    outer.type_keys("exit\r");
    outer.wait_child();
}

#[test]
fn where_nobody_would_continue_it_a_stopped_program_goes_on() {
    let mut outer = Outer::launcher(&["sh", "-c", "kill -STOP $$; echo went-on; exit 6"], &[]);
    outer.wait_for("went-on");
    outer.assert_ended("exited status-6");
}

/// As the first process of a container has it: its session and group are led from outside its PID namespace.
#[test]
fn where_the_session_is_led_from_outside_a_stopped_program_goes_on() {
    let launcher = role_line("proxy", &["sh", "-c", "read word; kill -STOP $$; echo went-$word; exit 6"]);
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        &script,
        format!("exec unshare --user --map-root-user --pid --fork --mount-proc {launcher}"),
    )
    .unwrap();
    let mut outer = Outer::led(&["sh", script.path().to_str().unwrap()]);
    outer.wait_raw(true);
    outer.type_keys("on\r");
    outer.wait_for("went-on");
    outer.assert_ended("exited status-6");
}

#[test]
fn without_a_terminal_signals_and_stops_are_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let path = path.to_str().unwrap();
    let script = "trap 'echo told; exit 9' TERM; kill -STOP $$; echo went-on; sleep 600 & wait";
    let line = role_line("proxy", &["bash", "-c", script]);
    let mut outer = Outer::shell();
    outer.type_keys(&format!("{line} </dev/null >{path} 2>&1 &\r"));
    outer.type_keys(WAIT_STOPPED);
    outer.wait_for("is stopped");
    outer.type_keys(&format!("bg; until grep -q went-on {path}; do :; done; kill %1; until grep -q ended {path}; do :; done; echo wai''ted\r"));
    outer.wait_for("waited");
    let said = std::fs::read_to_string(path).unwrap();
    assert!(said.contains("told") && said.contains("[ended exited status-9]"), "{said}");
    outer.type_keys("exit\r");
    outer.wait_child();
}
