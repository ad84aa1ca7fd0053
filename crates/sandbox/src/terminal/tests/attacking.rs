//! A hostile program, and what of it the user's terminal hears.

use super::outer::Outer;

/// Runs a script, and gives what the terminal was sent.
fn sent(script: &str) -> String {
    let mut outer = Outer::launcher(&["bash", "-c", script], &[]);
    outer.assert_ended("exited status-0");
    outer.screen()
}

#[test]
fn what_would_speak_back_or_reach_the_clipboard_does_not_reach_the_terminal() {
    let attacks = [
        r"\e]52;c;c3RvbGVu\a",         // writes the clipboard
        r"\e]52;c;?\e\\",              // reads it
        r"\e[21t",                     // types the title
        r"\eP$qm\e\\",                 // DECRQSS, echoed by some terminals with what follows
        r"\eP+q436f\e\\",              // XTGETTCAP
        r"\e_Gi=31,s=1,v=1,a=q;A\e\\", // kitty graphics
        r"\eP0;0|17/726d20\e\\",       // DECUDK: a function key becomes text
        r"\e]50;stolen\a",
        r"\e]1337;SetMark\a",
        r"\e[5i",                 // prints
        r"\e[8;10;10t",           // resizes the window
        r"\x05",                  // answerback
        r"\x9d52;c;c3RvbGVu\x9c", // eight-bit forms
        r"\xc2\x9d52;c;c3RvbGVu\xc2\x9c",
        r"\e[1;1;1;1;9;9*y", // checksum of the screen
        r"\e[c\e[>q",
    ];
    for attack in attacks {
        let shown = sent(&format!("printf 'before {attack} after'"));
        assert!(shown.contains("before ") && shown.contains(" after"), "{attack}: {shown:?}");
        for forbidden in [
            "\u{1b}]52",
            "\u{9d}",
            "\u{1b}P",
            "\u{1b}_",
            "\u{1b}]50",
            "\u{1b}]1337",
            "t after",
            "i after",
            "\u{5}",
            "*y",
            ">q",
        ] {
            assert!(!shown.contains(forbidden), "{attack}: {shown:?}");
        }
    }
}

#[test]
fn a_sequence_written_byte_by_byte_or_interrupted_is_seen_all_the_same() {
    let slowly = "s=$'x\\e]52;c;c3RvbGVu\\ay'; for ((i = 0; i < ${#s}; i++)); do printf %s \"${s:i:1}\"; /bin/true; done; echo END";
    let shown = sent(slowly);
    assert!(shown.contains("xyEND") && !shown.contains("52;c"), "{shown:?}");
    let shown = sent(r"printf 'x\e]5\e[31m2;c;c3RvbGVu\ay\e[0mEND'");
    assert!(shown.contains("x\u{1b}[31m2;c;c3RvbGVu\u{7}y\u{1b}[mEND"), "{shown:?}");
}

#[test]
fn a_question_is_passed_and_its_answer_reaches_the_program_alone() {
    let script = r"stty raw -echo; printf '\e[6n'; IFS= read -r -d R answer; printf 'got %q END' $answer";
    let mut outer = Outer::launcher(&["bash", "-c", script], &[]);
    outer.wait_for("\u{1b}[6n");
    // What nobody asked for, first.
    outer.type_keys("\u{1b}[?1;2c\u{1b}]11;rgb:dead/beef/dead\u{1b}\\\u{1b}P1$ryes\u{1b}\\\u{1b}[7;8R");
    outer.wait_for("got $'\\E[7;8' END");
    outer.assert_ended("exited status-0");
}

#[test]
fn answers_that_nobody_asked_for_are_not_typed() {
    let mut outer = Outer::launcher(&["cat", "-v"], &[]);
    outer.wait_raw(true);
    outer.type_keys("a\u{1b}[12;40R\u{1b}[?62;4c\u{1b}]lyes\u{1b}\\\u{1b}P>|yes\u{1b}\\b\u{1b}[Ac\r");
    // The arrow key arrives; of the rest nothing is left.
    outer.wait_for("ab^[[Ac\r\nab^[[Ac\r\n");
    outer.type_keys("\u{4}");
    outer.assert_ended("exited status-0");
}

#[test]
fn what_a_killed_program_had_set_is_taken_back() {
    let script = r"printf '\e[>7u\e[?1049h\e[?25l\e[?1003h\e[?2004h\e[31m\e[2;5rhello'; kill -9 $$";
    let mut outer = Outer::launcher(&["bash", "-c", script], &[]);
    outer.wait_for(
        "hello\u{1b}[m\u{1b}7\u{1b}[r\u{1b}8\u{1b}[?1049l\u{1b}[<1u\u{1b}[?25h\u{1b}[?1003l\u{1b}[?2004l",
    );
    outer.assert_ended("exited killed-9");
}

#[test]
fn a_suspended_program_gives_the_terminal_back_and_finds_it_again() {
    let mut outer = Outer::shell();
    let script = r"printf '\e[?2004h\e[?25l'; echo ready; read x; echo got-$x";
    outer.type_keys(&format!("{}\r", super::roles::role_line("proxy", &["bash", "-c", script])));
    outer.wait_for("\u{1b}[?2004h\u{1b}[?25lready");
    outer.type_keys("\u{1a}");
    outer.wait_for("\u{1b}[?25h\u{1b}[?2004l");
    outer.wait_for("PROMPT> ");
    outer.type_keys("fg\r");
    outer.wait_for("\u{1b}[?25l\u{1b}[?2004h");
    outer.type_keys("back\r");
    outer.wait_for("got-back");
    outer.wait_for("\u{1b}[?25h\u{1b}[?2004l");
    outer.wait_for("[ended exited status-0]");
}
