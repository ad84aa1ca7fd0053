//! What real full-screen agents write, recorded on a terminal of 30 rows and 100 columns in a network namespace without a way out:
//! Codex CLI and Gemini CLI, from their start over a prompt that reaches no model to their end.

use super::super::{AllowList, OutputFilter};
use super::judge::fault;
use super::{filtered, filtered_in, terminal, text};

pub(super) const TRANSCRIPTS: [&[u8]; 2] =
    [include_bytes!("data/codex.transcript"), include_bytes!("data/gemini.transcript")];

/// At every stretch of the transcript, a terminal shows the same with the filter as without.
#[test]
fn the_screen_is_the_same_with_the_filter() {
    for transcript in TRANSCRIPTS {
        let (mut with, mut without) = (terminal(30, 100), terminal(30, 100));
        let mut filter = AllowList::default();
        for stretch in transcript.chunks(97) {
            let mut screen = Vec::new();
            filter.written(stretch, &mut screen, &mut Vec::new());
            with.process(&screen);
            without.process(stretch);
        }
        let (with, without) = (with.screen(), without.screen());
        assert!(!without.contents().is_empty());
        assert_eq!(with.contents(), without.contents());
        assert_eq!(with.state_formatted(), without.state_formatted());
    }
}

#[test]
fn transcripts_pass_the_judge_however_they_are_split() {
    for transcript in TRANSCRIPTS {
        let whole = filtered(transcript);
        assert_eq!(fault(&whole.0), None);
        for size in [1, 2, 3, 7, 1000] {
            assert_eq!(filtered_in(&transcript.chunks(size).collect::<Vec<_>>()), whole);
        }
        assert_eq!(text(&filtered(&whole.0).0), text(&whole.0));
    }
}

/// Killed at any moment, an agent leaves the terminal as it was.
#[test]
fn an_agent_that_ends_anywhere_leaves_the_terminal_usable() {
    for transcript in TRANSCRIPTS {
        let mut filter = AllowList::default();
        let mut shown = terminal(30, 100);
        for stretch in transcript.chunks(211) {
            let mut screen = Vec::new();
            filter.written(stretch, &mut screen, &mut Vec::new());
            shown.process(&screen);
            let mut left = Vec::new();
            filter.leave(&mut left);
            let mut after = terminal(30, 100);
            after.process(shown.screen().state_formatted().as_bytes());
            after.process(&left);
            let screen = after.screen();
            assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
            assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
            assert_eq!(screen.attributes_formatted(), "\x1b[m");
        }
    }
}
