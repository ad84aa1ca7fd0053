//! Reading a ledger's files: records by index, inclusion and consistency proofs.
//!
//! Nothing read here is believed before it is checked against a signed checkpoint; [`LogReader`] does that for proofs, and
//! [`crate::verify()`] for everything.

use std::{cell::RefCell, collections::HashMap, io};

use bailiwick_core::Digest;

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    layout::{CHECKPOINT, VERIFIER},
    note::{NoteError, VerifierKey},
    storage::Storage,
    tile::{self, Row, TILE_HEIGHT, TILE_WIDTH, Tile},
    tlog_proof::TlogProof,
    tree::{self, Nodes, leaf_hash, perfect_root},
    wal,
    writer::Stored,
};

/// Something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The checkpoint.
    #[error("{CHECKPOINT}: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A file was changed.
    #[error("{file}: {detail}")]
    Damaged {
        /// Which file, below the ledger's directory.
        file: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// No such record.
    #[error("there is no record {index}: the checkpoint covers {size}")]
    Index {
        /// What was asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// The file system.
    #[error("{file}: {source}")]
    Io {
        /// Which file, below the ledger's directory.
        file: String,
        /// What went wrong.
        source: io::Error,
    },
}

impl ReadError {
    pub(crate) fn damaged(file: impl Into<String>, detail: &'static str) -> Self {
        Self::Damaged { file: file.into(), detail }
    }
}

fn read(storage: &dyn Storage, path: &str) -> Result<Vec<u8>, ReadError> {
    storage.read(path).map_err(|source| ReadError::Io { file: path.to_owned(), source })
}

/// The bytes of a tile or bundle; of a partial one that has become full, its beginning.
pub(crate) fn read_tile(storage: &dyn Storage, tile: Tile) -> Result<Vec<u8>, ReadError> {
    match read(storage, &tile.path()) {
        Err(ReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && !tile.is_full() => {
            // Where the full one is missing too, the partial one is what should be there.
            let file = tile.path();
            let mut bytes = storage.read(&tile.full().path()).map_err(|_| ReadError::Io { file, source })?;
            let width = usize::from(tile.width);
            let length = match tile.row {
                Row::Level(_) => width * 32,
                Row::Entries => {
                    tile::entries(&bytes).take(width).map(|leaf| leaf.map_or(0, |leaf| leaf.len() + 2)).sum()
                }
            };
            bytes.truncate(length);
            Ok(bytes)
        }
        other => other,
    }
}

/// The hashes of a tile.
pub(crate) fn read_hashes(storage: &dyn Storage, tile: Tile) -> Result<Vec<Digest>, ReadError> {
    let bytes = read_tile(storage, tile)?;
    tile::decode_hashes(&bytes, tile.width)
        .ok_or_else(|| ReadError::damaged(tile.path(), "does not have the length of its width"))
}

/// Records from `from` on, at most `limit`, of a tree of `size`.
pub(crate) fn read_entries(
    storage: &dyn Storage,
    from: u64,
    size: u64,
    limit: usize,
) -> Result<Vec<Stored>, ReadError> {
    let mut found = Vec::new();
    let mut next = from;
    while found.len() < limit
        && let Some(tile) = Row::Entries.tile_of(next, size)
    {
        let bytes = read_tile(storage, tile)?;
        let first = tile.number * TILE_WIDTH;
        let mut count = 0;
        for (index, leaf) in (first..).zip(tile::entries(&bytes)) {
            let leaf = leaf.ok_or_else(|| ReadError::damaged(tile.path(), "ends within a record"))?;
            count += 1;
            if index >= next && found.len() < limit {
                found.push(Stored { index, leaf: leaf.into() });
            }
        }
        if count != usize::from(tile.width) {
            return Err(ReadError::damaged(tile.path(), "does not have the number of records of its width"));
        }
        next = first + u64::from(tile.width);
    }
    Ok(found)
}

/// What the write-ahead log has beyond the tree.
#[derive(Debug, Default)]
pub(crate) struct LogTail {
    /// The records from the tree's size on, with their leaf hashes.
    pub(crate) leaves: Vec<(Vec<u8>, Digest)>,
    /// The largest number of records that any frame calls durable.
    pub(crate) durable: u64,
    /// The segment that the last record was found in.
    pub(crate) last: Option<u64>,
}

/// Reads the write-ahead log beyond a tree of `size`.
pub(crate) fn log_tail(storage: &dyn Storage, size: u64) -> Result<LogTail, ReadError> {
    let io = |source| ReadError::Io { file: wal::DIR.to_owned(), source };
    let names = storage.list(wal::DIR).map_err(io)?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| wal::segment_first(name)).collect();
    firsts.sort_unstable();
    let mut tail = LogTail::default();
    for first in firsts {
        let scan = wal::scan(&read(storage, &wal::segment_path(first))?, first);
        tail.durable = tail.durable.max(scan.durable);
        let next = size + tail.leaves.len() as u64;
        if first <= next {
            let known = usize::try_from(next - first).unwrap_or(usize::MAX);
            tail.leaves.extend(scan.leaves.into_iter().skip(known));
            tail.last = Some(first);
        }
    }
    Ok(tail)
}

/// The log's verifier key, as it lies beside the log. Whoever can write the log can write it too: it finds accidents, not its owner.
///
/// # Errors
/// If it is missing or is no key.
pub fn stored_key(storage: &dyn Storage) -> Result<VerifierKey, ReadError> {
    let text = String::from_utf8_lossy(&read(storage, VERIFIER)?).into_owned();
    text.parse().map_err(|_: NoteError| {
        ReadError::damaged(VERIFIER, "is not a verifier key, which is one line `NAME+HASH+KEY`")
    })
}

/// A ledger under one of its checkpoints.
#[derive(Debug)]
pub struct LogReader<'a> {
    storage: &'a dyn Storage,
    note: String,
    checkpoint: Checkpoint,
    tiles: RefCell<HashMap<Tile, Vec<Digest>>>,
}

