//! The escapes that may stand for one unit of a form: percent-encoding (RFC 3986), JSON and program string escapes (RFC 8259),
//! HTML character references, each also when it has been escaped again, up to three times.
//!
//! Reading is not decoding: every way the bytes *could* be read is offered, because nobody says which one was meant. It must never
//! look further than a fixed number of bytes ahead (26: a surrogate pair behind eight backslashes each), so that what is held
//! back stays bounded.

use super::form::hex_digit;

/// The most bytes that one reading can take.
#[cfg(test)]
pub(super) const LONGEST: usize = 2 * (MAX_BACKSLASHES + 5);
/// A quotation mark in JSON that was escaped three times has seven backslashes, a backslash has eight.
const MAX_BACKSLASHES: usize = 8;
/// How often `%` or `&` may have been escaped again.
const MAX_NESTING: usize = 2;
/// The most digits of a character reference that are read, leading zeros included.
const MAX_DIGITS: usize = 8;

/// What bytes may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The byte as it stands.
    Literal(u8),
    /// An escaped byte.
    Byte(u8),
    /// An escaped character.
    Char(char),
}

/// Offers each reading of the start of `input` with the bytes it takes, and says whether more input could add a reading.
/// `input` must not be empty.
pub(super) fn readings(input: &[u8], mut offer: impl FnMut(Reading, usize)) -> bool {
    let first = input[0];
    offer(Reading::Literal(first), 1);
    match first {
        b'%' => percent(input, &mut offer),
        b'\\' => backslash(input, &mut offer),
        b'&' => reference(input, &mut offer),
        0xc2 | 0xc3 => latin_1_again(input, &mut offer),
        _ => false,
    }
}

/// Whether `byte` can be read in one way only.
pub(super) const fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'%' | b'\\' | b'&' | b'+' | 0xc2 | 0xc3)
}

/// `%XX`, `%25XX`, `%2525XX`, and the old `%uXXXX`.
fn percent(input: &[u8], offer: &mut impl FnMut(Reading, usize)) -> bool {
    let mut more = false;
    for nesting in 0..=MAX_NESTING {
        let start = 1 + 2 * nesting;
        match hex_number(input, start, 2) {
            Number::Is(value) => offer(Reading::Byte(value as u8), start + 2),
            Number::Unfinished => more = true,
            Number::Not => {}
        }
        if input.get(start..start + 2) != Some(b"25") {
            break;
        }
    }
    if input.get(1) == Some(&b'u') {
        match hex_number(input, 2, 4) {
            Number::Is(value) => offer_char(value, 6, offer),
            Number::Unfinished => more = true,
            Number::Not => {}
        }
    }
    more
}

/// `\n`, `\/`, `\"`, `\xXX`, `\uXXXX`, surrogate pairs, and backslashes themselves, behind one to eight backslashes.
fn backslash(input: &[u8], offer: &mut impl FnMut(Reading, usize)) -> bool {
    let run = input.iter().take(MAX_BACKSLASHES + 1).take_while(|byte| **byte == b'\\').count();
    [2, 4, 8]
        .into_iter()
        .filter(|length| *length <= run)
        .for_each(|length| offer(Reading::Byte(b'\\'), length));
    if run > MAX_BACKSLASHES {
        return false;
    }
    let Some(letter) = input.get(run) else { return true };
    let after = run + 1;
    match letter {
        b'u' => unicode(input, run, offer),
        b'x' => match hex_number(input, after, 2) {
            Number::Is(value) => {
                offer(Reading::Byte(value as u8), after + 2);
                offer_char(value, after + 2, offer);
                false
            }
            Number::Unfinished => true,
            Number::Not => false,
        },
        letter => {
            let value = match letter {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 8,
                b'f' => 12,
                b'v' => 11,
                b'0' => 0,
                mark if mark.is_ascii_punctuation() => *mark,
                _ => return false,
            };
            offer(Reading::Byte(value), after);
            false
        }
    }
}

