//! The `commit` thread: takes what waits, gives each record its index, its id and the link to its session's record before, and writes
//! all of it as one frame. It never syncs, except when a segment is full.

use std::{collections::HashMap, io, sync::Arc, time::Instant};

use aws_lc_rs::rand;
use bailiwick_core::{Digest, RecordId, SessionId, Timestamp};

use super::{
    Durability, Receipt,
    state::{Request, Shared, State, Waiter, Written},
};
use crate::{
    record::prefix,
    storage::{Storage, StorageFile},
    tile,
    tree::leaf_hash,
    wal,
};

/// The last record of each session that has not ended.
pub(super) type Chains = HashMap<SessionId, Digest>;

/// Bytes of records in one frame, roughly.
const MAX_FRAME: usize = 512 << 10;
/// The first segment after a start is small: a start should not wait for a large file of zeros.
const FIRST_SEGMENT: u64 = 1 << 20;
/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Segment {
    file: Arc<dyn StorageFile>,
    at: u64,
    pub(super) length: u64,
    seal: Digest,
}

impl Segment {
    /// The segment a start begins with.
    pub(super) fn first(storage: &dyn Storage, first: u64, length: u64) -> io::Result<Self> {
        let length = length.min(FIRST_SEGMENT);
        let path = wal::segment_path(first);
        write_zeros(storage, &path, length)?;
        storage.sync_dir("")?;
        storage.sync_dir(wal::DIR)?;
        Ok(Self { file: storage.open(&path)?, at: 0, length, seal: wal::genesis(first) })
    }

    /// The segment after, in the spare file if there is one. Its name is durable before anything in it is.
    fn next(storage: &dyn Storage, first: u64, length: u64, spare: Option<String>) -> io::Result<Self> {
        let path = wal::segment_path(first);
        match spare {
            Some(spare) => storage.rename(&spare, &path)?,
            None => write_zeros(storage, &path, length)?,
        }
        storage.sync_dir(wal::DIR)?;
        Ok(Self { file: storage.open(&path)?, at: 0, length, seal: wal::genesis(first) })
    }
}

/// A file of zeros, on the disk: writing over them later changes no metadata, so a sync of it is one write.
pub(super) fn write_zeros(storage: &dyn Storage, path: &str, length: u64) -> io::Result<()> {
    storage.write(path, &vec![0; usize::try_from(length).unwrap_or(usize::MAX)])?;
    storage.sync_file(path)
}

/// What one frame is made of.
#[derive(Default)]
struct Batch {
    payload: Vec<u8>,
    hashes: Vec<Digest>,
    records: Vec<Written>,
    bodies: usize,
}

pub(super) fn run(shared: &Shared, mut segment: Segment, mut chains: Chains) {
    loop {
        let (requests, first, durable) = {
            let mut state = shared.state();
            while !ready(&state) {
                if state.failed.is_some() || (state.closing && state.pending.is_empty()) {
                    state.committed_all = true;
                    drop(state);
                    shared.to_sync.notify_all();
                    return;
                }
                state = Shared::wait(&shared.to_commit, state, None);
            }
            let requests = take(&mut state);
            (requests, state.written, state.stable)
        };
        let (batch, receipts) = assemble(requests, first, &mut chains);
        let written = write(shared, &mut segment, first, durable, &batch);
        match written {
            Ok(()) => finish(shared, &segment, batch, receipts),
            Err(error) => shared.fail(&format!("cannot write to the write-ahead log: {error}")),
        }
    }
}

/// Whether to write now. While a sync runs, records that must be durable can wait for its end: they will share the next one.
fn ready(state: &State) -> bool {
    state.failed.is_none()
        && !state.pending.is_empty()
        && (!state.syncing
            || state.closing
            || state.pending.iter().any(|request| request.waiter.durability == Durability::Written))
}

struct Taken {
    at: Timestamp,
    session: Option<SessionId>,
    closes: bool,
    body: Vec<u8>,
}

fn take(state: &mut State) -> Vec<Taken> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    while bytes < MAX_FRAME
        && let Some(Request { at, session, closes, body, waiter }) = state.pending.pop_front()
    {
        bytes += body.len();
        taken.push(Taken { at, session, closes, body });
        state.in_hand.push(waiter);
    }
    taken
}