impl<'a> LogReader<'a> {
    /// Opens the ledger in `storage` under its latest checkpoint, which `key` must have signed.
    ///
    /// # Errors
    /// If there is none, or it is not signed so.
    pub fn open(storage: &'a dyn Storage, key: &VerifierKey) -> Result<Self, ReadError> {
        let note = String::from_utf8(read(storage, CHECKPOINT)?)
            .map_err(|_| ReadError::damaged(CHECKPOINT, "is not UTF-8"))?;
        let checkpoint = Checkpoint::open(&note, key)?;
        Ok(Self { storage, note, checkpoint, tiles: RefCell::default() })
    }

    /// The checkpoint.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Records from `from` on, at most `limit`.
    ///
    /// # Errors
    /// If a bundle is missing or damaged.
    pub fn records(&self, from: u64, limit: usize) -> Result<Vec<Stored>, ReadError> {
        read_entries(self.storage, from, self.checkpoint.size, limit)
    }

    /// The bytes of a record.
    ///
    /// # Errors
    /// If there is none of this index, or its bundle is damaged.
    pub fn record(&self, index: u64) -> Result<Stored, ReadError> {
        let missing = ReadError::Index { index, size: self.checkpoint.size };
        self.records(index, 1)?.pop().ok_or(missing)
    }

    /// The proof that a record is in the log; checked before it is handed out.
    ///
    /// # Errors
    /// If there is no such record, or the files around it are damaged.
    pub fn proof(&self, index: u64) -> Result<TlogProof, ReadError> {
        let record = self.record(index)?;
        let size = self.checkpoint.size;
        let path = tree::inclusion(index, size, self)?;
        tree::verify_inclusion(leaf_hash(&record.leaf), index, size, self.checkpoint.root, &path).map_err(
            |_| {
                let file = Row::Entries.tile_of(index, size).map_or_else(String::new, Tile::path);
                ReadError::damaged(file, "its record does not hash to the checkpoint's root")
            },
        )?;
        Ok(TlogProof { index, path, checkpoint: self.note.clone() })
    }

    /// The proof that this log begins with the tree of its first `old` records.
    ///
    /// # Errors
    /// If there are not so many, or a tile is damaged.
    pub fn consistency(&self, old: u64) -> Result<Vec<Digest>, ReadError> {
        let size = self.checkpoint.size;
        if old > size {
            return Err(ReadError::Index { index: old, size });
        }
        tree::consistency(old, size, self)
    }
}

impl Nodes for LogReader<'_> {
    type Error = ReadError;

    fn node(&self, level: u32, index: u64) -> Result<Digest, ReadError> {
        let missing = ReadError::Index { index, size: self.checkpoint.size };
        let row = u8::try_from(level / TILE_HEIGHT).map(Row::Level);
        let Ok(row) = row else { return Err(missing) };
        let within = level % TILE_HEIGHT;
        let first = index << within;
        let Some(tile) = row.tile_of(first, self.checkpoint.size) else { return Err(missing) };
        let mut tiles = self.tiles.borrow_mut();
        let hashes = match tiles.entry(tile) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(slot) => slot.insert(read_hashes(self.storage, tile)?),
        };
        let at = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
        let row = hashes.get(at..at.saturating_add(1 << within)).ok_or(missing)?;
        Ok(perfect_root(row.to_vec()))
    }
}
