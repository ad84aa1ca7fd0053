//! At random: bytes, fragments of sequences, and damaged transcripts.

use proptest::prelude::*;

use super::golden::TRANSCRIPTS;
use super::judge::fault;
use super::{filtered, filtered_in, text};

/// Pieces that make a sequence likely, and trouble likelier.
const FRAGMENTS: &[&[u8]] = &[
    b"\x1b",
    b"\x1b[",
    b"\x1b]",
    b"\x1bP",
    b"\x1b_",
    b"\x1b\\",
    b"\x07",
    b"\x18",
    b"\x9b",
    b"\xc2\x9b",
    b"\xe2\x82",
    b"\xf0\x9f\x99\x82",
    b"?",
    b">",
    b"<",
    b"=",
    b"!",
    b"$",
    b" ",
    b"\"",
    b"'",
    b"*",
    b"0",
    b"1",
    b"4",
    b"6",
    b"7",
    b"8",
    b"9",
    b"22",
    b"23",
    b"52",
    b"777",
    b"1049",
    b"47",
    b"2004",
    b"2026",
    b"65536",
    b";",
    b":",
    b"h",
    b"l",
    b"m",
    b"n",
    b"c",
    b"q",
    b"p",
    b"r",
    b"s",
    b"t",
    b"u",
    b"y",
    b"H",
    b"J",
    b"T",
    b"notify",
    b"id=a",
    b"https://x.example/",
    b"\n",
    b"x",
    b"\x1b[?1049h",
    b"\x1b[>7u",
    b"\x1b[=3;2u",
    b"\x1b[<u",
    b"\x1b[!p",
    b"\x1bc",
    b"\x1b]0;t\x07",
    b"\x1b]8;;http://y.example\x07",
    b"\x1b(0",
    b"\x0e",
];

fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        9 => proptest::sample::select(FRAGMENTS).prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(fragment, 0..60).prop_map(|pieces| pieces.concat())
}

/// A window of a transcript in which some bytes are others.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = proptest::collection::vec((any::<u16>(), any::<u8>()), 0..12);
    (0..TRANSCRIPTS.len(), any::<u32>(), damage).prop_map(|(which, from, damage)| {
        let transcript = TRANSCRIPTS[which];
        let from = from as usize % transcript.len();
        let mut window = transcript[from..transcript.len().min(from + 600)].to_vec();
        for (at, byte) in damage {
            let at = usize::from(at) % window.len();
            window[at] = byte;
        }
        window
    })
}

fn holds(written: &[u8], cut: usize) {
    let (screen, inside) = filtered(written);
    assert_eq!(fault(&screen), None, "{} became {}", text(written), text(&screen));
    let (first, second) = written.split_at(cut % (written.len() + 1));
    assert_eq!(
        filtered_in(&[first, second]),
        (screen.clone(), inside),
        "{} cut at {}",
        text(written),
        first.len()
    );
    assert_eq!(text(&filtered(&screen).0), text(&screen), "{} filtered twice", text(written));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_bytes_leave_only_what_is_listed(written in proptest::collection::vec(any::<u8>(), 0..200), cut in any::<usize>()) {
        holds(&written, cut);
    }

    #[test]
    fn any_fragments_leave_only_what_is_listed(written in fragments(), cut in any::<usize>()) {
        holds(&written, cut);
    }

    #[test]
    fn any_damage_leaves_only_what_is_listed(written in damaged(), cut in any::<usize>()) {
        holds(&written, cut);
    }
}
