//! The shapes one secret can come back in before anything escapes it: its bytes, their hexadecimal digits, their base64 letters.
//!
//! A form is a row of *units*. Base64 (RFC 4648 §4 and §5) depends on how many bytes stand before the secret: there are three
//! alignments, and in each only the letters made of the secret's own bits are compared, so that one form covers the secret alone,
//! `user:secret`, padding or none, and both alphabets. At most four bits of the secret's first byte lie in a letter that is shared
//! with the byte before it; that letter is left alone, because it would make every fourth letter of ordinary text a candidate.

use zeroize::Zeroizing;

use crate::Secret;

/// How units are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// A unit is a byte of the secret.
    Raw,
    /// A unit is four bits, written as a hexadecimal digit in either case.
    Hex,
    /// A unit is six bits, written as a base64 letter of either alphabet.
    Base64,
}

/// One shape of one secret.
pub(super) struct Form {
    alphabet: Alphabet,
    units: Zeroizing<Vec<u8>>,
    /// Which bits of the last unit are the secret's.
    last_mask: u8,
}

impl Form {
    /// Every shape of `secret`.
    pub(super) fn all(secret: &Secret) -> Vec<Self> {
        let bytes = secret.expose();
        let mut forms = vec![
            Self { alphabet: Alphabet::Raw, units: Zeroizing::new(bytes.to_vec()), last_mask: 0xff },
            Self {
                alphabet: Alphabet::Hex,
                units: Zeroizing::new(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect()),
                last_mask: 0xff,
            },
        ];
        // With 0, 1 or 2 bytes before the secret, its first whole letter begins at its bit 0, 4 or 2.
        forms.extend([0, 4, 2].map(|first_bit| Self::base64(bytes, first_bit)));
        forms
    }

    fn base64(bytes: &[u8], first_bit: usize) -> Self {
        let bits = bytes.len() * 8;
        let bit = |index: usize| match bytes.get(index / 8) {
            Some(byte) => byte >> (7 - index % 8) & 1,
            None => 0,
        };
        let letter = |start: usize| (start..start + 6).fold(0, |letter, index| letter << 1 | bit(index));
        let units = (first_bit..bits).step_by(6).map(letter).collect();
        let last_mask = match (bits - first_bit) % 6 {
            2 => 0b11_0000,
            4 => 0b11_1100,
            _ => 0b11_1111,
        };
        Self { alphabet: Alphabet::Base64, units: Zeroizing::new(units), last_mask }
    }

    /// How many units there are.
    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether `byte` writes the unit at `position`. `position` must be less than [`Form::len`].
    pub(super) fn accepts(&self, position: usize, byte: u8) -> bool {
        let unit = self.units[position];
        match self.alphabet {
            Alphabet::Raw => byte == unit,
            Alphabet::Hex => hex_digit(byte) == Some(unit),
            Alphabet::Base64 => {
                let mask = if position + 1 == self.len() { self.last_mask } else { 0xff };
                base64_letter(byte).is_some_and(|letter| letter & mask == unit & mask)
            }
        }
    }

    /// Whether `+` in the input may stand for the unit at `position`: forms encode a space so.
    pub(super) fn accepts_plus_as_space(&self, position: usize) -> bool {
        self.alphabet == Alphabet::Raw && self.units[position] == b' '
    }

    /// How many units from `position` on the UTF-8 encoding of `character` writes, if it does.
    pub(super) fn accepts_char(&self, position: usize, character: char) -> Option<usize> {
        let mut buffer = [0; 4];
        let encoded = character.encode_utf8(&mut buffer).as_bytes();
        (self.alphabet == Alphabet::Raw && self.units[position..].starts_with(encoded))
            .then_some(encoded.len())
    }

    /// Whether `byte` may stand between two units: what line breaking, hexadecimal dumps and UTF-16 put there.
    pub(super) fn skips(&self, byte: u8) -> bool {
        match self.alphabet {
            Alphabet::Raw => byte == 0,
            Alphabet::Hex => matches!(byte, 0 | b':' | b' ' | b'-'),
            Alphabet::Base64 => matches!(byte, 0 | b'\r' | b'\n'),
        }
    }

    /// Whether `text` holds the bytes or hexadecimal digits of the secret in any case. Base64 does not survive a change of case.
    pub(super) fn is_in_ignoring_case(&self, text: &[u8]) -> bool {
        let equal = |window: &[u8]| match self.alphabet {
            Alphabet::Raw => window.eq_ignore_ascii_case(&self.units),
            Alphabet::Hex => {
                window.iter().zip(self.units.iter()).all(|(byte, unit)| hex_digit(*byte) == Some(*unit))
            }
            Alphabet::Base64 => false,
        };
        text.windows(self.len()).any(equal)
    }

    /// Whether the unit at `position` is a byte outside ASCII, which a Latin-1 reader re-encodes as two.
    pub(super) fn is_high(&self, position: usize) -> bool {
        self.alphabet == Alphabet::Raw && self.units[position] >= 0x80
    }
}

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn base64_letter(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
