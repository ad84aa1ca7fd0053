use std::sync::Arc;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::{Patterns, Scrubber, reading::LONGEST};
use crate::Secret;

fn secret(bytes: &[u8]) -> Secret {
    Secret::new(bytes.to_vec()).unwrap()
}

fn patterns(bytes: &[u8]) -> Arc<Patterns> {
    Arc::new(Patterns::new([&secret(bytes)]))
}

fn scrub(patterns: &Arc<Patterns>, chunks: &[&[u8]]) -> (Vec<u8>, u64) {
    let mut scrubber = Scrubber::new(Arc::clone(patterns));
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&scrubber.feed(Bytes::copy_from_slice(chunk)));
    }
    out.extend_from_slice(&scrubber.finish());
    (out, scrubber.hits())
}

/// Checks that exactly `encoded` is overwritten in `before encoded after`, whole, byte by byte, and split in two anywhere.
fn check(patterns: &Arc<Patterns>, before: &[u8], encoded: &[u8], after: &[u8]) {
    let input = [before, encoded, after].concat();
    let expected = [before, &vec![b'*'; encoded.len()], after].concat();
    let same = |chunks: &[&[u8]], how: &str| {
        let (out, hits) = scrub(patterns, chunks);
        assert_eq!(
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&expected),
            "{how}: {}",
            String::from_utf8_lossy(&input)
        );
        assert!(hits >= 1, "{how}");
    };
    same(&[&input], "whole");
    same(&input.chunks(1).collect::<Vec<_>>(), "byte by byte");
    for at in 0..=input.len() {
        let (head, tail) = input.split_at(at);
        same(&[head, tail], "split");
    }
}

const SECRETS: [&[u8]; 8] = [
    "é-MARKER-1234".as_bytes(),
    "🔑\u{a0}MARKER-1234".as_bytes(),
    b"ghp_MARKERabcDEF0123456789xyz",
    b"MARKER p@ss/w\"rd\\&<>'%41+=\t\n.",
    "MARKER-gëhéim-密碼-🔑-\u{7f}".as_bytes(),
    b"\x00\x01\xfe\xffMARKER\x80\xc3\xa9\xc2",
    b"%25%%&&amp;\\\\u0041",
    b"123456:AAMARKER-telegram_bot",
];

type Escape = fn(u8) -> Vec<u8>;

fn html_named(byte: u8) -> Vec<u8> {
    match byte {
        b'&' => b"&amp;".to_vec(),
        b'<' => b"&lt;".to_vec(),
        b'>' => b"&gt;".to_vec(),
        b'"' => b"&quot;".to_vec(),
        b'\'' => b"&apos;".to_vec(),
        other => format!("&#{other};").into_bytes(),
    }
}

fn program(byte: u8) -> Vec<u8> {
    match byte {
        b'\n' => br"\n".to_vec(),
        b'\t' => br"\t".to_vec(),
        mark if mark.is_ascii_punctuation() => vec![b'\\', mark],
        other => format!("\\x{other:02x}").into_bytes(),
    }
}

/// Ways to write one byte, each complete in itself.
const ESCAPES: [Escape; 14] = [
    |byte| vec![byte],
    |byte| format!("%{byte:02x}").into_bytes(),
    |byte| format!("%{byte:02X}").into_bytes(),
    |byte| format!("%25{byte:02X}").into_bytes(),
    |byte| format!("%2525{byte:02x}").into_bytes(),
    |byte| format!("\\u{byte:04x}").into_bytes(),
    |byte| format!("\\\\u{byte:04X}").into_bytes(),
    |byte| format!("\\\\\\\\u{byte:04X}").into_bytes(),
    |byte| format!("&#{byte};").into_bytes(),
    |byte| format!("&#x{byte:X};").into_bytes(),
    |byte| format!("&amp;#x{byte:04x};").into_bytes(),
    html_named,
    program,
    |byte| char::from(byte).to_string().into_bytes(),
];

#[test]
fn finds_each_escape_of_every_byte_in_each_of_the_first_places() {
    for value in 0..=u8::MAX {
        for place in 0..4 {
            let mut bytes = b"gMARKER0x".to_vec();
            bytes[place] = value;
            let patterns = patterns(&bytes);
            for escape in ESCAPES {
                let encoded = [&bytes[..place], &escape(value), &bytes[place + 1..]].concat();
                let input = [b"(", &encoded[..], b")"].concat();
                let (out, _) = scrub(&patterns, &[&input]);
                let expected = [b"(", &vec![b'*'; encoded.len()][..], b")"].concat();
                assert_eq!(out, expected, "{value:#x} at {place}: {}", String::from_utf8_lossy(&input));
            }
        }
    }
}

