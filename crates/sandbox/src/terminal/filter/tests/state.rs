//! What the program set is taken back, and given back.

use super::super::{AllowList, OutputFilter};
use super::judge::fault;
use super::{terminal, text};

fn after(written: &[u8], then: impl FnOnce(&mut AllowList, &mut Vec<u8>)) -> Vec<u8> {
    let mut filter = AllowList::default();
    filter.written(written, &mut Vec::new(), &mut Vec::new());
    let mut screen = Vec::new();
    then(&mut filter, &mut screen);
    assert_eq!(fault(&screen), None, "{}", text(&screen));
    screen
}

fn left(written: &[u8]) -> String {
    text(&after(written, AllowList::leave))
}

const EVERYTHING: &[u8] = b"\x1b[>1u\x1b[?1049h\x1b[>7u\x1b[>3u\x1b[?25l\x1b[?1;7;12;1003;1006;1004;2004;2027h\x1b[?7l\x1b[4h\x1b=\
    \x1b[>4;2m\x1b[2 q\x1b[3;9r\x1b(0\x0e\x1b[31m\x1b]8;;https://a.example/\x07\x1b]9;4;3\x07\x1b]0;t\x07\x1b[22;0t\x1b[?2026h";

#[test]
fn nothing_is_written_where_nothing_was_set() {
    assert_eq!(left(b"plain text\r\n\x1b[31mred\x1b[m\x1b[2J\x1b[H"), "");
    assert_eq!(left(b"\x1b[?1049h\x1b[?25l\x1b[>1ux\x1b[<u\x1b[?25h\x1b[?1049l"), "");
}

#[test]
fn everything_is_taken_back_at_the_end() {
    assert_eq!(
        left(EVERYTHING),
        text(
            b"\x1b[?2026l\x1b]8;;\x1b\\\x1b]9;4;0\x1b\\\x0f\x1b(B\x1b[m\x1b7\x1b[r\x1b8\x1b[<2u\x1b[?1049l\x1b[<1u\
            \x1b[?1l\x1b[?7h\x1b[?12l\x1b[?25h\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[?2027l\x1b[4l\x1b>\x1b[>4;0m\
            \x1b[0 q\x1b[23;0t\x1b[23;0t"
        )
    );
}

#[test]
fn a_terminal_is_as_before() {
    let mut shown = terminal(24, 80);
    shown.process(b"$ agent\r\n");
    let before = (shown.screen().contents_formatted(), shown.screen().input_mode_formatted());
    let (mut filter, mut screen) = (AllowList::default(), Vec::new());
    filter.written(EVERYTHING, &mut screen, &mut Vec::new());
    shown.process(&screen);
    assert!(shown.screen().alternate_screen() && shown.screen().hide_cursor());
    screen.clear();
    filter.leave(&mut screen);
    shown.process(&screen);
    assert!(!shown.screen().alternate_screen());
    assert_eq!((shown.screen().contents_formatted(), shown.screen().input_mode_formatted()), before);
}

#[test]
fn a_program_that_is_continued_finds_what_it_had_set() {
    let again = after(EVERYTHING, |filter, screen| {
        filter.leave(&mut Vec::new());
        filter.enter(screen);
    });
    assert_eq!(
        text(&again),
        text(
            b"\x1b[>1u\x1b[?1049h\x1b[>7u\x1b[>3u\x1b[?1h\x1b[?7l\x1b[?12h\x1b[?25l\x1b[?1003h\x1b[?1004h\x1b[?1006h\x1b[?2004h\
            \x1b[?2027h\x1b[4h\x1b=\x1b[>4;2m\x1b[2 q\x1b7\x1b[3;9r\x1b8\x1b(0\x0e"
        )
    );
}

#[test]
fn a_reset_takes_back_what_the_program_set_and_nothing_else() {
    for reset in [&b"\x1bc"[..], b"\x1b[!p"] {
        let mut filter = AllowList::default();
        filter.written(EVERYTHING, &mut Vec::new(), &mut Vec::new());
        let mut screen = Vec::new();
        filter.written(reset, &mut screen, &mut Vec::new());
        assert_eq!(fault(&screen), None, "{}", text(&screen));
        assert!(!screen.windows(2).any(|pair| pair == b"\x1bc" || pair == b"[!"));
        let mut rest = Vec::new();
        filter.leave(&mut rest);
        assert_eq!(text(&rest), "");
    }
}

/// A card of ours on a screen of its own, and back: for a program on the normal screen nothing is to be painted anew.
#[test]
fn our_own_screen_shows_nothing_of_the_programs_and_gives_everything_back() {
    let normal = b"\x1b[3;9rline one\r\nline two \x1b[1;31mred \x1b[?25l\x1b[?1000h\x1b[?2004h\x1b[>7u";
    let full = b"\x1b[?1049h\x1b[3;9r\x1b[31mfull screen\x1b[?25l\x1b[?1000h\x1b[?2004h";
    for (written, repaints) in [(&normal[..], false), (&full[..], true)] {
        let mut shown = terminal(24, 80);
        let (mut filter, mut screen) = (AllowList::default(), Vec::new());
        filter.written(written, &mut screen, &mut Vec::new());
        shown.process(&screen);
        let before = shown.screen().clone();

        screen.clear();
        filter.aside(&mut screen);
        assert_eq!(fault(&screen), None, "{}", text(&screen));
        shown.process(&screen);
        let card = shown.screen();
        assert!(card.alternate_screen() && !card.hide_cursor() && !card.bracketed_paste());
        assert_eq!(card.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert_eq!((card.contents(), card.cursor_position()), (String::new(), (0, 0)));
        shown.process(b"our card\r\n");

        screen.clear();
        assert_eq!(filter.back(&mut screen), repaints);
        assert_eq!(fault(&screen), None, "{}", text(&screen));
        shown.process(&screen);
        let after = shown.screen();
        assert_eq!(after.input_mode_formatted(), before.input_mode_formatted());
        assert_eq!(after.hide_cursor(), before.hide_cursor());
        if repaints {
            assert!(after.alternate_screen());
        } else {
            assert_eq!(after.contents(), before.contents());
            assert_eq!(after.cursor_position(), before.cursor_position());
        }
        assert!(!after.contents().contains("our card"));
    }
}
