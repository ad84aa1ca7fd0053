//! Words that may end in `*`.

/// Whether `text` is `word`, or starts with it up to its final `*`.
pub(crate) fn fits(word: &str, text: &str) -> bool {
    match word.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => word == text,
    }
}