fn assemble(requests: Vec<Taken>, first: u64, chains: &mut Chains) -> (Batch, Vec<Receipt>) {
    let mut batch = Batch::default();
    let mut receipts = Vec::with_capacity(requests.len());
    for (index, request) in (first..).zip(requests) {
        let prev = request.session.and_then(|session| chains.get(&session).copied());
        let leaf = prefix(record_id(request.at), prev, &request.body);
        let hash = leaf_hash(&leaf);
        match request.session {
            Some(session) if request.closes => drop(chains.remove(&session)),
            Some(session) => drop(chains.insert(session, hash)),
            None => {}
        }
        // Cannot fail: appends bound a record's length far below a bundle's limit.
        let fits = tile::push_entry(&mut batch.payload, &leaf);
        debug_assert!(fits, "records are bounded when they are appended");
        batch.bodies += request.body.len();
        batch.hashes.push(hash);
        batch.records.push(Written {
            leaf: leaf.into(),
            hash,
            session: request.session,
            closes: request.closes,
        });
        receipts.push(Receipt { index, leaf: hash });
    }
    (batch, receipts)
}

/// A UUIDv7 of the record's own time. Were there no random bytes, its counter part would be zero: the index is the identity.
fn record_id(at: Timestamp) -> RecordId {
    let mut random = [0; 10];
    let _zeros = rand::fill(&mut random);
    let millis = u64::try_from(at.as_micros() / 1000).unwrap_or_default();
    RecordId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

fn write(shared: &Shared, segment: &mut Segment, first: u64, durable: u64, batch: &Batch) -> io::Result<()> {
    let length = wal::frame_len(batch.payload.len()) as u64;
    if segment.at + length > segment.length {
        roll(shared, segment, first, length)?;
    }
    let (bytes, seal) = wal::encode(first, durable, &segment.seal, &batch.payload, &batch.hashes)
        .ok_or_else(|| io::Error::other("a frame has more records than its header can count"))?;
    segment.file.write_at(segment.at, &bytes)?;
    segment.at += length;
    segment.seal = seal;
    Ok(())
}

fn roll(shared: &Shared, segment: &mut Segment, first: u64, frame: u64) -> io::Result<()> {
    let length = shared.options.segment.max(frame);
    let spare = {
        let mut state = shared.state();
        if length == shared.options.segment { state.spare.take() } else { None }
    };
    *segment = Segment::next(shared.storage.as_ref(), first, length, spare)?;
    let mut state = shared.state();
    state.segments.push_back((first, length));
    Ok(())
}

/// Hands on what is written: to `sync`, to `tiles`, and to those who need no more than that.
fn finish(shared: &Shared, segment: &Segment, batch: Batch, receipts: Vec<Receipt>) {
    let mut state = shared.state();
    let mut acknowledged = Vec::new();
    let in_hand: Vec<Waiter> = std::mem::take(&mut state.in_hand);
    let mut stable_wanted = false;
    for (mut waiter, receipt) in in_hand.into_iter().zip(receipts) {
        waiter.receipt = Some(receipt);
        match waiter.durability {
            Durability::Written => acknowledged.push(waiter),
            Durability::Stable => {
                stable_wanted = true;
                state.waiting.push_back(waiter);
            }
        }
    }
    if state.failed.is_some() {
        // Failed meanwhile: whoever was in hand has been told.
        return;
    }
    state.backlog = state.backlog.saturating_sub(batch.bodies);
    state.backlog += batch.records.iter().map(|record| record.leaf.len()).sum::<usize>();
    state.written += batch.records.len() as u64;
    state.recent.extend(batch.records);
    if !state.unsynced.iter().any(|file| Arc::ptr_eq(file, &segment.file)) {
        state.unsynced.push(segment.file.clone());
    }
    state.spare_wanted = segment.at > segment.length / 2 && state.spare.is_none();
    let first_unsynced = state.unsynced_since.is_none();
    state.unsynced_since.get_or_insert_with(Instant::now);
    let settling = state.settle > state.stable;
    drop(state);
    for mut waiter in acknowledged {
        waiter.acknowledge();
    }
    if stable_wanted || first_unsynced || settling {
        shared.to_sync.notify_one();
    }
}
