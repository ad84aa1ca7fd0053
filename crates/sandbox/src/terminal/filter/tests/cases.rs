//! Case by case.

use super::judge::fault;
use super::{filtered, filtered_in, text};

/// What is written, what the terminal sees of it.
const PASSED: &[(&str, &str)] = &[
    // Text and controls.
    ("plain é 漢 🙂\r\n\tx\x08\x07", "plain é 漢 🙂\r\n\tx\x08\x07"),
    // Style, cursor, erasing, margins.
    ("\x1b[m\x1b[0m\x1b[01;031m", "\x1b[m\x1b[m\x1b[1;31m"),
    (
        "\x1b[38;2;1;2;3m\x1b[48:2::9:8:7m\x1b[4:3m\x1b[58;5;1m",
        "\x1b[38;2;1;2;3m\x1b[48:2:0:9:8:7m\x1b[4:3m\x1b[58;5;1m",
    ),
    (
        "\x1b[H\x1b[1;2H\x1b[;5H\x1b[3A\x1b[G\x1b[7d\x1b[2`",
        "\x1b[H\x1b[1;2H\x1b[0;5H\x1b[3A\x1b[G\x1b[7d\x1b[2`",
    ),
    (
        "\x1b[J\x1b[2J\x1b[3J\x1b[1K\x1b[4X\x1b[2P\x1b[@\x1b[L\x1b[M",
        "\x1b[J\x1b[2J\x1b[3J\x1b[1K\x1b[4X\x1b[2P\x1b[@\x1b[L\x1b[M",
    ),
    ("\x1b[2;10r\x1b[S\x1b[2T\x1bM\x1bD\x1bE\x1b[r", "\x1b[2;10r\x1b[S\x1b[2T\x1bM\x1bD\x1bE\x1b[r"),
    ("\x1b7\x1b8\x1b[s\x1b[u", "\x1b7\x1b8\x1b[s\x1b[u"),
    // Modes, each by itself.
    (
        "\x1b[?1049h\x1b[?25l\x1b[?1000;1006h\x1b[?2004h",
        "\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[?1006h\x1b[?2004h",
    ),
    ("\x1b[?2026h\x1b[?2026l\x1b[4h\x1b=\x1b>", "\x1b[?2026h\x1b[?2026l\x1b[4h\x1b=\x1b>"),
    ("\x1b(0lqk\x1b(B\x0e\x0f", "\x1b(0lqk\x1b(B\x0e\x0f"),
    ("\x1b[5 q\x1b[0 q\x1b[ q", "\x1b[5 q\x1b[0 q\x1b[0 q"),
    // Keyboard.
    ("\x1b[>7u\x1b[=5;1u\x1b[=2;2u\x1b[<u", "\x1b[>7u\x1b[=5;1u\x1b[=7;1u\x1b[<1u"),
    ("\x1b[>4;2m\x1b[>4m", "\x1b[>4;2m\x1b[>4;0m"),
    // Titles, notifications, progress, links.
    ("\x1b]0;title\x07\x1b]2;other\x1b\\", "\x1b[22;0t\x1b]0;title\x1b\\\x1b]2;other\x1b\\"),
    ("\x1b]2;a;b\x07", "\x1b[22;0t\x1b]2;a;b\x1b\\"),
    (
        "\x1b]9;done\x07\x1b]9;4;1;50\x07\x1b]777;notify;a;b\x07",
        "\x1b]9;done\x1b\\\x1b]9;4;1;50\x1b\\\x1b]777;notify;a;b\x1b\\",
    ),
    (
        "\x1b]8;id=a1:x=y;https://example.com/?a;b\x07x\x1b]8;;\x07",
        "\x1b]8;id=a1;https://example.com/?a;b\x1b\\x\x1b]8;;\x1b\\",
    ),
];

