//! Questions, and what becomes of answers.

use super::super::{AllowList, OutputFilter};
use super::text;

/// Asks, and hears: what the terminal was asked, what the program was told at once, what it heard, and what remained as keys.
fn heard(asked: &[u8], arrived: &[&[u8]]) -> (String, String, String, String) {
    let mut filter = AllowList::default();
    let (mut screen, mut told, mut inside, mut keys) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    filter.written(asked, &mut screen, &mut told);
    for piece in arrived {
        filter.heard(piece, &mut keys, &mut inside);
    }
    (text(&screen), text(&told), text(&inside), text(&keys))
}

/// Question, how it reaches the terminal, the terminal's answer, what the program hears.
const ASKED: &[(&str, &str, &str, &str)] = &[
    ("\x1b[6n", "\x1b[6n", "\x1b[12;40R", "\x1b[12;40R"),
    ("\x1b[?6n", "\x1b[?6n", "\x1b[?12;40;1R", "\x1b[?12;40;1R"),
    ("\x1b[5n", "\x1b[5n", "\x1b[0n", "\x1b[0n"),
    ("\x1b[?u", "\x1b[?u", "\x1b[?0u", "\x1b[?0u"),
    ("\x1b[?2026$p", "\x1b[?2026$p", "\x1b[?2026;2$y", "\x1b[?2026;2$y"),
    ("\x1b[14t", "\x1b[14t", "\x1b[4;600;800t", "\x1b[4;600;800t"),
    ("\x1b[18t", "\x1b[18t", "\x1b[8;30;100t", "\x1b[8;30;100t"),
    (
        "\x1b]11;?\x07",
        "\x1b]11;?\x1b\\",
        "\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
        "\x1b]11;rgb:1e1e/1e1e/1e1e\x07",
    ),
    ("\x1b]10;?\x1b\\", "\x1b]10;?\x1b\\", "\x1b]10;rgb:ff/ff/ff\x07", "\x1b]10;rgb:ff/ff/ff\x1b\\"),
    // What these say is ours: the terminal would promise what does not pass.
    ("\x1b[c", "\x1b[c", "\x1b[?65;1;4;9;52c", "\x1b[?62;22c"),
    ("\x1b[0c\x1bZ", "\x1b[c\x1b[c", "\x1b[?6c\x1b[?6c", "\x1b[?62;22c\x1b[?62;22c"),
    ("\x1b[>c", "\x1b[>c", "\x1b[>41;388;0c", "\x1b[>0;10;0c"),
];

#[test]
fn an_answer_that_was_asked_for_arrives() {
    for (asked, passed, answer, told) in ASKED {
        let heard = heard(asked.as_bytes(), &[answer.as_bytes()]);
        let expected = (text(passed.as_bytes()), String::new(), text(told.as_bytes()), String::new());
        assert_eq!(heard, expected, "{asked:?}");
    }
}

#[test]
fn an_answer_that_nobody_asked_for_goes_nowhere() {
    let reports: [&[u8]; 14] = [
        b"\x1b[12;40R",
        b"\x1b[?12;40R",
        b"\x1b[0n",
        b"\x1b[?1u",
        b"\x1b[?2026;2$y",
        b"\x1b[4;6;8t",
        b"\x1b[?62;4c",
        b"\x1b[>1;2;3c",
        b"\x1b]11;rgb:dead/beef/cafe\x1b\\",
        b"\x1b]52;c;eWVz\x07",
        b"\x1b]lyes\x1b\\",
        b"\x1bP1$ryes\x1b\\",
        b"\x1bP>|yes\x1b\\",
        b"\x1b_Gyes\x1b\\",
    ];
    for report in reports {
        let (_, _, inside, keys) = heard(b"", &[report, b"x"]);
        assert_eq!((&inside[..], &keys[..]), ("", "x"), "{}", text(report));
        // Nor does the answer to another question let it in.
        let (_, _, inside, keys) = heard(b"\x1b[16t", &[report, b"x"]);
        assert_eq!((&inside[..], &keys[..]), ("", "x"), "{}", text(report));
    }
}

#[test]
fn an_answer_counts_once_and_ends_the_wait_for_those_before_it() {
    let (_, _, inside, _) = heard(b"\x1b[6n", &[b"\x1b[5;5R\x1b[6;6R"]);
    assert_eq!(inside, text(b"\x1b[5;5R"));
    // The terminal does not know the keyboard protocol; its attributes tell.
    let (_, _, inside, _) = heard(b"\x1b[?u\x1b[c", &[b"\x1b[?6c", b"\x1b[?1u"]);
    assert_eq!(inside, text(b"\x1b[?62;22c"));
}

#[test]
fn an_answer_may_come_in_pieces() {
    for (asked, _, answer, told) in ASKED {
        for at in 2..answer.len() {
            let (first, second) = answer.as_bytes().split_at(at);
            // Escape alone is a key.
            if first.ends_with(b"\x1b") && !second.starts_with(b"\\") {
                continue;
            }
            let (_, _, inside, keys) = heard(asked.as_bytes(), &[first, second]);
            assert_eq!((inside, keys), (text(told.as_bytes()), String::new()), "{asked:?} at {at}");
        }
    }
}

#[test]
fn keys_are_keys() {
    let keys: [&[u8]; 19] = [
        b"plain \xc3\xa9\r\x03\x7f",
        b"\x1b",
        b"\x1b\x1b",
        b"\x1b[A",
        b"\x1bOP",
        b"\x1b[1;5C",
        b"\x1b[3~",
        b"\x1b[200~pasted\x1b[201~",
        b"\x1b[97;5u",
        b"\x1b[97:65;2;97u",
        b"\x1b[<0;10;10M",
        b"\x1b[M !!",
        b"\x1b[I",
        b"\x1b[O",
        b"\x1b[1;2R",
        b"\x1b[c",
        b"\x1b[",
        b"\x1b]",
        b"\x1bP",
    ];
    for typed in keys {
        let (_, _, inside, passed) = heard(b"", &[typed]);
        assert_eq!((inside, passed), (String::new(), text(typed)));
        // Also while an answer is awaited: at once, or with the next key.
        let (_, _, inside, passed) = heard(b"\x1b[16t\x1b]11;?\x07", &[typed, b"\r"]);
        assert_eq!((inside, passed), (String::new(), text(&[typed, b"\r"].concat())));
    }
    let (_, _, _, escape) = heard(b"\x1b[6n", &[b"\x1b"]);
    assert_eq!(escape, text(b"\x1b"), "Escape is never kept waiting");
}

#[test]
fn name_and_unknown_modes_are_answered_by_us() {
    let (screen, told, ..) = heard(b"\x1b[>q\x1b[>0q", &[]);
    assert_eq!((screen, told), (String::new(), text(b"\x1bP>|bailiwick\x1b\\\x1bP>|bailiwick\x1b\\")));
    let (screen, told, ..) = heard(b"\x1b[?69$p\x1b[?9001$p", &[]);
    assert_eq!((screen, told), (String::new(), text(b"\x1b[?69;0$y\x1b[?9001;0$y")));
}

#[test]
fn questions_without_end_are_not_all_asked() {
    let (screen, ..) = heard(&b"\x1b[6n".repeat(100_000), &[]);
    assert_eq!(screen.matches("6n").count(), 64);
}
