//! The log's own key: it signs checkpoints and nothing else, and is no other key of the product.
//!
//! Kept as a file beside the daemon's other state, readable by its owner alone. It proves that a checkpoint came from this log; it
//! does not protect the log from whoever can read the file, which is what outside witnesses are for.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    rand,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use zeroize::Zeroizing;

use crate::{checkpoint::Checkpoint, note::VerifierKey};

/// How the private form begins, as Go's `note` package writes it.
const PRIVATE: &str = "PRIVATE+KEY+";
/// The first byte of an encoded Ed25519 key.
const ED25519_TYPE: u8 = 0x01;

/// A log's signing key.
pub struct Signer {
    key: VerifierKey,
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

/// There is no signing key to be had.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key file.
    #[error("cannot read or write the ledger's key {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Something else is in the key file.
    #[error("{} does not hold a ledger key: restore it from a backup, or move the ledger away to begin a new one", .0.display())]
    Form(PathBuf),
    /// Others can read the key file.
    #[error("{} can be read by others than its owner: run `chmod 600 {}`", .0.display(), .0.display())]
    Open(PathBuf),
    /// A log's name must be one word without `+`.
    #[error("`{0}` cannot name a ledger: a name has no spaces and no `+`")]
    Origin(String),
    /// The system gave no random bytes, or the library refused the key.
    #[error("the cryptography library gave no key")]
    Crypto,
}

impl Signer {
    /// A new key for the log `origin`.
    ///
    /// # Errors
    /// If `origin` cannot name a log, or there are no random bytes.
    pub fn generate(origin: &str) -> Result<Self, SignerError> {
        let mut seed = Zeroizing::new([0; 32]);
        rand::fill(seed.as_mut_slice()).map_err(|_| SignerError::Crypto)?;
        Self::from_seed(origin, seed)
    }

    /// The key with this seed (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// If `origin` cannot name a log.
    pub fn from_seed(origin: &str, seed: Zeroizing<[u8; 32]>) -> Result<Self, SignerError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| SignerError::Crypto)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| SignerError::Crypto)?;
        let key = VerifierKey::new(origin, public).ok_or_else(|| SignerError::Origin(origin.to_owned()))?;
        Ok(Self { key, pair, seed })
    }

    /// The key in the file at `path`; where there is none, a new one for a new log with a name of its own, written there first.
    ///
    /// # Errors
    /// If the file cannot be read or written, holds something else, or can be read by others.
    pub fn load_or_create(path: &Path) -> Result<Self, SignerError> {
        let io = |source| SignerError::Io { path: path.to_owned(), source };
        match fs::read_to_string(path) {
            Ok(text) => {
                let text = Zeroizing::new(text);
                if fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0 {
                    return Err(SignerError::Open(path.to_owned()));
                }
                Self::parse(&text).ok_or_else(|| SignerError::Form(path.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut name = [0; 8];
                rand::fill(&mut name).map_err(|_| SignerError::Crypto)?;
                let signer = Self::generate(&format!("ledger.bailiwick.internal/{}", hex::encode(name)))?;
                signer.write(path).map_err(io)?;
                Ok(signer)
            }
            Err(error) => Err(io(error)),
        }
    }

    /// The public half.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.key
    }

    /// The signed note of `checkpoint`.
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        let text = checkpoint.text();
        let line = self.key.line(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n{line}")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_end().strip_prefix(PRIVATE)?.splitn(3, '+');
        let (origin, id, encoded) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = Zeroizing::new(BASE64.decode(encoded).ok()?);
        let (&ED25519_TYPE, seed) = bytes.split_first()? else { return None };
        let signer = Self::from_seed(origin, Zeroizing::new(seed.try_into().ok()?)).ok()?;
        (hex::encode(signer.key.id()) == id).then_some(signer)
    }

    /// Written beside and renamed, so that a crash leaves no half key.
    fn write(&self, path: &Path) -> io::Result<()> {
        let bytes = Zeroizing::new([&[ED25519_TYPE][..], self.seed.as_slice()].concat());
        let encoded = Zeroizing::new(BASE64.encode(&*bytes));
        let text = Zeroizing::new(format!(
            "{PRIVATE}{}+{}+{}\n",
            self.key.name(),
            hex::encode(self.key.id()),
            encoded.as_str()
        ));
        let beside = path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        match path.parent() {
            Some(parent) if parent != Path::new("") => fs::File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tlog_proof::{TlogProof, TlogProofError},
        tree::{ProofError, leaf_hash, node_hash},
    };

    fn signer() -> Signer {
        Signer::from_seed("log.example", Zeroizing::new([7; 32])).unwrap()
    }

    #[test]
    fn a_key_file_is_written_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signing.key");
        let first = Signer::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Signer::load_or_create(&path).unwrap().verifier(), first.verifier());
        assert!(!format!("{first:?}").contains(&BASE64.encode(first.seed.as_slice())));
    }

    #[test]
    fn a_key_file_that_is_open_or_damaged_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signing.key");
        Signer::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Signer::load_or_create(&path), Err(SignerError::Open(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("bailiwick", "bailiwock")).unwrap();
        assert!(matches!(Signer::load_or_create(&path), Err(SignerError::Form(_))));
    }

    #[test]
    fn a_proof_file_round_trips_and_verifies() {
        let signer = signer();
        let hashes = [leaf_hash(b"first"), leaf_hash(b"second")];
        let checkpoint =
            Checkpoint { origin: "log.example".into(), size: 2, root: node_hash(&hashes[0], &hashes[1]) };
        let proof = TlogProof { index: 1, path: vec![hashes[0]], checkpoint: signer.sign(&checkpoint) };
        let text = proof.to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 1\n"), "{text}");
        assert_eq!(text.parse::<TlogProof>().unwrap(), proof);
        let extra = text.replace("index", "extra AAAA\nindex");
        assert_eq!(extra.parse::<TlogProof>().unwrap(), proof);
        assert_eq!(proof.verify(b"second", signer.verifier()), Ok(checkpoint));
        assert_eq!(proof.verify(b"other", signer.verifier()), Err(TlogProofError::Proof(ProofError::Root)));
        let stranger = Signer::from_seed("log.example", Zeroizing::new([8; 32])).unwrap();
        assert!(matches!(proof.verify(b"second", stranger.verifier()), Err(TlogProofError::Checkpoint(_))));
    }

    #[test]
    fn other_texts_are_no_proof_files() {
        for bad in [
            "",
            "c2sp.org/tlog-proof@v1\nindex 1\n",
            "c2sp.org/tlog-proof@v1\nindex 01\n\nx",
            "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx",
            "x\nindex 1\n\nx",
        ] {
            assert!(matches!(bad.parse::<TlogProof>(), Err(TlogProofError::Form(_))), "{bad:?}");
        }
    }
}