fn unicode(input: &[u8], run: usize, offer: &mut impl FnMut(Reading, usize)) -> bool {
    let end = run + 5;
    let high = match hex_number(input, run + 1, 4) {
        Number::Is(value @ 0xd800..=0xdbff) => value,
        Number::Is(value) => {
            offer_char(value, end, offer);
            return false;
        }
        Number::Unfinished => return true,
        Number::Not => return false,
    };
    let expected = || std::iter::repeat_n(b'\\', run).chain([b'u']);
    let between = input[end..].iter().take(run + 1);
    if !between.clone().copied().eq(expected().take(between.len())) {
        return false;
    }
    if between.len() <= run {
        return true;
    }
    match hex_number(input, end + run + 1, 4) {
        Number::Is(low @ 0xdc00..=0xdfff) => {
            offer_char(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00), 2 * end, offer);
            false
        }
        Number::Is(_) | Number::Not => false,
        Number::Unfinished => true,
    }
}

/// `&amp;`, `&#39;`, `&#x27;` and their like, also behind `&amp;`.
fn reference(input: &[u8], offer: &mut impl FnMut(Reading, usize)) -> bool {
    const NAMES: [(&[u8], char); 7] = [
        (b"amp;", '&'),
        (b"lt;", '<'),
        (b"gt;", '>'),
        (b"quot;", '"'),
        (b"apos;", '\''),
        (b"sol;", '/'),
        (b"nbsp;", '\u{a0}'),
    ];
    let mut more = false;
    let mut start = 1;
    for _ in 0..=MAX_NESTING {
        let rest = &input[start..];
        for (name, character) in NAMES {
            if rest.starts_with(name) {
                offer(Reading::Char(character), start + name.len());
            }
            more |= name.starts_with(rest) && rest.len() < name.len();
        }
        more |= numeric_reference(input, start, offer);
        if !rest.starts_with(b"amp;") {
            break;
        }
        start += 4;
    }
    more
}

fn numeric_reference(input: &[u8], start: usize, offer: &mut impl FnMut(Reading, usize)) -> bool {
    match input.get(start) {
        Some(b'#') => {}
        Some(_) => return false,
        None => return true,
    }
    let (radix, first) = match input.get(start + 1) {
        Some(b'x' | b'X') => (16, start + 2),
        Some(_) => (10, start + 1),
        None => return true,
    };
    let mut value = 0u32;
    for (index, byte) in input.iter().enumerate().skip(first).take(MAX_DIGITS + 1) {
        match hex_digit(*byte).map(u32::from) {
            Some(digit) if digit < radix => value = value.saturating_mul(radix).saturating_add(digit),
            None if *byte == b';' && index > first => {
                offer_char(value, index + 1, offer);
                return false;
            }
            _ => return false,
        }
    }
    input.len() <= first + MAX_DIGITS
}

/// A byte of the secret that was taken for Latin-1 and written as UTF-8.
fn latin_1_again(input: &[u8], offer: &mut impl FnMut(Reading, usize)) -> bool {
    match input.get(1) {
        Some(next @ 0x80..=0xbf) => {
            offer(Reading::Byte((input[0] & 0b11) << 6 | next & 0b11_1111), 2);
            false
        }
        Some(_) => false,
        None => true,
    }
}

fn offer_char(value: u32, length: usize, offer: &mut impl FnMut(Reading, usize)) {
    if let Some(character) = char::from_u32(value) {
        offer(Reading::Char(character), length);
    }
}

enum Number {
    Is(u32),
    Unfinished,
    Not,
}

fn hex_number(input: &[u8], start: usize, digits: usize) -> Number {
    let end = input.len().min(start + digits);
    let present = input.get(start..end).unwrap_or_default();
    let value = present.iter().try_fold(0, |value, byte| Some(value << 4 | u32::from(hex_digit(*byte)?)));
    match value {
        Some(value) if present.len() == digits => Number::Is(value),
        Some(_) => Number::Unfinished,
        None => Number::Not,
    }
}
