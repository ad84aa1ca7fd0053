//! Signed notes (C2SP `signed-note`): a text, a blank line, and signatures by named keys.
//!
//! Only Ed25519 (type `0x01`) is spoken. A text is handed out only after a signature by the key that was asked for has verified;
//! signatures by unknown keys are ignored, as the specification wants, so that witnesses can add theirs.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use sha2::{Digest as _, Sha256};

/// The signature type byte of plain Ed25519.
const ED25519_TYPE: u8 = 0x01;
/// Signature lines considered in one note; the specification asks for at least 16.
const MAX_SIGNATURES: usize = 64;
/// How a signature line begins: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// A note cannot be trusted, or is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not the form of a signed note.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// No signature by the key that was asked for.
    #[error("no signature by `{0}`")]
    Unsigned(String),
    /// A signature that says it is by the key, and is not.
    #[error("the signature by `{0}` does not fit the text")]
    Forged(String),
    /// Not the form of a verifier key.
    #[error("not a verifier key of the form `name+hash+key`")]
    Key,
}

/// The public half of a note key, written `name+hash+key` as Go's `note` package does.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key of this name. `None` if the name is empty or has a space, a `+` or a control character in it.
    pub fn new(name: &str, public: [u8; 32]) -> Option<Self> {
        valid_name(name).then(|| Self { name: name.to_owned(), public })
    }

    /// The name; for a log's key, the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Ed25519 public key (RFC 8032).
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The first four bytes of SHA-256 over name, newline, type and key.
    pub fn id(&self) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', ED25519_TYPE]);
        hasher.update(self.public);
        let hash: [u8; 32] = hasher.finalize().into();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// The signature line for a signature by this key.
    pub(crate) fn line(&self, signature: &[u8]) -> String {
        let bytes = [&self.id(), signature].concat();
        format!("{DASH}{} {}\n", self.name, BASE64.encode(bytes))
    }

    /// The text of `note`, if this key signed it.
    ///
    /// # Errors
    /// [`NoteError`] if it is not a note, not signed by this key, or a signature by this key does not fit.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, signatures) = divide(note)?;
        let mut signed = false;
        for line in signatures.lines().take(MAX_SIGNATURES) {
            let (name, bytes) =
                signature(line).ok_or(NoteError::Form("a signature line has another form"))?;
            let Some((id, signature)) = bytes.split_first_chunk::<4>() else {
                return Err(NoteError::Form("a signature is too short"));
            };
            if name != self.name || *id != self.id() {
                continue;
            }
            UnparsedPublicKey::new(&ED25519, self.public)
                .verify(text.as_bytes(), signature)
                .map_err(|_| NoteError::Forged(self.name.clone()))?;
            signed = true;
        }
        if signed { Ok(text) } else { Err(NoteError::Unsigned(self.name.clone())) }
    }
}

fn valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// A note's text, with its last newline, and its signature lines.
fn divide(note: &str) -> Result<(&str, &str), NoteError> {
    if note.contains(|c: char| c.is_ascii_control() && c != '\n') {
        return Err(NoteError::Form("control characters"));
    }
    let blank = note.rfind("\n\n").ok_or(NoteError::Form("no blank line before the signatures"))?;
    let (text, signatures) = (&note[..=blank], &note[blank + 2..]);
    if signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(NoteError::Form("no signatures after the blank line"));
    }
    Ok((text, signatures))
}

fn signature(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
    valid_name(name).then_some(())?;
    Some((name, BASE64.decode(encoded).ok()?))
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519_TYPE][..], &self.public].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), BASE64.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim_end().splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let bytes = BASE64.decode(encoded).map_err(|_| NoteError::Key)?;
        let public = match bytes.split_first() {
            Some((&ED25519_TYPE, public)) => public.try_into().map_err(|_| NoteError::Key)?,
            _ => return Err(NoteError::Key),
        };
        Self::new(name, public).filter(|key| hex::encode(key.id()) == id).ok_or(NoteError::Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Go's `golang.org/x/mod/sumdb/note` package.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn opens_the_example_of_the_go_implementation() {
        let key: VerifierKey = KEY.parse().unwrap();
        assert_eq!(key.to_string(), KEY);
        assert!(key.open(NOTE).unwrap().ends_with("what your problem is.\n"));
    }

    #[test]
    fn refuses_what_was_changed_or_signed_by_another() {
        let key: VerifierKey = KEY.parse().unwrap();
        assert_eq!(key.open(&NOTE.replace("answer", "cause")), Err(NoteError::Forged("PeterNeumann".into())));
        let other = VerifierKey::new("EnochRoot", *key.public()).unwrap();
        assert_eq!(other.open(NOTE), Err(NoteError::Unsigned("EnochRoot".into())));
        assert!(matches!(key.open("text\n"), Err(NoteError::Form(_))));
        assert!(matches!(key.open(&NOTE.replace('\'', "\t")), Err(NoteError::Form(_))));
        assert!(matches!(key.open(NOTE.trim_end()), Err(NoteError::Form(_))));
    }

    #[test]
    fn refuses_keys_whose_hash_or_type_does_not_fit() {
        assert_eq!(KEY.replace("c74f", "c74e").parse::<VerifierKey>(), Err(NoteError::Key));
        assert_eq!("name+00000000+AAAA".parse::<VerifierKey>(), Err(NoteError::Key));
        assert_eq!(VerifierKey::new("a+b", [0; 32]), None);
        assert_eq!(VerifierKey::new("a b", [0; 32]), None);
    }
}
