//! Opening: what a crash may have left is completed, and what no crash can have done is an error that names the file.
//!
//! Only bytes that were never acknowledged can be torn. Everything recovered is written into the tree anew and synced before the old
//! segments go, so that nothing rests on pages that a failed sync may have left in memory only.

use std::io;

use super::{
    commit::Chains,
    state::Written,
    tiles::{MAX_FOLD, Tree},
};
use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    edge::Edge,
    layout::{CHECKPOINT, HEADS, VERIFIER, heads_path},
    note::VerifierKey,
    reader::{self, ReadError},
    record::Envelope,
    signer::Signer,
    storage::{Storage, optional},
    tile::{Row, TILE_WIDTH, Tile, decode_hashes, entries},
    tree::{leaf_hash, perfect_root},
    wal,
};

/// A ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The checkpoint.
    #[error(
        "{CHECKPOINT}: {0}; restore the ledger from a backup, or move its directory away to begin a new one"
    )]
    Checkpoint(#[from] CheckpointError),
    /// A file is missing or was changed.
    #[error(
        "{file}: {detail}; restore the ledger from a backup, or move its directory away to begin a new one"
    )]
    Damaged {
        /// Which file, below the ledger's directory.
        file: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The file system.
    #[error("{file}: {source}")]
    Io {
        /// Which file, below the ledger's directory.
        file: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The ledger was written with another key.
    #[error(
        "the ledger belongs to the key `{found}`, not to this daemon's `{expected}`; restore the key file, or move the ledger away"
    )]
    Key {
        /// Whose it is.
        found: Box<str>,
        /// This daemon's.
        expected: Box<str>,
    },
    /// There is no thread to be had.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl OpenError {
    fn damaged(file: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Damaged { file: file.into(), detail: detail.into() }
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { file, detail } => Self::Damaged { file, detail: detail.to_owned() },
            ReadError::Io { file, source } if source.kind() == io::ErrorKind::NotFound => {
                Self::damaged(file, "is missing")
            }
            ReadError::Io { file, source } => Self::Io { file, source },
            ReadError::Index { index, size } => {
                Self::damaged(CHECKPOINT, format!("record {index} is not among {size}"))
            }
            ReadError::Checkpoint(error) => Self::Checkpoint(error),
        }
    }
}

/// What opening found.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) tree: Tree,
    pub(super) note: String,
    /// How many records came from the write-ahead log.
    pub(super) from_log: u64,
}

pub(super) fn recover(storage: &dyn Storage, signer: &Signer) -> Result<Recovered, OpenError> {
    let at = |file: &str| {
        let file = file.to_owned();
        move |source| OpenError::Io { file, source }
    };
    begin(storage, signer)?;
    let bytes = storage.read(CHECKPOINT).map_err(at(CHECKPOINT))?;
    let mut note = String::from_utf8(bytes).map_err(|_| OpenError::damaged(CHECKPOINT, "is not UTF-8"))?;
    let checkpoint = Checkpoint::open(&note, signer.verifier())?;
    let mut tree =
        Tree { edge: load_edge(storage, &checkpoint)?, chains: load_chains(storage, checkpoint.size)? };

    let tail = log_tail(storage, checkpoint.size)?;
    let from_log = tail.len() as u64;
    for chunk in tail.chunks(MAX_FOLD) {
        note = tree.publish(storage, signer, chunk.iter().cloned()).map_err(at("tile"))?;
    }
    for name in storage.list(wal::DIR).map_err(at(wal::DIR))? {
        storage.remove(&format!("{}/{name}", wal::DIR)).map_err(at(wal::DIR))?;
    }
    let current = heads_path(tree.edge.size());
    for name in storage.list(HEADS).map_err(at(HEADS))? {
        let path = format!("{HEADS}/{name}");
        if path != current {
            storage.remove(&path).map_err(at(HEADS))?;
        }
    }
    Ok(Recovered { tree, note, from_log })
}

/// Begins a ledger where there is none; checks that what is there belongs to this key.
fn begin(storage: &dyn Storage, signer: &Signer) -> Result<(), OpenError> {
    let at = |file: &str| {
        let file = file.to_owned();
        move |source| OpenError::Io { file, source }
    };
    let key = signer.verifier();
    let used = || -> Result<bool, OpenError> {
        let segments = storage.list(wal::DIR).map_err(at(wal::DIR))?;
        Ok(!segments.is_empty() || !storage.list("tile").map_err(at("tile"))?.is_empty())
    };
    match optional(storage.read(VERIFIER)).map_err(at(VERIFIER))? {
        Some(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let found: VerifierKey =
                text.parse().map_err(|_| OpenError::damaged(VERIFIER, "does not hold a verifier key"))?;
            if found != *key {
                return Err(OpenError::Key {
                    found: found.to_string().into(),
                    expected: key.to_string().into(),
                });
            }
        }
        None if used()? => return Err(OpenError::damaged(VERIFIER, "is missing")),
        None => storage.replace(VERIFIER, format!("{key}\n").as_bytes()).map_err(at(VERIFIER))?,
    }
    match optional(storage.read(CHECKPOINT)).map_err(at(CHECKPOINT))? {
        Some(_) => Ok(()),
        None if used()? => Err(OpenError::damaged(CHECKPOINT, "is missing")),
        None => {
            let mut tree = Tree::default();
            tree.publish(storage, signer, []).map(drop).map_err(at(CHECKPOINT))
        }
    }
}

