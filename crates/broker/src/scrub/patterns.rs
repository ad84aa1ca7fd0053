//! What is looked for: the forms of some secrets, and the few bytes with which any occurrence of them must begin.
//!
//! Two tables of byte pairs say quickly where nothing begins; every other place is read as a candidate. They are built from no
//! more than three units of a form. They may hold a beginning too many, and must never miss one; a test holds them to that.

use super::{
    candidate::{Candidate, Verdict},
    form::Form,
};
use crate::Secret;

/// How many units of a form the tables look at.
const START_UNITS: usize = 3;
/// Bytes that begin an escape, after which the tables look no further.
const ESCAPES: [u8; 3] = [b'%', b'\\', b'&'];

/// Everything a [`crate::Scrubber`] needs to know about the secrets it looks for. Built once for a secret, shared by all requests.
pub struct Patterns {
    forms: Vec<Form>,
    /// The first and the second byte of a beginning.
    first: Pairs,
    /// The second and the third.
    second: Pairs,
}

impl Patterns {
    /// The patterns of `secrets`, in every form and escape.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let forms: Vec<Form> = secrets.into_iter().flat_map(Form::all).collect();
        let (mut first, mut second) = (Pairs::new(), Pairs::new());
        for start in forms.iter().flat_map(starts) {
            first.insert(start[0], start[1]);
            match start.get(2) {
                Some(third) => second.insert(start[1], *third),
                None => (0..=u8::MAX).for_each(|any| second.insert(start[1], any)),
            }
        }
        Self { forms, first, second }
    }

    pub(super) fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// The first place at or after `from` where an occurrence may begin.
    pub(super) fn next_start(&self, input: &[u8], from: usize) -> Option<usize> {
        let rest = input.get(from..)?;
        let whole = rest
            .windows(3)
            .position(|next| self.first.contains(next[0], next[1]) && self.second.contains(next[1], next[2]));
        // The last two bytes may be the beginning of a beginning.
        let start = whole.unwrap_or(rest.len().saturating_sub(2));
        (start < rest.len()).then_some(from + start)
    }

    /// The bytes of `input`, complete in itself, that belong to an occurrence.
    pub(crate) fn find_in(&self, input: &[u8]) -> Vec<std::ops::Range<usize>> {
        let mut found = Vec::new();
        let mut candidate = Candidate::default();
        let mut from = 0;
        while let Some(start) = self.next_start(input, from) {
            let rest = &input[start..];
            let verdict = match candidate.begin(&self.forms, rest) {
                Verdict::Unknown => candidate.end(&self.forms, rest.len()),
                known => known,
            };
            if let Verdict::Found(length) = verdict {
                found.push(start..start + length);
            }
            from = start + 1;
        }
        found
    }
}

/// A set of pairs of bytes.
struct Pairs(Box<[u64; 1024]>);

impl Pairs {
    fn new() -> Self {
        Self(Box::new([0; 1024]))
    }

    fn insert(&mut self, a: u8, b: u8) {
        let (word, bit) = Self::place(a, b);
        self.0[word] |= bit;
    }

    fn contains(&self, a: u8, b: u8) -> bool {
        let (word, bit) = Self::place(a, b);
        self.0[word] & bit != 0
    }

    fn place(a: u8, b: u8) -> (usize, u64) {
        (usize::from(a) << 2 | usize::from(b >> 6), 1 << (b & 63))
    }
}

impl std::fmt::Debug for Patterns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patterns").field("forms", &self.forms.len()).finish_non_exhaustive()
    }
}

/// The byte strings, of two bytes or more, with which an occurrence of `form` can begin: three literal units, cut short at an
/// escape.
fn starts(form: &Form) -> Vec<Vec<u8>> {
    let mut complete = first_escapes(form);
    let mut growing = vec![Vec::new()];
    for position in 0..START_UNITS {
        let mut longer = Vec::new();
        for start in &growing {
            let with = |byte: u8| start.iter().copied().chain([byte]).collect::<Vec<u8>>();
            if position > 0 {
                complete.extend((0..=u8::MAX).filter(|byte| interrupts(form, position, *byte)).map(with));
            }
            longer.extend((0..=u8::MAX).filter(|byte| form.accepts(position, *byte)).map(with));
            if form.accepts_plus_as_space(position) {
                longer.push(with(b'+'));
            }
        }
        growing = longer;
    }
    complete.extend(growing);
    complete
}

/// Whether `byte` between units may be an escape of the next, or may be skipped.
fn interrupts(form: &Form, position: usize, byte: u8) -> bool {
    ESCAPES.contains(&byte) || form.skips(byte) || form.is_high(position) && matches!(byte, 0xc2 | 0xc3)
}

/// How an escape of the first unit can begin: as many bytes as keep ordinary escapes from being candidates.
fn first_escapes(form: &Form) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = [br"\\".as_slice(), b"%25", b"%u", b"&amp;amp;"].map(<[u8]>::to_vec).into();
    for unit in (0..=u8::MAX).filter(|byte| form.accepts(0, *byte)) {
        let high = char::from_digit(u32::from(unit >> 4), 16).unwrap_or('0');
        for digit in [high, high.to_ascii_uppercase()] {
            found.extend(
                [format!("%{digit}"), format!("\\x{digit}"), format!("\\u00{digit}")].map(String::into_bytes),
            );
        }
        found
            .extend(references(unit).flat_map(|rest| [[b"&", &*rest].concat(), [b"&amp;", &*rest].concat()]));
        let control = controls().find(|(value, _)| *value == unit).map(|(_, letter)| letter);
        let letter = control.or(unit.is_ascii_punctuation().then_some(unit));
        found.extend(letter.map(|letter| vec![b'\\', letter]));
    }
    if form.is_high(0) {
        // The character that begins here is written by its number, or its first byte was taken for Latin-1.
        found.extend([br"\u".as_slice(), b"&#", b"&n", b"&am"].map(<[u8]>::to_vec));
        found.extend((0x80..=0xbf).flat_map(|next| [vec![0xc2, next], vec![0xc3, next]]));
    }
    found
}

/// What follows `&` in a character reference to `unit`, as far as it is looked at.
fn references(unit: u8) -> impl Iterator<Item = Vec<u8>> {
    let named = [(b'<', "l"), (b'>', "g"), (b'"', "q"), (b'\'', "ap"), (b'/', "s"), (b'&', "am")];
    let named =
        named.into_iter().filter(move |(value, _)| *value == unit).map(|(_, name)| name.as_bytes().to_vec());
    let numbers = [
        format!("#{}", unit.to_string().chars().next().unwrap_or('0')),
        "#0".into(),
        "#x".into(),
        "#X".into(),
    ];
    named.chain(numbers.into_iter().map(String::into_bytes))
}

/// The control characters that have an escape of one letter.
fn controls() -> impl Iterator<Item = (u8, u8)> {
    [(b'\n', b'n'), (b'\r', b'r'), (b'\t', b't'), (8, b'b'), (12, b'f'), (11, b'v'), (0, b'0')].into_iter()
}
