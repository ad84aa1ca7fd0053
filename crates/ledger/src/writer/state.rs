//! What the writer's threads share, under one lock that is never held over any I/O.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bailiwick_core::{Digest, SessionId, Timestamp};
use tokio::sync::oneshot;

use super::{AppendError, Durability, Options, Receipt, Stored};
use crate::{
    note::VerifierKey,
    storage::{Storage, StorageFile},
};

/// One append that nobody has written yet.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) at: Timestamp,
    pub(super) session: Option<SessionId>,
    pub(super) closes: bool,
    pub(super) body: Vec<u8>,
    pub(super) waiter: Waiter,
}

/// Whoever waits for an append.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) deadline: Instant,
    pub(super) durability: Durability,
    pub(super) receipt: Option<Receipt>,
    pub(super) done: Option<oneshot::Sender<Result<Receipt, AppendError>>>,
}

impl Waiter {
    /// Answers, once. Whoever stopped waiting is no concern of ours.
    pub(super) fn answer(&mut self, answer: Result<Receipt, AppendError>) {
        if let Some(done) = self.done.take() {
            let _gone = done.send(answer);
        }
    }

    pub(super) fn acknowledge(&mut self) {
        if let Some(receipt) = self.receipt {
            self.answer(Ok(receipt));
        }
    }
}

/// A record that is written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) leaf: Arc<[u8]>,
    pub(super) hash: Digest,
    pub(super) session: Option<SessionId>,
    pub(super) closes: bool,
}

#[derive(Debug)]
pub(super) struct State {
    /// Not yet taken by `commit`.
    pub(super) pending: VecDeque<Request>,
    /// Being written by `commit`.
    pub(super) in_hand: Vec<Waiter>,
    /// Written, waiting for `sync`; their indexes rise.
    pub(super) waiting: VecDeque<Waiter>,
    /// Bytes in `pending` and in `recent`.
    pub(super) backlog: usize,
    /// How many records are written, durable, and under the latest checkpoint.
    pub(super) written: u64,
    pub(super) stable: u64,
    pub(super) integrated: u64,
    /// The records from `integrated` to `written`.
    pub(super) recent: VecDeque<Written>,
    /// Files with bytes that are not yet synced.
    pub(super) unsynced: Vec<Arc<dyn StorageFile>>,
    /// Since when there are any.
    pub(super) unsynced_since: Option<Instant>,
    pub(super) syncing: bool,
    /// Somebody waits until this many are stable.
    pub(super) settle: u64,
    /// Segments of the write-ahead log: first record and length.
    pub(super) segments: VecDeque<(u64, u64)>,
    /// A segment that lies ready for its next use, under a name that no other ever has; and whether there should be one.
    pub(super) spare: Option<String>,
    pub(super) spare_wanted: bool,
    /// Since when records wait for a checkpoint.
    pub(super) dirty_since: Option<Instant>,
    /// Somebody waits for a checkpoint over this many.
    pub(super) publish: u64,
    pub(super) note: String,
    pub(super) failed: Option<Arc<str>>,
    pub(super) closing: bool,
    pub(super) committed_all: bool,
    pub(super) synced_all: bool,
    /// Whether `deadline` sleeps without a time.
    pub(super) time_asleep: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) key: VerifierKey,
    pub(super) options: Options,
    state: Mutex<State>,
    /// There is something for `commit`.
    pub(super) to_commit: Condvar,
    /// There is something for `sync`.
    pub(super) to_sync: Condvar,
    /// There is something for `tiles`, or for whoever follows the ledger.
    pub(super) progress: Condvar,
    /// There is something for `deadline`.
    pub(super) to_time: Condvar,
}

