//! The name of an object: the digest of its kind, its length and its content (gitformat-loose, hash-function-transition).

use std::fmt;

use sha2::Digest as _;

/// Which digest names objects in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// SHA-1, with forged collisions detected as git does.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Format {
    /// Bytes of a name.
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The word for it in git's configuration.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

/// An object's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Vec<u8>);

impl Id {
    /// The name that `text` writes in lower-case hexadecimal digits; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let bytes: Option<Vec<u8>> =
            digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect();
        bytes.and_then(|bytes| Self::from_bytes(&bytes))
    }

    /// The name that is these bytes; `None` if they are too few or too many.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.len(), 20 | 32).then(|| Self(bytes.to_vec()))
    }

    /// Which digest it is of.
    pub fn format(&self) -> Format {
        if self.0.len() == Format::Sha1.length() { Format::Sha1 } else { Format::Sha256 }
    }

    /// Whether it stands for no object at all.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Whether `content`, of `kind`, is what this names.
    pub(crate) fn names(&self, kind: &str, content: &[u8]) -> bool {
        let head = format!("{kind} {}\0", content.len());
        match self.format() {
            Format::Sha1 => {
                let mut hasher = sha1_checked::Sha1::new();
                hasher.update(head.as_bytes());
                hasher.update(content);
                let digest = hasher.try_finalize();
                !digest.has_collision() && digest.hash().as_slice() == self.0
            }
            Format::Sha256 => {
                let mut hasher = sha2::Sha256::new();
                hasher.update(head.as_bytes());
                hasher.update(content);
                hasher.finalize().as_slice() == self.0
            }
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_has_the_name_that_git_knows() {
        let name = Id::parse("4b825dc642cb6eb9a060e54bf8d69288fbee4904").unwrap();
        assert!(name.names("tree", b"") && !name.names("blob", b"") && !name.names("tree", b"x"));
        let long = Id::parse("6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321").unwrap();
        assert!(long.names("tree", b"") && long.format() == Format::Sha256);
        assert_eq!(name.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in ["", "4b", "4B825DC642CB6EB9A060E54BF8D69288FBEE4904", &"g".repeat(40), &"0".repeat(41)] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
