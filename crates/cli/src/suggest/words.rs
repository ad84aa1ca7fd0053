//! How words of an agent's are written into files and shown to people.

/// Characters of a text that are shown.
const SHOWN: usize = 240;

/// Whether `text` is printable ASCII without spaces: what can be read on a screen in one way only.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The text for a comment or a message: one line of printable ASCII, cut.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(escaped).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

fn escaped(c: char) -> Box<dyn Iterator<Item = char>> {
    if c.is_ascii_graphic() || c == ' ' { Box::new(std::iter::once(c)) } else { Box::new(c.escape_unicode()) }
}

/// A basic string of TOML: the quotes, and everything but printable ASCII escaped.
pub(super) fn toml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_graphic() || c == ' ' => quoted.push(c),
            c => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// A string of Cedar, likewise.
pub(super) fn cedar(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_graphic() || c == ' ' => quoted.push(c),
            c => quoted.extend(c.escape_unicode()),
        }
    }
    quoted.push('"');
    quoted
}

/// `once`, or how many times.
pub(super) fn times(times: u64) -> String {
    if times == 1 { "once".to_owned() } else { format!("{times} times") }
}
