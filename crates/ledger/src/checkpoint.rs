//! Checkpoints (C2SP `tlog-checkpoint`): a log's name, its number of leaves and its root, signed as a note.

use bailiwick_core::Digest;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::note::{NoteError, VerifierKey};

/// What a log says of itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, for ever the same.
    pub origin: String,
    /// How many leaves the tree has.
    pub size: u64,
    /// The tree's root.
    pub root: Digest,
}

/// A text is no checkpoint of this log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The signed text.
    #[error("the signed text is not a checkpoint: {0}")]
    Form(&'static str),
    /// Another log's.
    #[error("the checkpoint is of the log `{found}`, not of `{expected}`")]
    Origin {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root.as_bytes()))
    }

    /// Reads `note`, which must be signed by `key`, whose name must be the log's origin.
    ///
    /// # Errors
    /// [`CheckpointError`] says what is wrong with it.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let checkpoint = Self::parse(key.open(note)?).map_err(CheckpointError::Form)?;
        if checkpoint.origin == key.name() {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Origin { found: checkpoint.origin, expected: key.name().to_owned() })
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.strip_suffix('\n').ok_or("no last newline")?.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or("no origin")?;
        let size = lines.next().and_then(decimal).ok_or("no size in decimal")?;
        let root = lines
            .next()
            .and_then(|line| BASE64.decode(line).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .map(Digest::from_bytes)
            .ok_or("no root hash")?;
        if lines.any(str::is_empty) {
            return Err("an empty extension line");
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// A number in decimal with no sign and no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_example_of_the_specification() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!(
            (checkpoint.origin.as_str(), checkpoint.size),
            ("example.com/behind-the-sofa", 20_852_163)
        );
        assert_eq!(checkpoint.text(), text);
        assert_eq!(Checkpoint::parse(&format!("{text}extension\n")).unwrap(), checkpoint);
    }

    #[test]
    fn refuses_other_forms() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for bad in [
            format!("\n1\n{root}\n"),
            format!("o\n01\n{root}\n"),
            format!("o\n+1\n{root}\n"),
            format!("o\n\n{root}\n"),
            format!("o\n1\n{root}"),
            format!("o\n1\n{root}\n\n"),
            "o\n1\nAAAA\n".to_owned(),
            "o\n1\n".to_owned(),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
        }
    }
}
