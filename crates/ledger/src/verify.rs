//! Checking a whole ledger, offline and from nothing but its files: every record is hashed anew, every tile recomputed, the checkpoint's
//! signature checked, every session's chain followed, every outcome joined to its attempt.
//!
//! What it proves is that the ledger is whole and was signed with the key it is checked against. Whoever owns the machine owns that key
//! and could write another whole ledger; only a checkpoint that somebody outside keeps rules that out, and the report says so.

use std::{
    collections::HashMap,
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
};

use bailiwick_core::{Digest, SessionId};
use serde::Serialize;

use crate::{
    checkpoint::Checkpoint,
    edge::Edge,
    note::VerifierKey,
    reader::{self, LogReader, ReadError},
    record::Pairing,
    storage::Storage,
    tile::{self, Row, TILE_WIDTH, Tile},
    tree::{leaf_hash, perfect_root},
    wal,
};

/// What a ledger that nobody outside has witnessed proves.
const NO_WITNESS: &str = "no outside witness has signed the checkpoint: this shows that the ledger is whole, and is no proof \
    against the owner of this machine";
/// Bundles that wait for the joining thread, for each hashing thread.
const AHEAD: usize = 16;

/// What checking a ledger found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Report {
    /// Whether everything fits.
    pub ok: bool,
    /// How many records were checked.
    pub records: u64,
    /// The root of the tree of those records.
    pub root: Digest,
    /// The log's name.
    pub origin: String,
    /// How many of the records are under the signed checkpoint; the others are in the write-ahead log.
    pub checkpoint: u64,
    /// Attempts, decided whichever way.
    pub attempts: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// Permitted attempts without an outcome: under way, or cut off by a crash.
    pub unknown_outcomes: u64,
    /// Cosignatures by outside witnesses.
    pub witnesses: u64,
    /// What does not fit, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// What this proves and what not.
    pub note: String,
}

/// Something does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// The file it was found in, below the ledger's directory.
    pub file: String,
    /// The record it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// What it is.
    pub detail: String,
}

/// Checks the ledger in `storage`. Its checkpoint must be signed by `key`, or, where none is given, by the key beside the log.
///
/// Never fails: whatever is wrong is the report's [`Report::problem`].
pub fn verify(storage: &dyn Storage, key: Option<&VerifierKey>) -> Report {
    let mut check = Check::default();
    let (origin, size, problem) = match check.run(storage, key) {
        Ok(checkpoint) => (checkpoint.origin, checkpoint.size, None),
        Err(problem) => (key.map_or_else(String::new, |key| key.name().to_owned()), 0, Some(problem)),
    };
    Report {
        ok: problem.is_none(),
        records: check.edge.size(),
        root: check.edge.root(),
        origin,
        checkpoint: size,
        attempts: check.attempts,
        outcomes: check.outcomes,
        unknown_outcomes: check.open.len() as u64,
        witnesses: 0,
        problem,
        note: NO_WITNESS.to_owned(),
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let (file, index, detail) = match error {
            ReadError::Checkpoint(error) => ("checkpoint".to_owned(), None, error.to_string()),
            ReadError::Damaged { file, detail } => (file, None, detail.to_owned()),
            ReadError::Index { index, size } => {
                ("checkpoint".to_owned(), Some(index), format!("covers {size} records"))
            }
            ReadError::Io { file, source } => (file, None, source.to_string()),
        };
        Self { file, index, detail }
    }
}

/// What one record says of others.
#[derive(Debug)]
struct Fact {
    leaf: Digest,
    session: Option<SessionId>,
    prev: Option<Digest>,
    link: Link,
}

#[derive(Debug, PartialEq, Eq)]
enum Link {
    /// An attempt that may take effect.
    Permitted,
    /// An attempt that may not.
    Stopped,
    /// The end of the attempt at this index with this leaf hash.
    Outcome(u64, Digest),
    /// The end of a session.
    Closed,
    Other,
}

/// A bundle that was hashed and compared with its tile.
#[derive(Debug)]
struct Hashed {
    facts: Vec<Fact>,
    /// The root of a full bundle.
    root: Option<Digest>,
}

