//! A secret in memory: wiped when dropped, and with no way to be shown, serialised or copied by accident.
//!
//! This module must never show content in `Debug`, nor gain `Display`, `Serialize`, `Clone` or a public accessor of the content: every use of a secret
//! is a function of this crate. Pages are not locked here, because `mlock(2)` has no safe wrapper; the daemon is made non-dumpable
//! as a whole, and says in `doctor` whether its memory can be swapped.

use std::fmt;

use zeroize::Zeroizing;

/// A secret, in plain text, in memory.
pub struct Secret(Zeroizing<Box<[u8]>>);

/// Bytes that cannot be kept as a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Too short to be told apart from ordinary text.
    #[error(
        "a secret of {length} bytes is too short: under {} bytes it can be guessed, and it cannot be scrubbed from answers \
         without also masking ordinary text",
        Secret::MIN_LENGTH
    )]
    TooShort {
        /// Its length in bytes.
        length: usize,
    },
    /// Longer than any credential that fits a request.
    #[error("a secret of {length} bytes is too long: at most {} bytes are kept", Secret::MAX_LENGTH)]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A repetition, such as a row of asterisks copied from a page that hid the secret.
    #[error(
        "a secret made of fewer than {} different bytes is not one: was it copied from a page that hides it?",
        Secret::MIN_VARIETY
    )]
    TooUniform,
}

impl Secret {
    /// The shortest secret that is kept, in bytes. What is shorter can neither withstand guessing nor be scrubbed.
    pub const MIN_LENGTH: usize = 8;
    /// The longest secret that is kept, in bytes: as much as servers accept in one header field, and any private key.
    pub const MAX_LENGTH: usize = 16 * 1024;
    /// How many different bytes a secret has at least.
    pub const MIN_VARIETY: usize = 4;

    /// Takes `bytes` over. They are wiped when the secret is dropped, and at once where they are refused.
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(bytes);
        let length = bytes.len();
        if length < Self::MIN_LENGTH {
            return Err(SecretError::TooShort { length });
        }
        if length > Self::MAX_LENGTH {
            return Err(SecretError::TooLong { length });
        }
        let mut seen = [false; 256];
        bytes.iter().for_each(|byte| seen[usize::from(*byte)] = true);
        if seen.iter().filter(|seen| **seen).count() < Self::MIN_VARIETY {
            return Err(SecretError::TooUniform);
        }
        // A copy into an exact allocation, because shrinking a `Vec` in place may leave its old bytes behind.
        Ok(Self(Zeroizing::new(Box::from(bytes.as_slice()))))
    }

    /// Takes over what a person or a pipe entered: without the white space around it, which is never part of a credential.
    pub fn entered(bytes: Vec<u8>) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(bytes);
        Self::new(bytes.trim_ascii().to_vec())
    }

    /// The secret itself.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Secret {
    /// Takes the same time wherever the difference lies.
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.expose(), other.expose()).is_ok()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    /// Says that there is a secret, and nothing about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_cannot_be_scrubbed_or_is_not_one() {
        assert_eq!(Secret::new(b"short12".to_vec()), Err(SecretError::TooShort { length: 7 }));
        assert_eq!(Secret::new(vec![b'*'; 40]), Err(SecretError::TooUniform));
        let long = Secret::MAX_LENGTH + 1;
        assert_eq!(Secret::new(vec![7; long]), Err(SecretError::TooLong { length: long }));
        assert!(Secret::new(b"abcd1234".to_vec()).is_ok());
    }

    #[test]
    fn what_was_entered_loses_the_line_ending() {
        let entered = Secret::entered(b" MARKER-token-1\r\n".to_vec()).unwrap();
        assert!(entered == Secret::new(b"MARKER-token-1".to_vec()).unwrap());
    }

    #[test]
    fn prints_nothing_of_itself() {
        let secret = Secret::new(b"MARKER-token-1".to_vec()).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