#[test]
fn finds_every_escape_at_every_split() {
    for bytes in SECRETS {
        let patterns = patterns(bytes);
        for escape in ESCAPES {
            check(&patterns, b"(", &bytes.iter().copied().flat_map(escape).collect::<Vec<_>>(), b")");
        }
    }
}

#[test]
fn finds_text_escaped_by_character() {
    for bytes in SECRETS {
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        let patterns = patterns(bytes);
        let mut units = [0; 2];
        let ascii_json: String = text
            .chars()
            .flat_map(|c| {
                c.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04x}")).collect::<Vec<_>>()
            })
            .collect();
        check(&patterns, b"\"", ascii_json.as_bytes(), b"\"");
        let references: String = text.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect();
        check(&patterns, b"<b>", references.as_bytes(), b"</b>");
    }
}

#[test]
fn finds_what_real_encoders_write() {
    for bytes in SECRETS {
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        let patterns = patterns(bytes);
        let once = serde_json::to_string(text).unwrap();
        let twice = serde_json::to_string(&once).unwrap();
        check(&patterns, b"{\"x\":\"", &once.as_bytes()[1..once.len() - 1], b"\"}");
        // `"\"` and `\""` around it stay.
        check(&patterns, b"\"\\\"", &twice.as_bytes()[3..twice.len() - 3], b"\\\"\"");
        let thrice = serde_json::to_string(&twice).unwrap();
        check(&patterns, b"\"\\\"\\\\\\\"", &thrice.as_bytes()[7..thrice.len() - 7], b"\\\\\\\"\\\"\"");
        let form = percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC).to_string();
        check(&patterns, b"?q=", form.replace("%20", "+").as_bytes(), b"&r=1");
    }
}

#[test]
fn finds_hexadecimal_in_all_its_dresses() {
    for bytes in SECRETS {
        let patterns = patterns(bytes);
        let pairs =
            |separator: &str| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(separator);
        for separator in ["", ":", " ", "-"] {
            check(&patterns, b"[", pairs(separator).as_bytes(), b"]");
        }
        check(&patterns, b"[", hex::encode_upper(bytes).as_bytes(), b"]");
    }
}

#[test]
fn finds_utf_16() {
    let bytes = SECRETS[2];
    let wide: Vec<u8> = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
    check(&patterns(bytes), b"(\0", &wide[..wide.len() - 1], b"\0)\0");
}

#[test]
fn finds_base64_at_every_alignment_in_both_alphabets() {
    for bytes in SECRETS {
        let patterns = patterns(bytes);
        for before in 0..7 {
            for after in 0..4 {
                let plain = [&b"user-x:"[..before], bytes, &b"tail"[..after]].concat();
                // The letters that hold nothing but the secret's bits, and the one that holds its last.
                let first = (before * 8).div_ceil(6);
                let last = ((before + bytes.len()) * 8).div_ceil(6);
                for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                    let text = engine.encode(&plain);
                    let text = text.as_bytes();
                    check(&patterns, &text[..first], &text[first..last], &text[last..]);
                }
            }
        }
    }
}

#[test]
fn finds_base64_in_lines_and_percent_encoded() {
    let bytes: Vec<u8> = (0..120u32).map(|i| b'!' + (i * 37 % 90) as u8).collect();
    let patterns = patterns(&bytes);
    let text = STANDARD_NO_PAD.encode(&bytes);
    for width in [64, 76] {
        for line_break in ["\n", "\r\n", "\\n", "\\r\\n", "%0D%0A", "&#10;"] {
            let lines: Vec<&str> =
                text.as_bytes().chunks(width).map(|l| std::str::from_utf8(l).unwrap()).collect();
            check(&patterns, b"\n", lines.join(line_break).as_bytes(), b"==\n");
        }
    }
    let escaped = text.replace('+', "%2B").replace('/', "%2F");
    check(&patterns, b"?a=", escaped.as_bytes(), b"%3D");
}

#[test]
fn a_clean_chunk_is_passed_on_without_a_copy() {
    let mut scrubber = Scrubber::new(patterns(SECRETS[2]));
    let chunk = Bytes::from(vec![b'x'; 4096]);
    let out = scrubber.feed(chunk.clone());
    assert_eq!(out.as_ptr(), chunk.as_ptr());
    assert_eq!(out.len(), chunk.len());
}

