//! Git's configuration format, read as git reads it or not at all.
//!
//! Written here, not taken from a library: the question is not what a file means but whether git could see in it anything that we do
//! not. A file that is not plainly understood is refused whole. That this reader and git agree on everything that it accepts is tested
//! with git itself. The structure follows git's `config.c`, so that the two can be compared.

use std::ops::Range;

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its full name as git lists it: `section.subsection.key`, section and key in lower case.
    pub name: Vec<u8>,
    /// Its value; `None` where only the name stands, which means true.
    pub value: Option<Vec<u8>>,
    /// Where it stands: from the first byte of the key to the end of the value's line, without the line end.
    pub span: Range<usize>,
}

impl Entry {
    /// Section, subsection and key.
    pub(crate) fn parts(&self) -> (&[u8], Option<&[u8]>, &[u8]) {
        let first = self.name.iter().position(|byte| *byte == b'.').unwrap_or(self.name.len());
        let last = self.name.iter().rposition(|byte| *byte == b'.').unwrap_or(first);
        let key = self.name.get(last + 1..).unwrap_or_default();
        let subsection = (last > first).then(|| &self.name[first + 1..last]);
        (&self.name[..first], subsection, key)
    }
}

/// Reads a file. `None` if anything in it is not plainly a configuration.
pub fn parse(bytes: &[u8]) -> Option<Vec<Entry>> {
    // Nothing that git's own writer makes has these, and readers differ about them.
    let odd = |at: usize, byte: u8| match byte {
        b'\n' | b'\t' => false,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => byte < 0x20 || byte == 0x7f,
    };
    if bytes.iter().enumerate().any(|(at, byte)| odd(at, *byte)) || bytes.starts_with(b"\xef\xbb\xbf") {
        return None;
    }
    Reader { bytes, at: 0 }.file()
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    /// The next character; the end of the file counts as the end of a line.
    fn next(&mut self) -> u8 {
        if self.bytes.get(self.at..self.at + 2) == Some(b"\r\n") {
            self.at += 1;
        }
        let byte = self.bytes.get(self.at).copied().unwrap_or(b'\n');
        self.at += 1;
        byte
    }

    fn over(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn file(mut self) -> Option<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut section: Vec<u8> = Vec::new();
        let mut comment = false;
        while !self.over() {
            match self.next() {
                b'\n' => comment = false,
                _ if comment => {}
                byte if is_space(byte) => {}
                b'#' | b';' => comment = true,
                b'[' => section = self.header()?,
                byte if byte.is_ascii_alphabetic() && !section.is_empty() => {
                    entries.push(self.variable(&section, byte)?);
                }
                _ => return None,
            }
        }
        Some(entries)
    }

    /// `section]`, `section "subsection"]` or the old `section.subsection]`.
    fn header(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        loop {
            if self.over() {
                return None;
            }
            match self.next() {
                b']' => break,
                byte if is_space(byte) => {
                    self.subsection(byte, &mut name)?;
                    break;
                }
                byte if is_key(byte) || byte == b'.' => name.push(byte.to_ascii_lowercase()),
                _ => return None,
            }
        }
        name.first().is_some_and(u8::is_ascii_alphanumeric).then_some(name)
    }

    fn subsection(&mut self, mut byte: u8, name: &mut Vec<u8>) -> Option<()> {
        while is_space(byte) {
            if byte == b'\n' {
                return None;
            }
            byte = self.next();
        }
        if byte != b'"' {
            return None;
        }
        name.push(b'.');
        loop {
            match self.next() {
                b'\n' => return None,
                b'"' => break,
                b'\\' => match self.next() {
                    b'\n' => return None,
                    escaped => name.push(escaped),
                },
                byte => name.push(byte),
            }
        }
        (self.next() == b']').then_some(())
    }

    fn variable(&mut self, section: &[u8], first: u8) -> Option<Entry> {
        let start = self.at - 1;
        let mut name = section.to_vec();
        name.extend([b'.', first.to_ascii_lowercase()]);
        let mut byte = self.next();
        while is_key(byte) {
            name.push(byte.to_ascii_lowercase());
            byte = self.next();
        }
        while matches!(byte, b' ' | b'\t') {
            byte = self.next();
        }
        let value = match byte {
            b'\n' => None,
            b'=' => Some(self.value()?),
            _ => return None,
        };
        // The line end is read, and not part of the entry.
        let mut end = (self.at - 1).min(self.bytes.len());
        if end > start && self.bytes.get(end) == Some(&b'\n') && self.bytes.get(end - 1) == Some(&b'\r') {
            end -= 1;
        }
        Some(Entry { name, value, span: start..end })
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        let (mut value, mut quoted, mut comment, mut trim) = (Vec::new(), false, false, None);
        loop {
            let byte = self.next();
            if byte == b'\n' {
                if quoted {
                    return None;
                }
                value.truncate(trim.unwrap_or(value.len()));
                return Some(value);
            }
            if comment {
                continue;
            }
            if is_space(byte) && !quoted {
                trim = trim.or(Some(value.len()));
                if !value.is_empty() {
                    value.push(byte);
                }
                continue;
            }
            if !quoted && matches!(byte, b';' | b'#') {
                comment = true;
                continue;
            }
            trim = None;
            match byte {
                b'\\' => match self.next() {
                    b'\n' => {}
                    b't' => value.push(b'\t'),
                    b'b' => value.push(8),
                    b'n' => value.push(b'\n'),
                    other @ (b'\\' | b'"') => value.push(other),
                    _ => return None,
                },
                b'"' => quoted = !quoted,
                other => value.push(other),
            }
        }
    }
}

const fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// What git's own `isspace` takes for space.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// A variable as it is written: key and quoted value.
pub(crate) fn written(entry: &Entry) -> Vec<u8> {
    let mut text = entry.parts().2.to_vec();
    let Some(value) = &entry.value else { return text };
    text.extend_from_slice(b" = \"");
    for byte in value {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\t' => text.extend_from_slice(b"\\t"),
            8 => text.extend_from_slice(b"\\b"),
            other => text.push(*other),
        }
    }
    text.push(b'"');
    text
}

/// A variable with the header of its section, to be added at the end of a file.
pub(crate) fn appended(entry: &Entry) -> Vec<u8> {
    let (section, subsection, _) = entry.parts();
    let mut text = [b"\n[", section].concat();
    if let Some(subsection) = subsection {
        text.extend_from_slice(b" \"");
        for byte in subsection {
            if matches!(byte, b'"' | b'\\') {
                text.push(b'\\');
            }
            text.push(*byte);
        }
        text.push(b'"');
    }
    text.extend_from_slice(b"]\n\t");
    text.extend(written(entry));
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Option<Vec<(String, Option<String>)>> {
        let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        parse(text.as_bytes()).map(|entries| {
            entries.iter().map(|e| (text_of(&e.name), e.value.as_deref().map(text_of))).collect()
        })
    }

    #[test]
    fn a_file_as_git_writes_it() {
        let text = "[core]\n\tbare = false\r\n[remote \"Or\\\"igin\"]\n\turl = \"a;b\" # c\n[branch.Main]Merge=x\\\ny\n";
        let pair = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let expected = vec![
            pair("core.bare", "false"),
            pair("remote.Or\"igin.url", "a;b"),
            pair("branch.main.merge", "xy"),
        ];
        assert_eq!(listed(text), Some(expected));
        assert_eq!(listed("[core]\n bare"), Some(vec![("core.bare".to_owned(), None)]));
    }

    #[test]
    fn a_span_is_the_variable_and_nothing_else() {
        let text = b"[a]\n\tone = 1\r\n\ttwo = 2 ; x\n three\n[b] four = \"4\\\n4\"";
        let entries = parse(text).unwrap();
        let spans: Vec<_> =
            entries.iter().map(|e| std::str::from_utf8(&text[e.span.clone()]).unwrap()).collect();
        assert_eq!(spans, ["one = 1", "two = 2 ; x", "three", "four = \"4\\\n4\""]);
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        for bad in [
            "x = 1",
            "[a\nb = 1",
            "[a]\nb c",
            "[a] b = \"x",
            "[a \"b\nc\"]\nd=1",
            "\u{feff}[a]\nb=1",
            "[a]\nb=1\0",
            "[a]\n-b = 1",
            "[]\nb=1",
            "[a]\nb = \\x",
            "[a]\rb=1",
            "[a \"b\" ]\nc=1",
        ] {
            assert_eq!(listed(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let entries = parse(b"[a \"B \\\\ \\\" c\"]\n k = \" x;\\n\\t\\\"\\\\ \"\n[d]\n flag\n").unwrap();
        let text: Vec<u8> = entries.iter().flat_map(appended).collect();
        let again = parse(&text).unwrap();
        let plain =
            |entries: &[Entry]| entries.iter().map(|e| (e.name.clone(), e.value.clone())).collect::<Vec<_>>();
        assert_eq!(plain(&again), plain(&entries));
    }
}
