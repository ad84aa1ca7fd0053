//! Envelope encryption: each secret under its own data key, each data key under the vault's key.
//!
//! Both layers are AES-256-GCM-SIV (RFC 8452) with a random nonce, and both bind the ciphertext to its [`Place`], so that a row
//! opens nowhere but where it was put: not under another name, not for another purpose, not as a later version. This module must
//! never seal without a place and never reuse a data key.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey},
    hmac, rand,
};
use zeroize::Zeroizing;

use super::VaultError;

/// The length of every key, in bytes.
pub(super) const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;

/// What a ciphertext is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A static secret, to be injected.
    Credential,
    /// The vault's own list of what it holds.
    Index,
    /// What somebody else keeps for us. Never a row.
    Keepsake,
}

impl Purpose {
    /// The stable text of this purpose, for a column of a table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Index => "index",
            Self::Keepsake => "keepsake",
        }
    }

    /// The purpose with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Credential, Self::Index].into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// Where a ciphertext belongs. It is the key of its row, and bound into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// What it is for.
    pub purpose: Purpose,
    /// The secret's name; the index is called `index`.
    pub name: String,
    /// The vault's generation in which it was written. Never used twice for a name, also not after it was removed.
    pub version: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}` version {}", self.purpose.as_str(), self.name, self.version)
    }
}

/// Tells vault keys apart without saying anything about them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A row as the store keeps it. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Where it belongs.
    pub place: Place,
    /// Which vault key its data key is wrapped with.
    pub key: KeyId,
    /// The data key: nonce, ciphertext, tag.
    pub wrapped_key: Vec<u8>,
    /// The content: nonce, ciphertext, tag.
    pub content: Vec<u8>,
}

/// The key-encryption key.
pub(super) struct VaultKey {
    key: RandomizedNonceKey,
    id: KeyId,
}

impl VaultKey {
    pub(super) fn new(bytes: &[u8; KEY_LENGTH]) -> Result<Self, VaultError> {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes), b"bailiwick vault key id");
        let mut id = [0; 8];
        id.copy_from_slice(&tag.as_ref()[..8]);
        Ok(Self { key: cipher(bytes)?, id: KeyId(id) })
    }

    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    /// Seals `content` in `place`, under a data key of its own.
    pub(super) fn seal(&self, place: Place, content: &[u8]) -> Result<Sealed, VaultError> {
        let data_key = random_key()?;
        let content = encrypt(&cipher(&data_key)?, &bound(&place, Layer::Content), content)?;
        let wrapped_key = encrypt(&self.key, &bound(&place, Layer::Key), data_key.as_slice())?;
        Ok(Sealed { place, key: self.id, wrapped_key, content })
    }

    /// Opens what was sealed in exactly `sealed.place` with this key.
    pub(super) fn open(&self, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let damaged = || VaultError::Damaged { place: sealed.place.clone() };
        let data_key = self.unwrap(sealed)?;
        decrypt(&cipher(&data_key)?, &bound(&sealed.place, Layer::Content), &sealed.content)
            .ok_or_else(damaged)
    }

    /// The same row with its data key wrapped by `next`. The content is not touched.
    pub(super) fn rewrap(&self, sealed: &Sealed, next: &Self) -> Result<Sealed, VaultError> {
        let data_key = self.unwrap(sealed)?;
        let wrapped_key = encrypt(&next.key, &bound(&sealed.place, Layer::Key), data_key.as_slice())?;
        Ok(Sealed { key: next.id, wrapped_key, ..sealed.clone() })
    }

    fn unwrap(&self, sealed: &Sealed) -> Result<Zeroizing<[u8; KEY_LENGTH]>, VaultError> {
        let damaged = || VaultError::Damaged { place: sealed.place.clone() };
        let bytes =
            decrypt(&self.key, &bound(&sealed.place, Layer::Key), &sealed.wrapped_key).ok_or_else(damaged)?;
        let mut data_key = Zeroizing::new([0; KEY_LENGTH]);
        if bytes.len() != KEY_LENGTH {
            return Err(damaged());
        }
        data_key.copy_from_slice(&bytes);
        Ok(data_key)
    }
}

/// Which of the two ciphertexts of a row.
#[derive(Clone, Copy)]
enum Layer {
    Key,
    Content,
}

/// The associated data: every part has a fixed length or is preceded by it, so that no two places read the same.
fn bound(place: &Place, layer: Layer) -> Vec<u8> {
    let mut data = b"bailiwick vault 1\0".to_vec();
    data.push(match layer {
        Layer::Key => 1,
        Layer::Content => 2,
    });
    for text in [place.purpose.as_str(), place.name.as_str()] {
        data.extend((text.len() as u64).to_be_bytes());
        data.extend(text.as_bytes());
    }
    data.extend(place.version.to_be_bytes());
    data
}

pub(super) fn random_key() -> Result<Zeroizing<[u8; KEY_LENGTH]>, VaultError> {
    let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| VaultError::Cryptography)?;
    Ok(bytes)
}

fn cipher(key: &[u8; KEY_LENGTH]) -> Result<RandomizedNonceKey, VaultError> {
    RandomizedNonceKey::new(&AES_256_GCM_SIV, key).map_err(|_| VaultError::Cryptography)
}

fn encrypt(key: &RandomizedNonceKey, bound: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    // Encrypted in place: whatever stays of the plain text is wiped with this buffer.
    let mut buffer = Zeroizing::new(Vec::with_capacity(plain.len() + 16));
    buffer.extend_from_slice(plain);
    let nonce =
        key.seal_in_place_append_tag(Aad::from(bound), &mut *buffer).map_err(|_| VaultError::Cryptography)?;
    Ok([nonce.as_ref().as_slice(), buffer.as_slice()].concat())
}

fn decrypt(key: &RandomizedNonceKey, bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LENGTH)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let length = key.open_in_place(nonce, Aad::from(bound), &mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}