/// Reads the unfinished tiles and the unfinished bundle, checks them against each other, against the last full tile of each level, and
/// against the checkpoint.
fn load_edge(storage: &dyn Storage, checkpoint: &Checkpoint) -> Result<Edge, OpenError> {
    let size = checkpoint.size;
    let mut levels = Vec::new();
    for level in (0u8..).take(Edge::height(size)) {
        let row = Row::Level(level);
        levels
            .push(last_partial(row, size).map_or(Ok(Vec::new()), |tile| reader::read_hashes(storage, tile))?);
    }
    let bundle = match last_partial(Row::Entries, size) {
        Some(tile) => {
            let bytes = reader::read_tile(storage, tile)?;
            let hashes: Option<Vec<_>> = entries(&bytes).map(|leaf| leaf.map(leaf_hash)).collect();
            if hashes.as_ref() != levels.first() {
                return Err(OpenError::damaged(tile.path(), "its records do not hash to the tree's leaves"));
            }
            bytes
        }
        None => Vec::new(),
    };
    for level in (0u8..).take(Edge::height(size)) {
        check_last_full(storage, level, size, &levels)?;
    }
    let edge = Edge::new(size, bundle, levels)
        .ok_or_else(|| OpenError::damaged("tile", "its files do not fit the tree"))?;
    if edge.root() == checkpoint.root {
        Ok(edge)
    } else {
        let file = last_partial(Row::Level(0), size).map_or_else(|| "tile".to_owned(), Tile::path);
        Err(OpenError::damaged(file, "the tree's root is not that of the checkpoint"))
    }
}

/// The unfinished tile of a row, if it has one.
fn last_partial(row: Row, size: u64) -> Option<Tile> {
    row.tile_of(row.len(size).checked_sub(1)?, size).filter(|tile| !tile.is_full())
}

/// The last full tile of a level must hash to the last hash of the level above, wherever that one is unfinished.
fn check_last_full(
    storage: &dyn Storage,
    level: u8,
    size: u64,
    levels: &[Vec<bailiwick_core::Digest>],
) -> Result<(), OpenError> {
    let full = Row::Level(level).len(size) / TILE_WIDTH;
    let Some((number, above)) =
        full.checked_sub(1).zip(levels.get(usize::from(level) + 1).and_then(|row| row.last()))
    else {
        return Ok(());
    };
    let tile = Tile { row: Row::Level(level), number, width: 256 };
    let bytes = reader::read_tile(storage, tile)?;
    let root = decode_hashes(&bytes, 256).map(perfect_root);
    if root.as_ref() == Some(above) {
        Ok(())
    } else {
        Err(OpenError::damaged(tile.path(), "does not hash to the tile above"))
    }
}

/// The heads of the sessions' chains, as of `size`; found by reading every record where their file is missing.
fn load_chains(storage: &dyn Storage, size: u64) -> Result<Chains, OpenError> {
    let path = heads_path(size);
    match optional(storage.read(&path)) {
        Ok(Some(bytes)) => {
            return serde_json::from_slice(&bytes).map_err(|error| {
                OpenError::damaged(path, format!("is not a list of chain heads ({error})"))
            });
        }
        Ok(None) => {}
        Err(source) => return Err(OpenError::Io { file: path, source }),
    }
    let mut chains = Chains::new();
    let mut next = 0;
    while next < size {
        let records = reader::read_entries(storage, next, size, MAX_FOLD)?;
        next += records.len() as u64;
        for record in records {
            let written =
                written(&record.leaf, leaf_hash(&record.leaf), || format!("record {}", record.index))?;
            match written.session {
                Some(session) if written.closes => drop(chains.remove(&session)),
                Some(session) => drop(chains.insert(session, written.hash)),
                None => {}
            }
        }
    }
    Ok(chains)
}

fn written(
    leaf: &[u8],
    hash: bailiwick_core::Digest,
    whence: impl Fn() -> String,
) -> Result<Written, OpenError> {
    let envelope: Envelope = serde_json::from_slice(leaf)
        .map_err(|error| OpenError::damaged(whence(), format!("is no record ({error})")))?;
    Ok(Written {
        leaf: leaf.into(),
        hash,
        session: envelope.session,
        closes: envelope.kind == "session_closed",
    })
}

/// The records in the write-ahead log that the tree does not have.
fn log_tail(storage: &dyn Storage, size: u64) -> Result<Vec<Written>, OpenError> {
    let tail = reader::log_tail(storage, size)?;
    if tail.durable > size + tail.leaves.len() as u64 {
        let missing = size + tail.leaves.len() as u64;
        let file = tail.last.map_or_else(|| wal::segment_path(missing), wal::segment_path);
        return Err(OpenError::damaged(
            file,
            format!("record {missing} was acknowledged and is missing or damaged"),
        ));
    }
    let records = tail.leaves.into_iter();
    records.map(|(leaf, hash)| written(&leaf, hash, || wal::DIR.to_owned())).collect()
}