#[derive(Debug, Default)]
struct Check {
    edge: Edge,
    chains: HashMap<SessionId, Digest>,
    /// Permitted attempts without an outcome, by index.
    open: HashMap<u64, Digest>,
    attempts: u64,
    outcomes: u64,
}

impl Check {
    fn run(&mut self, storage: &dyn Storage, key: Option<&VerifierKey>) -> Result<Checkpoint, Problem> {
        let stored = reader::stored_key(storage)?;
        let key = key.unwrap_or(&stored);
        let log = LogReader::open(storage, key)?;
        let checkpoint = log.checkpoint().clone();
        self.bundles(storage, checkpoint.size)?;
        if self.edge.root() != checkpoint.root {
            let detail = "its root is not that of the records".to_owned();
            return Err(Problem { file: "checkpoint".to_owned(), index: None, detail });
        }
        self.tail(storage, key, &checkpoint)?;
        Ok(checkpoint)
    }

    /// Everything under the checkpoint: hashed by as many threads as there are processors, joined in order by this one.
    fn bundles(&mut self, storage: &dyn Storage, size: u64) -> Result<(), Problem> {
        let count = size.div_ceil(TILE_WIDTH);
        let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
        thread::scope(|scope| {
            let workers: Vec<Receiver<Result<Hashed, Problem>>> = (0..threads)
                .map(|worker| {
                    let (sender, receiver) = mpsc::sync_channel(AHEAD);
                    let mine = (worker..count).step_by(usize::try_from(threads).unwrap_or(1));
                    scope.spawn(move || hash_bundles(storage, size, mine, &sender));
                    receiver
                })
                .collect();
            for (number, worker) in (0..count).zip(workers.iter().cycle()) {
                let hashed = worker.recv().unwrap_or_else(|_| Err(stopped(number)))?;
                self.join(storage, number, &hashed)?;
            }
            Ok::<(), Problem>(())
        })?;
        let partial = self.edge.partial(0).into_iter().filter(|(tile, _)| tile.row != Row::Entries);
        partial.into_iter().try_for_each(|(tile, bytes)| compare(storage, tile, &bytes))
    }

    /// Takes a bundle's records into the tree; compares the tiles that it completes.
    fn join(&mut self, storage: &dyn Storage, number: u64, hashed: &Hashed) -> Result<(), Problem> {
        let mut full = Vec::new();
        for (index, fact) in (number * TILE_WIDTH..).zip(&hashed.facts) {
            self.follow(index, fact)?;
            if hashed.root.is_none() {
                // Only hashes matter from here on: the bundle itself was compared.
                self.edge.push(&[], fact.leaf, &mut full);
            }
        }
        if let Some(root) = hashed.root {
            self.edge.push_tile(root, &mut full);
        }
        full.into_iter().try_for_each(|(tile, bytes)| compare(storage, tile, &bytes))
    }

    /// Follows the record's links to those before it.
    fn follow(&mut self, index: u64, fact: &Fact) -> Result<(), Problem> {
        let wrong = |detail: &str| Problem {
            file: tile_of(index).full().path(),
            index: Some(index),
            detail: detail.to_owned(),
        };
        if let Some(session) = fact.session {
            let before = if fact.link == Link::Closed {
                self.chains.remove(&session)
            } else {
                self.chains.insert(session, fact.leaf)
            };
            if before != fact.prev {
                return Err(wrong("does not follow on its session's record before"));
            }
        }
        match fact.link {
            Link::Permitted => {
                self.attempts += 1;
                self.open.insert(index, fact.leaf);
            }
            Link::Stopped => self.attempts += 1,
            Link::Outcome(attempt, leaf) => {
                self.outcomes += 1;
                if self.open.remove(&attempt) != Some(leaf) {
                    return Err(wrong(
                        "is the outcome of an attempt that is not there, or has another outcome already",
                    ));
                }
            }
            Link::Closed | Link::Other => {}
        }
        Ok(())
    }