#[test]
fn an_event_is_not_held_back() {
    let mut scrubber = Scrubber::new(patterns(SECRETS[2]));
    for event in ["data: {\"a\": \"100% \\u00e9 &amp; g\"}\n\n", ": ping\n\n", "{\"big\":\"gh\"}\n"] {
        assert_eq!(scrubber.feed(Bytes::from(event)), event);
    }
    assert_eq!(scrubber.feed(Bytes::from("data: ghp_MAR")), "data: ");
    assert_eq!(scrubber.feed(Bytes::from("X\n\n")), "ghp_MARX\n\n");
}

#[test]
fn overlapping_occurrences_are_overwritten_to_the_end() {
    let patterns = patterns(b"abcdabcdabcd");
    let text = b"xabcdabcdabcdabcdabcdx";
    let (out, hits) = scrub(&patterns, &[text]);
    assert_eq!(String::from_utf8_lossy(&out), "x********************x");
    assert_eq!(hits, 3);
    for at in 0..text.len() {
        assert_eq!(scrub(&patterns, &[&text[..at], &text[at..]]).0, out, "split at {at}");
    }
}

#[test]
fn several_secrets_are_found_together() {
    let (one, two) = (secret(b"MARKER-one-1"), secret(b"MARKER-two-2"));
    let patterns = Arc::new(Patterns::new([&one, &two]));
    let (out, hits) = scrub(&patterns, &[b"a MARKER-one-1 b MARKER-two", b"-2 c"]);
    assert_eq!((String::from_utf8_lossy(&out).as_ref(), hits), ("a ************ b ************ c", 2));
}

#[test]
fn an_end_in_the_second_half_counts_and_an_earlier_one_does_not() {
    let patterns = patterns(b"sk-ant-MARKER-0123456789");
    let cut_off = |text: &[u8]| String::from_utf8(scrub(&patterns, &[text]).0).unwrap();
    assert_eq!(cut_off(b"key: sk-ant-MARKER-0123"), "key: ******************");
    assert_eq!(cut_off(b"key: sk-ant-MAR"), "key: sk-ant-MAR");
}

#[test]
fn what_is_held_is_bounded_under_floods() {
    let bytes = SECRETS[3];
    let bound = bytes.len() * 3 * LONGEST + LONGEST;
    for flood in ["\\", "%25", "%2525", "&amp;", "&#0", "&#x", "\\ud83d", "&", "%", "MARKER p"] {
        let mut scrubber = Scrubber::new(patterns(bytes));
        for _ in 0..20_000 {
            scrubber.feed(Bytes::from(flood));
            assert!(scrubber.held.len() <= bound, "{flood}: {} held", scrubber.held.len());
        }
    }
}

#[test]
fn ways_to_read_one_place_do_not_multiply() {
    for repeated in ["\\", "%25", "&amp;"] {
        let bytes = format!("{}MARK", repeated.repeat(20));
        let patterns = patterns(bytes.as_bytes());
        let (out, hits) = scrub(&patterns, &[repeated.repeat(100).as_bytes(), b"MARK"]);
        assert!(hits > 0);
        assert!(!String::from_utf8(out).unwrap().contains(&bytes));
    }
}

#[test]
fn heads_are_scrubbed_in_values_and_names() {
    let patterns = patterns(b"ghp-MARKER-0123");
    let mut headers = HeaderMap::new();
    headers.insert("location", HeaderValue::from_static("/x?token=ghp%2dMARKER-0123&y"));
    headers.append("x-echo", HeaderValue::from_static("clean"));
    headers.append("x-echo", HeaderValue::from_static("Basic dTpnaHAtTUFSS0VSLTAxMjM="));
    headers.insert(HeaderName::from_static("x-ghp-marker-0123"), HeaderValue::from_static("1"));
    assert_eq!(patterns.scrub_headers(&mut headers), 3);
    assert_eq!(headers["location"], "/x?token=*****************&y");
    let echoes: Vec<_> = headers.get_all("x-echo").iter().collect();
    assert_eq!(echoes, ["clean", "Basic dTp********************="]);
    assert!(!headers.contains_key("x-ghp-marker-0123"));
}

