//! A second reader of what the filter wrote, which shares nothing with it: every byte must belong to a form that is listed here.

/// Final bytes without a marker, with intermediates before them.
const PLAIN: [&str; 33] = [
    "@", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "P", "S", "T", "X", "Z", "`", "a",
    "b", "c", "d", "e", "f", "h", "l", "m", "n", "r", "t", " q",
];
const MODES: [u16; 19] =
    [1, 5, 7, 12, 25, 47, 1000, 1002, 1003, 1004, 1006, 1007, 1016, 1047, 1048, 1049, 2004, 2026, 2027];

/// What is wrong with `screen`, if anything.
pub(super) fn fault(screen: &[u8]) -> Option<String> {
    let Ok(text) = std::str::from_utf8(screen) else { return Some("not UTF-8".into()) };
    let mut left = text;
    while let Some(first) = left.chars().next() {
        let length = match first {
            '\u{1b}' => match escape(left) {
                Ok(length) => length,
                Err(what) => return Some(format!("{what}: {:?}", left.chars().take(40).collect::<String>())),
            },
            '\u{7}'..='\u{f}' => 1,
            c if c.is_control() => return Some(format!("control {c:?}")),
            c => c.len_utf8(),
        };
        left = &left[length..];
    }
    None
}

fn escape(text: &str) -> Result<usize, &'static str> {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        Some(b'7' | b'8' | b'D' | b'E' | b'M' | b'=' | b'>') => Ok(2),
        Some(b'(' | b')') if matches!(bytes.get(2), Some(b'0' | b'A' | b'B')) => Ok(3),
        Some(b'[') => csi(&text[2..]).map(|length| length + 2),
        Some(b']') => {
            let length = text.find("\u{1b}\\").ok_or("no end")?;
            let body = &text[2..length];
            if body.chars().any(char::is_control) {
                return Err("a control in a string");
            }
            command(body).map(|()| length + 2)
        }
        _ => Err("unknown escape"),
    }
}

fn csi(text: &str) -> Result<usize, &'static str> {
    let end = text.find(|c: char| matches!(c, '@'..='~')).ok_or("no final byte")? + 1;
    let body = &text[..end];
    let (marker, body) = match body.chars().next() {
        Some(c @ ('?' | '>' | '<' | '=')) => (Some(c), &body[1..]),
        _ => (None, body),
    };
    let digits = body.find(|c: char| !matches!(c, '0'..='9' | ';' | ':')).unwrap_or_default();
    let (numbers, ends) = body.split_at(digits);
    if numbers.contains(':') && (marker, ends) != (None, "m") {
        return Err("parts of a number");
    }
    let values = numbers.split([';', ':']).map(|number| match number {
        "" => Ok(0),
        number if number.len() > 1 && number.starts_with('0') => Err("leading zero"),
        number => number.parse::<u16>().map_err(|_| "not a number"),
    });
    let values: Vec<u16> = values.collect::<Result<_, _>>()?;
    if ends != "m" && values.iter().any(|value| *value > 9999) {
        return Err("a large number");
    }
    let known = match (marker, ends, &values[..]) {
        (None, "s" | "u", [0]) => numbers.is_empty(),
        (None, "t", [22 | 23, 0] | [14 | 16 | 18])
        | (None, "n", [5 | 6])
        | (None | Some('>'), "c", [0])
        | (Some('?'), "u", [0])
        | (Some('?'), "n", [6]) => true,
        (None, "t" | "n" | "c", _) => false,
        (None, "h" | "l", modes) => modes == [4],
        (None, " q", [style]) => *style <= 6,
        (None, "J" | "K", [what]) => *what <= 3,
        (None, "T", values) => values.len() == 1,
        (None, ends, values) => PLAIN.contains(&ends) && (ends == "m" || values.len() <= 2),
        (Some('?'), "h" | "l", [mode]) | (Some('?'), "$p", [mode]) => MODES.contains(mode),
        (Some('>' | '<'), "u", [flags]) | (Some('='), "u", [flags, 1]) => *flags <= 31,
        (Some('>'), "m", [4, how]) => *how <= 2,
        _ => false,
    };
    if known { Ok(end) } else { Err("unknown control sequence") }
}

fn command(body: &str) -> Result<(), &'static str> {
    let (which, rest) = body.split_once(';').ok_or("a command without a part")?;
    let known = match which {
        "0" | "1" | "2" => true,
        "8" => rest == ";" || rest.split_once(';').is_some_and(|(_, address)| is_web(address)),
        "9" => rest.starts_with("4;") || !rest.starts_with(|c: char| c.is_ascii_digit()),
        "777" => rest.starts_with("notify;"),
        "10" | "11" | "12" => rest == "?",
        _ => false,
    };
    if known { Ok(()) } else { Err("unknown command") }
}

fn is_web(address: &str) -> bool {
    let scheme = address.split(':').next().unwrap_or_default().to_ascii_lowercase();
    matches!(&scheme[..], "http" | "https") && !address.contains(' ') && address.is_ascii()
}

#[test]
fn the_judge_knows_what_is_forbidden() {
    for bad in [
        &b"\x1b]52;c;aGk=\x1b\\"[..],
        b"\x1b[21t",
        b"\x1bP$qm\x1b\\",
        b"\x1b[i",
        b"\x9b31m",
        "\u{9b}31m".as_bytes(),
        b"\x05",
        b"\x1b[?69h",
        b"\x1b[1;2s",
        b"\x1b]8;;file:///etc/passwd\x1b\\",
        b"\x1b]0;a\x07",
        b"\x1b[007H",
        b"\x1b[",
        b"\x1b",
        b"\x1b[8;1;1t",
        b"\x7f",
        b"\x1b]9;6;x\x1b\\",
    ] {
        assert!(fault(bad).is_some(), "{}", super::text(bad));
    }
    assert_eq!(fault("plain é\r\n\x1b[1;31m\x1b[4:3mx\x1b[m\x1b]0;t\x1b\\".as_bytes()), None);
}
