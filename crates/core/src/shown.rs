//! Showing text that an agent may have chosen, so that a person sees it and a terminal does not obey it.

/// `text` with every control, invisible or bidirectional character written out (`\u{202e}`), line ends too; whatever is printed is then
/// one line of what it seems to be.
pub fn shown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if matches!(c, '"' | '\'' | '\\') {
            shown.push(c);
        } else {
            // Escapes what is not printable by Unicode's tables: controls, formats, separators, private and unassigned characters, and
            // combining marks, which could be drawn over their neighbours.
            shown.extend(c.escape_debug());
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_obeyed_is_written_out() {
        assert_eq!(shown("a\u{1b}[2Jb\u{202e}c\u{200b}\r\n"), "a\\u{1b}[2Jb\\u{202e}c\\u{200b}\\r\\n");
        assert_eq!(shown("\u{9b}31m\u{e0041}\u{2066}"), "\\u{9b}31m\\u{e0041}\\u{2066}");
        assert_eq!(shown("Zoë wrote \"ja\" \\ 'nein' 日本"), "Zoë wrote \"ja\" \\ 'nein' 日本");
    }
}
