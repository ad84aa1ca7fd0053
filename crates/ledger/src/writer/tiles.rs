//! The `tiles` thread: folds durable records into the tree's files, publishes a signed checkpoint over them, and lets go of the
//! segments that are no longer needed.
//!
//! A tile or bundle is written under its final name: its bytes depend on nothing but the records under it, and no checkpoint speaks of
//! it until it is durable, so after a crash it is complete, or not yet spoken of and written again. The checkpoint is replaced in one
//! step. A segment goes only after the checkpoint that covers it is durable.

use std::{io, time::Instant};

use super::{
    commit::{Chains, write_zeros},
    state::{Shared, Written},
};
use crate::{
    checkpoint::Checkpoint,
    edge::Edge,
    layout::{CHECKPOINT, heads_path},
    signer::Signer,
    storage::Storage,
    tile::{Row, TILE_WIDTH, Tile},
    wal,
};

/// Records folded in one step at most.
pub(super) const MAX_FOLD: usize = 16_384;

/// The tree as far as it is folded.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub(super) edge: Edge,
    pub(super) chains: Chains,
}

impl Tree {
    /// Folds `records` in and publishes a checkpoint over them; its signed text.
    pub(super) fn publish(
        &mut self,
        storage: &dyn Storage,
        signer: &Signer,
        records: impl IntoIterator<Item = Written>,
    ) -> io::Result<String> {
        let since = self.edge.size();
        let mut files = Vec::new();
        for record in records {
            if !self.edge.push(&record.leaf, record.hash, &mut files) {
                return Err(io::Error::other("a record is longer than a bundle can hold"));
            }
            match record.session {
                Some(session) if record.closes => drop(self.chains.remove(&session)),
                Some(session) => drop(self.chains.insert(session, record.hash)),
                None => {}
            }
        }
        files.extend(self.edge.partial(since));
        let size = self.edge.size();
        let mut paths = vec![heads_path(size)];
        storage.write(&paths[0], &serde_json::to_vec(&self.chains)?)?;
        for (tile, bytes) in files {
            storage.write(&tile.path(), &bytes)?;
            paths.push(tile.path());
        }
        storage.sync_files(&paths)?;
        let checkpoint =
            Checkpoint { origin: signer.verifier().name().to_owned(), size, root: self.edge.root() };
        let note = signer.sign(&checkpoint);
        storage.replace(CHECKPOINT, note.as_bytes())?;
        self.prune(storage, since)?;
        Ok(note)
    }

    /// Removes what the tree of `since` leaves needed and this one does not: partial versions of tiles that are full now.
    fn prune(&self, storage: &dyn Storage, since: u64) -> io::Result<()> {
        let size = self.edge.size();
        if since != size {
            storage.remove(&heads_path(since))?;
        }
        let levels = (0u8..).take(Edge::height(since)).map(Row::Level);
        for row in std::iter::once(Row::Entries).chain(levels) {
            let (number, width) = (row.len(since) / TILE_WIDTH, row.len(since) % TILE_WIDTH);
            if width > 0 && row.len(size) / TILE_WIDTH > number {
                storage.remove(&Tile { row, number, width: 256 }.partials())?;
            }
        }
        Ok(())
    }
}

pub(super) fn run(shared: &Shared, mut tree: Tree, signer: &Signer) {
    while let Some(records) = next(shared) {
        let count = records.len();
        let published = tree
            .publish(shared.storage.as_ref(), signer, records)
            .and_then(|note| release(shared, count, note))
            .and_then(|()| prepare_spare(shared));
        if let Err(error) = published {
            shared.fail(&format!("cannot write the tree: {error}"));
        }
    }
    shared.progress.notify_all();
}

/// The records to fold next, once it is time; `None` at the end.
fn next(shared: &Shared) -> Option<Vec<Written>> {
    let mut state = shared.state();
    loop {
        if state.failed.is_some() || (state.synced_all && state.integrated == state.stable) {
            return None;
        }
        let due = state.dirty_since.map(|since| since + shared.options.checkpoint_every);
        let wanted = state.publish > state.integrated || state.closing;
        if state.integrated < state.stable && (wanted || due.is_some_and(|due| due <= Instant::now())) {
            let count = usize::try_from(state.stable - state.integrated).unwrap_or(MAX_FOLD);
            return Some(state.recent.range(..count.min(MAX_FOLD)).cloned().collect());
        }
        state = Shared::wait(&shared.progress, state, due);
    }
}

/// Lets go of the first `count` recent records, which a durable checkpoint covers now, and of the segments that held them.
fn release(shared: &Shared, count: usize, note: String) -> io::Result<()> {
    let mut state = shared.state();
    state.integrated += count as u64;
    let bytes: usize = state.recent.drain(..count).map(|record| record.leaf.len()).sum();
    state.backlog = state.backlog.saturating_sub(bytes);
    state.note = note;
    state.dirty_since = (state.integrated < state.stable).then(Instant::now);
    let mut released = Vec::new();
    while state.segments.get(1).is_some_and(|(first, _)| *first <= state.integrated) {
        released.extend(state.segments.pop_front());
    }
    let mut spare = state.spare.is_some();
    drop(state);
    for (first, length) in released {
        let path = wal::segment_path(first);
        if spare || length != shared.options.segment {
            shared.storage.remove(&path)?;
        } else {
            let ready = format!("{}/{first:020}.spare", wal::DIR);
            shared.storage.rename(&path, &ready)?;
            spare = true;
            shared.state().spare = Some(ready);
        }
    }
    shared.progress.notify_all();
    Ok(())
}

/// Lays a segment ready before it is needed, so that committing need not wait for a file of zeros.
fn prepare_spare(shared: &Shared) -> io::Result<()> {
    let ready = {
        let mut state = shared.state();
        if !std::mem::take(&mut state.spare_wanted) || state.spare.is_some() {
            return Ok(());
        }
        format!("{}/{:020}.fresh", wal::DIR, state.integrated)
    };
    write_zeros(shared.storage.as_ref(), &ready, shared.options.segment)?;
    shared.state().spare = Some(ready);
    Ok(())
}
