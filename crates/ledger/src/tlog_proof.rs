//! `.tlog-proof` files (C2SP `tlog-proof@v1`): a checkpoint and the inclusion proof of one leaf in it, as text. With the leaf's
//! bytes and the log's verifier key, it is all that anyone needs to check offline that the record was in the log.

use std::{fmt, str::FromStr};

use bailiwick_core::Digest;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::{
    checkpoint::{Checkpoint, CheckpointError, decimal},
    note::VerifierKey,
    tree::{ProofError, leaf_hash, verify_inclusion},
};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Hashes in an inclusion proof at most: one for each row of a tree of 2^64 leaves.
const MAX_PATH: usize = 64;

/// The proof that a leaf is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// The leaf's index.
    pub index: u64,
    /// From the leaf's sibling up to the root's child.
    pub path: Vec<Digest>,
    /// The signed checkpoint, word for word.
    pub checkpoint: String,
}

/// A text is not a proof, or proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Not the form.
    #[error("not a `{HEADER}` file: {0}")]
    Form(&'static str),
    /// The checkpoint in it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The proof itself.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl TlogProof {
    /// Checks that `leaf`, the record's bytes as stored, is in the log whose key is `key`; hands out the checkpoint it is in.
    ///
    /// # Errors
    /// [`TlogProofError`] says what does not fit.
    pub fn verify(&self, leaf: &[u8], key: &VerifierKey) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        verify_inclusion(leaf_hash(leaf), self.index, checkpoint.size, checkpoint.root, &self.path)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", BASE64.encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<Self, TlogProofError> {
        let form = TlogProofError::Form;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(form("no blank line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(form("another first line"));
        }
        // Opaque and not authenticated: passed over.
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = index.ok_or(form("no index"))?;
        let path = lines
            .map(|line| {
                BASE64.decode(line).ok().and_then(|bytes| bytes.try_into().ok()).map(Digest::from_bytes)
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(form("a line is not a hash"))?;
        if path.len() > MAX_PATH {
            return Err(form("more hashes than a tree can need"));
        }
        Ok(Self { index, path, checkpoint: checkpoint.to_owned() })
    }
}