/// What is written, what is left of it.
const DROPPED: &[(&[u8], &str)] = &[
    // Clipboard, reports of attacker text, answerback.
    (b"a\x1b]52;c;aGVsbG8=\x07b\x1b]52;c;?\x1b\\c", "abc"),
    (b"a\x1b[21t\x1b[20tb\x05c", "abc"),
    (b"a\x1bP$qm\x1b\\b\x1bP+q544e\x1b\\c", "abc"),
    (b"a\x1b[1;1;1;1;1;1*yb\x1b[xc\x1b[=cd", "abcd"),
    (b"a\x1b]4;1;?\x07b\x1b]10;#000000\x07c\x1b]11;?;?\x07d", "abcd"),
    // Strings of every kind, and their ends.
    (b"a\x1b_Gi=1;AAAA\x1b\\b\x1b^pm\x1b\\c\x1bXsos\x1b\\d\x1bPq#0~\x1b\\e", "abcde"),
    (b"a\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\b", "ab"),
    // Key definitions, fonts, files, shell marks, working directory, palette, pointer.
    (
        b"a\x1bP0;0|17/0d\x1b\\b\x1b]50;x\x07c\x1b]1337;File=:AA\x07d\x1b]133;A\x07e\x1b]7;file:///\x07f",
        "abcdef",
    ),
    (b"a\x1b]633;E;rm\x07b\x1b]104\x07c\x1b]22;hand\x07d\x1b]66;s=2;x\x07e\x1b]99;;x\x07f", "abcdef"),
    // Printing, windows, columns, charsets, levels, tabs, double height, locks.
    (b"a\x1b[5ib\x1b[?4ic\x1b[8;50;50td\x1b[3;0;0te\x1b[2tf", "abcdef"),
    (b"a\x1b[?3hb\x1b[?69hc\x1b[1;2sd\x1b[?6he\x1b[2hf\x1b[12hg\x1b[20hh", "abcdefgh"),
    (b"a\x1b%@b\x1b G c\x1b[61;1\"pd\x1bHe\x1b#3f\x1b#8g\x1b(Kh\x1bni", "ab cdefghi"),
    (b"a\x1b[?1001hb\x1b[?9hc\x1b[?9001hd\x1b[?1005;1015he\x1b[1;1;1;1;1Tf", "abcdef"),
    (b"a\x1b[?1049sb\x1b[?1049rc\x1b[>1td\x1b[1;2'ze\x1b[1'|f\x1b[>4;1fg", "abcdefg"),
    // Links elsewhere, and a link that ends the one before.
    (
        b"\x1b]8;;file:///etc/passwd\x07a\x1b]8;;vscode://x\x07b\x1b]8;;javascript:x\x07c\x1b]8;;http:x\x07d",
        "abcd",
    ),
    // ConEmu's commands behind a digit.
    (b"a\x1b]9;6;macro\x07b\x1b]9;2;text\x07c\x1b]9;7;cmd\x07d\x1b]9;12\x07e\x1b]777;preexec\x07f", "abcdef"),
    // Eight-bit controls, alone and as UTF-8; invalid UTF-8.
    (b"a\x9b31mb", "a\u{fffd}31mb"),
    (b"a\xc2\x9b31mb\xc2\x9d0;x\xc2\x9cc", "a31mb0;xc"),
    (b"a\x90q\x9cb\x85c", "a\u{fffd}q\u{fffd}b\u{fffd}c"),
    (b"a\xff\xfe\xc3(b\xe2\x82", "a\u{fffd}\u{fffd}\u{fffd}(b"),
    // Controls without a picture.
    (b"a\x00\x01\x02\x03\x04\x06\x10\x11\x13\x18\x1a\x1c\x7fb", "ab"),
    // Too many parameters, parts where there are none, unknown finals.
    (
        b"a\x1b[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23;24;25;26;27;28;29;30;31;32;33mb",
        "ab",
    ),
    (b"a\x1b[1:2Hb\x1b[1;2;3Hc\x1b[5Jd\x1b[9;3re\x1b[7 qf\x1b[{g", "abcdefg"),
    // Pops of what the program never pushed.
    (b"a\x1b[<u\x1b[<99ub\x1b[23tc", "abc"),
    // An interrupted sequence gives way to the one that interrupts it.
    (b"\x1b[31\x1b[Ha\x1b]52;c;aGk\x1b[Hb\x1b[3\x18c", "\x1b[Ha\x1b[Hbc"),
    (b"\x1b[3\n1m", "\n\x1b[31m"),
];

#[test]
fn what_is_on_the_list_passes_in_canonical_form() {
    for (written, expected) in PASSED {
        let (screen, inside) = filtered(written.as_bytes());
        assert_eq!(text(&screen), text(expected.as_bytes()), "{}", text(written.as_bytes()));
        assert_eq!(text(&inside), "");
        assert_eq!(fault(&screen), None);
    }
}

#[test]
fn what_is_not_on_the_list_is_dropped() {
    for (written, expected) in DROPPED {
        let (screen, inside) = filtered(written);
        assert_eq!(text(&screen), text(expected.as_bytes()), "{}", text(written));
        assert_eq!(text(&inside), "", "{}", text(written));
        assert_eq!(fault(&screen), None);
    }
}

#[test]
fn nothing_changes_when_a_sequence_is_split_at_any_byte() {
    let passed = PASSED.iter().map(|(written, _)| written.as_bytes());
    for written in passed.chain(DROPPED.iter().map(|(written, _)| *written)) {
        let whole = filtered(written);
        for at in 0..written.len() {
            let (first, second) = written.split_at(at);
            assert_eq!(filtered_in(&[first, second]), whole, "{} at {at}", text(written));
        }
        let bytes: Vec<&[u8]> = written.chunks(1).collect();
        assert_eq!(filtered_in(&bytes), whole, "{}", text(written));
    }
}

#[test]
fn a_title_shows_what_it_says() {
    let (screen, _) = filtered("\x1b]0;a\u{202e}b\u{200b}c\u{9c}d\x01e\x07".as_bytes());
    assert_eq!(text(&screen), text(b"\x1b[22;0t\x1b]0;abcde\x1b\\"));
    let (screen, _) = filtered(b"\x1b]0;\xffa\x07");
    assert_eq!(text(&screen), text("\x1b[22;0t\x1b]0;\u{fffd}a\x1b\\".as_bytes()));
    let long = format!("\x1b]0;{}\x07", "x".repeat(2000));
    assert_eq!(filtered(long.as_bytes()).0.len(), b"\x1b[22;0t\x1b]0;\x1b\\".len() + 256);
}

#[test]
fn a_string_without_end_takes_no_memory_and_text_comes_back_after_it() {
    for start in ["\x1b]0;", "\x1b]52;c;", "\x1bP", "\x1bPq", "\x1b_G", "\x1bX", "\x1b^", "\x1b["] {
        let mut written = start.as_bytes().to_vec();
        written.resize(5_000_000, b'1');
        written.extend_from_slice(b"\x1b\\after");
        let (screen, inside) = filtered(&written);
        assert_eq!((text(&screen), text(&inside)), ("after".into(), String::new()), "{start:?}");
    }
}

#[test]
fn large_numbers_are_made_small() {
    assert_eq!(text(&filtered(b"\x1b[99999999999;70000H\x1b[65535b").0), text(b"\x1b[9999;9999H\x1b[9999b"));
}