    /// The records that are only in the write-ahead log as yet.
    fn tail(
        &mut self,
        storage: &dyn Storage,
        key: &VerifierKey,
        checkpoint: &Checkpoint,
    ) -> Result<(), Problem> {
        let tail = reader::log_tail(storage, checkpoint.size)?;
        if *LogReader::open(storage, key)?.checkpoint() != *checkpoint {
            // A writer is at work and has moved on: what was checked is what was there at the start.
            return Ok(());
        }
        let end = checkpoint.size + tail.leaves.len() as u64;
        if tail.durable > end {
            return Err(Problem {
                file: wal::segment_path(tail.last.unwrap_or(end)),
                index: Some(end),
                detail: "was acknowledged and is missing or damaged".to_owned(),
            });
        }
        for (index, (leaf, hash)) in (checkpoint.size..).zip(tail.leaves) {
            let fact = fact(&leaf, hash).ok_or_else(|| Problem {
                file: wal::DIR.to_owned(),
                index: Some(index),
                detail: "is no record".to_owned(),
            })?;
            self.follow(index, &fact)?;
            self.edge.push(&leaf, hash, &mut Vec::new());
        }
        Ok(())
    }
}

fn stopped(number: u64) -> Problem {
    let file = Tile { row: Row::Entries, number, width: 256 }.path();
    Problem { file, index: None, detail: "the thread that read it stopped".to_owned() }
}

fn tile_of(index: u64) -> Tile {
    Tile { row: Row::Entries, number: index / TILE_WIDTH, width: 256 }
}

fn compare(storage: &dyn Storage, tile: Tile, expected: &[u8]) -> Result<(), Problem> {
    // Level 0 was compared where its bundle was hashed.
    if tile.row == Row::Level(0) || reader::read_tile(storage, tile)? == expected {
        return Ok(());
    }
    let detail = "is not what the records hash to".to_owned();
    Err(Problem { file: tile.path(), index: None, detail })
}

fn hash_bundles(
    storage: &dyn Storage,
    size: u64,
    numbers: impl Iterator<Item = u64>,
    sender: &SyncSender<Result<Hashed, Problem>>,
) {
    for number in numbers {
        let hashed = hash_bundle(storage, size, number);
        let last = hashed.is_err();
        // Nobody listens any more once a problem was found.
        if sender.send(hashed).is_err() || last {
            return;
        }
    }
}

fn hash_bundle(storage: &dyn Storage, size: u64, number: u64) -> Result<Hashed, Problem> {
    let first = number * TILE_WIDTH;
    let Some(bundle) = Row::Entries.tile_of(first, size) else { return Err(stopped(number)) };
    let wrong = |index: u64, detail: &str| Problem {
        file: bundle.path(),
        index: Some(index),
        detail: detail.to_owned(),
    };
    let bytes = reader::read_tile(storage, bundle)?;
    let stored = reader::read_hashes(storage, Tile { row: Row::Level(0), ..bundle })?;
    let mut facts = Vec::with_capacity(stored.len());
    let mut expected = stored.iter();
    for (index, leaf) in (first..).zip(tile::entries(&bytes)) {
        let leaf = leaf.ok_or_else(|| wrong(index, "the bundle ends within it"))?;
        let hash = leaf_hash(leaf);
        if expected.next() != Some(&hash) {
            return Err(wrong(index, "does not hash to its leaf in the tree"));
        }
        facts.push(fact(leaf, hash).ok_or_else(|| wrong(index, "is no record of a known form"))?);
    }
    if facts.len() != stored.len() {
        return Err(wrong(first + facts.len() as u64, "is missing from its bundle"));
    }
    Ok(Hashed { facts, root: bundle.is_full().then(|| perfect_root(stored)) })
}

fn fact(leaf: &[u8], hash: Digest) -> Option<Fact> {
    let record: Pairing = serde_json::from_slice(leaf).ok().filter(|record: &Pairing| record.v == 1)?;
    let link = match record.kind.as_ref() {
        "attempt" if record.decision?.decision == "permit" => Link::Permitted,
        "attempt" => Link::Stopped,
        "outcome" => record.attempt.map(|attempt| Link::Outcome(attempt.index, attempt.leaf))?,
        "session_closed" => Link::Closed,
        _ => Link::Other,
    };
    Some(Fact { leaf: hash, session: record.session, prev: record.prev, link })
}
