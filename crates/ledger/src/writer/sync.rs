//! The `sync` thread: one sync for all that was written since the last, then the acknowledgements.

use std::time::Instant;

use super::state::{Shared, Waiter};

pub(super) fn run(shared: &Shared) {
    loop {
        let (files, target) = {
            let mut state = shared.state();
            loop {
                if state.failed.is_some() || (state.committed_all && state.stable == state.written) {
                    state.synced_all = true;
                    drop(state);
                    shared.progress.notify_all();
                    shared.to_time.notify_all();
                    return;
                }
                let due = state.unsynced_since.map(|since| since + shared.options.written_within);
                let urgent = !state.waiting.is_empty() || state.closing || state.settle > state.stable;
                if state.stable < state.written && (urgent || due.is_some_and(|due| due <= Instant::now())) {
                    break;
                }
                state = Shared::wait(&shared.to_sync, state, due);
            }
            state.syncing = true;
            state.unsynced_since = None;
            (std::mem::take(&mut state.unsynced), state.written)
        };
        // Older segments first, so that nothing durable follows something lost.
        if let Err(error) = files.iter().try_for_each(|file| file.sync()) {
            shared.fail(&format!("cannot sync the write-ahead log: {error}"));
            continue;
        }
        acknowledge(shared, target);
    }
}

fn acknowledge(shared: &Shared, target: u64) {
    let mut state = shared.state();
    state.syncing = false;
    if state.failed.is_some() {
        return;
    }
    state.stable = target;
    state.dirty_since.get_or_insert_with(Instant::now);
    let covered = |waiter: &Waiter| waiter.receipt.is_none_or(|receipt| receipt.index < target);
    let count = state.waiting.iter().take_while(|waiter| covered(waiter)).count();
    let done: Vec<_> = state.waiting.drain(..count).collect();
    drop(state);
    shared.to_commit.notify_one();
    for mut waiter in done {
        waiter.acknowledge();
    }
    shared.progress.notify_all();
}