fn any_secret() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 8..40),
        "[a-zA-Z0-9_-]{8,60}".prop_map(String::into_bytes),
        "[ -~]{8,40}".prop_map(String::into_bytes),
        r#"[%\\&+/="'<>uxa0-9;#]{8,30}"#.prop_map(String::into_bytes),
        "\\PC{8,20}".prop_map(String::into_bytes),
    ]
    .prop_filter("a secret that is kept", |bytes| Secret::new(bytes.clone()).is_ok())
}

fn cut<'a>(input: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = input;
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle().take(input.len() + 1) {
        let (head, tail) = rest.split_at(rest.len().min(*size));
        chunks.push(head);
        rest = tail;
    }
    chunks.push(rest);
    chunks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A secret whose every byte is escaped in its own way, among escapes, in any chunks.
    #[test]
    fn no_mixture_of_escapes_comes_through(
        bytes in any_secret(),
        choices in proptest::collection::vec(0..ESCAPES.len(), 40),
        noise in "([~^!]|%7E|\\\\u007e|&#126;|&|%|\\\\[~^]){0,12}",
        sizes in proptest::collection::vec(1usize..9, 1..6),
    ) {
        let patterns = patterns(&bytes);
        let encoded: Vec<u8> = bytes.iter().zip(choices.iter().cycle()).flat_map(|(b, i)| ESCAPES[*i](*b)).collect();
        let before = [noise.as_bytes(), b"\x02"].concat();
        let after = [b"\x02", noise.as_bytes()].concat();
        let input = [&before[..], &encoded, &after].concat();
        let (whole, hits) = scrub(&patterns, &[&input]);
        prop_assert!(hits > 0);
        prop_assert_eq!(whole.len(), input.len());
        prop_assert!(whole[before.len()..before.len() + encoded.len()].iter().all(|b| *b == b'*'));
        if !bytes.contains(&2) && !bytes.iter().any(|b| b"~^!&%\\*".contains(b)) {
            prop_assert_eq!(&whole[..before.len()], &before[..]);
            prop_assert_eq!(&whole[before.len() + encoded.len()..], &after[..]);
        }
        prop_assert_eq!(scrub(&patterns, &cut(&input, &sizes)).0, whole);
    }

    /// Against a search that is too simple to be wrong, on texts full of beginnings and overlaps.
    #[test]
    fn agrees_with_a_naive_search(
        bytes in "[abcd]{8,12}",
        text in proptest::collection::vec(prop_oneof![Just(0usize), Just(1), Just(2), Just(3)], 0..60),
        sizes in proptest::collection::vec(1usize..30, 1..6),
    ) {
        prop_assume!(Secret::new(bytes.clone().into_bytes()).is_ok());
        let patterns = patterns(bytes.as_bytes());
        let pieces = [&bytes[..], &bytes[..bytes.len() / 2 - 1], &bytes[bytes.len() / 2..], "a"];
        let input: String = text.iter().map(|piece| pieces[*piece]).chain(["."]).collect();
        let mut expected = input.clone().into_bytes();
        for start in 0..input.len() {
            if input[start..].starts_with(&bytes) {
                expected[start..start + bytes.len()].fill(b'*');
            }
        }
        let (out, _) = scrub(&patterns, &cut(input.as_bytes(), &sizes));
        prop_assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(expected).unwrap());
    }

    /// Whatever comes, in whatever chunks: the same output, of the same length, and only asterisks differ.
    #[test]
    fn chunks_do_not_matter(
        bytes in any_secret(),
        pieces in proptest::collection::vec((0usize..ESCAPES.len(), any::<prop::sample::Index>(), 1usize..12), 0..30),
        sizes in proptest::collection::vec(0usize..20, 1..6),
    ) {
        prop_assume!(sizes.iter().any(|size| *size > 0));
        let patterns = patterns(&bytes);
        let input: Vec<u8> = pieces
            .iter()
            .flat_map(|(escape, start, length)| {
                let rest = &bytes[start.index(bytes.len())..];
                rest[..rest.len().min(*length)].iter().copied().flat_map(ESCAPES[*escape]).collect::<Vec<_>>()
            })
            .collect();
        let (whole, hits) = scrub(&patterns, &[&input]);
        prop_assert_eq!(scrub(&patterns, &cut(&input, &sizes)), (whole.clone(), hits));
        prop_assert_eq!(whole.len(), input.len());
        prop_assert!(whole.iter().zip(&input).all(|(out, was)| out == was || *out == b'*'));
    }
}
