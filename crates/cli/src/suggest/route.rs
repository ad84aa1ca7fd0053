//! From a path to a pattern that takes it, and no more than it says it takes.

use super::words;

/// Digits that make a hexadecimal segment a digest, at the least: those of MD5.
const DIGEST: usize = 32;

/// A pattern, and what in it stands for more than was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Generalised {
    pub(super) pattern: String,
    pub(super) notes: Vec<String>,
}

/// The pattern for `path`, canonical and percent-encoded. `None` where its characters cannot be written so that they are read in one way
/// only.
pub(super) fn generalise(path: &str) -> Option<Generalised> {
    let mut found = Generalised { pattern: String::new(), notes: Vec::new() };
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let last = segments.len() - 1;
    for (at, segment) in segments.into_iter().enumerate() {
        let odd =
            !words::is_plain(segment) || segment.contains(['{', '}', '*', '?', '#', '%', '\\', '"', '\'']);
        if odd || (segment.is_empty() && at != last) || matches!(segment, "." | "..") {
            return None;
        }
        found.pattern.push('/');
        match kind(segment) {
            None => found.pattern.push_str(segment),
            Some((kind, what)) => {
                found.pattern.push_str(&format!("{{s{at}:{kind}}}"));
                found.notes.push(format!("`{segment}` stands for any {what}"));
            }
        }
    }
    Some(found)
}

/// The kind of capture that takes what is counted or computed, and never a name.
fn kind(segment: &str) -> Option<(&'static str, &'static str)> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(segment) && segment.len() <= 18 && (segment == "0" || !segment.starts_with('0')) {
        return Some(("int", "number"));
    }
    let digest = segment.len() >= DIGEST && segment.bytes().all(|byte| byte.is_ascii_hexdigit());
    digest.then_some(("hex", "digest"))
}
