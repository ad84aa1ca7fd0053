//! What the ledger may know of a secret: whether two uses were of the same one.

use std::fmt;

/// A keyed digest of a secret (HMAC-SHA-256 with a key of the vault, 128 bits of it). Equal for equal secrets of one vault, and
/// no help in guessing one without the vault.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub(crate) [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hmac:")?;
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