impl Shared {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        key: VerifierKey,
        options: Options,
        (size, segment): (u64, u64),
        note: String,
    ) -> Self {
        let state = State {
            pending: VecDeque::new(),
            in_hand: Vec::new(),
            waiting: VecDeque::new(),
            backlog: 0,
            written: size,
            stable: size,
            integrated: size,
            recent: VecDeque::new(),
            unsynced: Vec::new(),
            unsynced_since: None,
            syncing: false,
            settle: 0,
            segments: VecDeque::from([(size, segment)]),
            spare: None,
            spare_wanted: false,
            dirty_since: None,
            publish: 0,
            note,
            failed: None,
            closing: false,
            committed_all: false,
            synced_all: false,
            time_asleep: false,
        };
        Self {
            storage,
            key,
            options,
            state: Mutex::new(state),
            to_commit: Condvar::new(),
            to_sync: Condvar::new(),
            progress: Condvar::new(),
            to_time: Condvar::new(),
        }
    }

    /// The state. No code that holds it can panic half-way through a change, so a poisoned lock is still whole.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn submit(&self, request: Request) -> Result<(), AppendError> {
        let mut state = self.state();
        if let Some(reason) = &state.failed {
            return Err(AppendError::Failed(reason.clone()));
        }
        if state.closing {
            return Err(AppendError::Closed);
        }
        if state.backlog > self.options.backlog {
            return Err(AppendError::Backlog { bytes: state.backlog });
        }
        state.backlog += request.body.len();
        state.pending.push_back(request);
        if std::mem::take(&mut state.time_asleep) {
            self.to_time.notify_one();
        }
        drop(state);
        self.to_commit.notify_one();
        Ok(())
    }

    /// Ends everything: whoever waits is told, whoever comes is refused.
    pub(super) fn fail(&self, reason: &str) {
        let mut state = self.state();
        let reason: Arc<str> = state.failed.get_or_insert_with(|| reason.into()).clone();
        let pending: Vec<_> = state.pending.drain(..).map(|request| request.waiter).collect();
        let in_hand = std::mem::take(&mut state.in_hand);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for mut waiter in pending.into_iter().chain(in_hand).chain(waiting) {
            waiter.answer(Err(AppendError::Failed(reason.clone())));
        }
        self.wake();
    }

    pub(super) fn close(&self) {
        self.state().closing = true;
        self.wake();
    }

    fn wake(&self) {
        self.to_commit.notify_all();
        self.to_sync.notify_all();
        self.progress.notify_all();
        self.to_time.notify_all();
    }

    /// Waits on `condition`, at most until `until`.
    pub(super) fn wait<'a>(
        condition: &Condvar,
        state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        match until {
            None => condition.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                condition.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    pub(super) fn settle(&self, timeout: Duration) -> u64 {
        let target = {
            let mut state = self.state();
            let waiting = state.pending.len() + state.in_hand.len();
            let target = state.written + waiting as u64;
            state.settle = state.settle.max(target);
            target
        };
        self.to_sync.notify_one();
        target.checked_sub(1).map_or(0, |last| self.wait_beyond(last, timeout))
    }

    pub(super) fn wait_beyond(&self, count: u64, timeout: Duration) -> u64 {
        let until = Instant::now() + timeout;
        let mut state = self.state();
        while state.stable <= count && !state.closing && state.failed.is_none() && Instant::now() < until {
            state = Self::wait(&self.progress, state, Some(until));
        }
        state.stable
    }

    /// Stable records from `from` on, if they are still in memory; `None` if they are only in bundles.
    pub(super) fn recent(&self, from: u64, limit: usize) -> Option<Vec<Stored>> {
        let state = self.state();
        if from >= state.stable {
            return Some(Vec::new());
        }
        let skip = usize::try_from(from.checked_sub(state.integrated)?).ok()?;
        let stable = usize::try_from(state.stable - state.integrated).ok()?;
        let records = state.recent.range(skip..stable.min(skip.saturating_add(limit)));
        Some(
            (from..)
                .zip(records)
                .map(|(index, record)| Stored { index, leaf: record.leaf.clone() })
                .collect(),
        )
    }

    pub(super) fn publish(&self) -> Result<String, AppendError> {
        let mut state = self.state();
        let target = state.stable;
        state.publish = state.publish.max(target);
        self.progress.notify_all();
        while state.integrated < target {
            if let Some(reason) = &state.failed {
                return Err(AppendError::Failed(reason.clone()));
            }
            state = Self::wait(&self.progress, state, None);
        }
        Ok(state.note.clone())
    }
}
