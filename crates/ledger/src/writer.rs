//! The writer: appends records so that what it acknowledged cannot be lost, and grows the tree behind it.
//!
//! Four threads share one state. `commit` gives indexes, links a session's records and writes frames to the write-ahead log; `sync`
//! makes them durable, many at once, and acknowledges; `tiles` folds durable records into bundles, tiles and a signed checkpoint, and
//! only then lets go of the log's segments; `deadline` answers those who waited too long. Committing never waits for tiles.
//!
//! What must never happen: an acknowledgement of something that is not where it was promised to be. So one failed write or sync ends
//! it: every append from then on is refused until the ledger is opened, and checked, anew.

use std::{
    borrow::Borrow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bailiwick_core::Digest;
use tokio::sync::oneshot;

use crate::{
    note::VerifierKey,
    reader::{self, ReadError},
    record::{AttemptRef, MAX_RECORD, Record},
    signer::Signer,
    storage::Storage,
    wal,
};

mod commit;
mod deadline;
mod recover;
mod state;
mod sync;
mod tiles;

pub use recover::OpenError;
use state::{Request, Shared, Waiter};

/// How an append is to be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Once it is on stable storage: for every effect.
    Stable,
    /// Once it is written; it is on stable storage within [`Options::written_within`]. For reads.
    Written,
}

/// How the writer behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long an append may take before it is refused.
    pub deadline: Duration,
    /// How long what is only written may wait for its sync.
    pub written_within: Duration,
    /// How long durable records may wait for a checkpoint.
    pub checkpoint_every: Duration,
    /// Bytes of a segment of the write-ahead log.
    pub segment: u64,
    /// Bytes of records that may wait, to be written or to be folded into tiles; more are refused at once.
    pub backlog: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(2),
            written_within: Duration::from_millis(40),
            checkpoint_every: Duration::from_millis(500),
            segment: 8 << 20,
            backlog: 256 << 20,
        }
    }
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its index: its place among all records, from 0.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Digest,
}

impl From<Receipt> for AttemptRef {
    fn from(receipt: Receipt) -> Self {
        Self { index: receipt.index, leaf: receipt.leaf }
    }
}

/// A record was not acknowledged. Whoever asked must not go on with what it was about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Too much is waiting already.
    #[error("the ledger is {bytes} bytes behind; the disk cannot keep up")]
    Backlog {
        /// How much is waiting.
        bytes: usize,
    },
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
    /// It took too long. The record may yet turn up in the ledger.
    #[error("the ledger could not confirm the record within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// A write or a sync failed once; nothing is accepted any more.
    #[error("the ledger stopped: {0}; restart the daemon once the disk is in order")]
    Failed(Arc<str>),
    /// The record cannot be written down.
    #[error("the record cannot be written as JSON: {0}")]
    Form(Arc<str>),
    /// The record is too large.
    #[error("a record of {bytes} bytes is larger than the {MAX_RECORD} that fit")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its index.
    pub index: u64,
    /// Its bytes.
    pub leaf: Arc<[u8]>,
}

/// An append on its way. A future, for any runtime; or [`Appending::wait`] for it.
#[derive(Debug)]
#[must_use = "an append that is not waited for may have failed"]
pub struct Appending(Result<oneshot::Receiver<Result<Receipt, AppendError>>, AppendError>);

impl Appending {
    /// Blocks until it is acknowledged or refused. Not for asynchronous code.
    ///
    /// # Errors
    /// [`AppendError`]; see there.
    pub fn wait(self) -> Result<Receipt, AppendError> {
        self.0?.blocking_recv().unwrap_or(Err(AppendError::Closed))
    }
}

impl Future for Appending {
    type Output = Result<Receipt, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Err(error) => Poll::Ready(Err(error.clone())),
            Ok(receiver) => {
                Pin::new(receiver).poll(context).map(|answer| answer.unwrap_or(Err(AppendError::Closed)))
            }
        }
    }
}

/// A ledger open for writing.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    recovered: u64,
}

impl Writer {
    /// Opens the ledger in `storage`, or begins one there: recovers what a crash left in the write-ahead log, checks it and the right
    /// edge of the tree, and publishes a checkpoint over it.
    ///
    /// # Errors
    /// [`OpenError`] names the file that is damaged, and what to do.
    pub fn open(storage: Arc<dyn Storage>, signer: Signer, options: Options) -> Result<Self, OpenError> {
        let recovered = recover::recover(storage.as_ref(), &signer)?;
        let size = recovered.tree.edge.size();
        let segment = commit::Segment::first(storage.as_ref(), size, options.segment)
            .map_err(|source| OpenError::Io { file: wal::segment_path(size), source })?;
        let shared = Arc::new(Shared::new(
            storage,
            signer.verifier().clone(),
            options,
            (size, segment.length),
            recovered.note,
        ));
        let mut ledger = Self { shared, threads: Vec::new(), recovered: recovered.from_log };
        let chains = recovered.tree.chains.clone();
        let (commit, sync, tiles, deadline) =
            (ledger.shared.clone(), ledger.shared.clone(), ledger.shared.clone(), ledger.shared.clone());
        ledger.spawn("ledger-commit", move || commit::run(&commit, segment, chains))?;
        ledger.spawn("ledger-sync", move || sync::run(&sync))?;
        ledger.spawn("ledger-tiles", move || tiles::run(&tiles, recovered.tree, &signer))?;
        ledger.spawn("ledger-time", move || deadline::run(&deadline))?;
        Ok(ledger)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(256 << 10);
        self.threads.push(builder.spawn(body).map_err(OpenError::Thread)?);
        Ok(())
    }

    /// Appends a record. Records of one session are linked in the order of these calls.
    pub fn append(&self, record: impl Borrow<Record>, durability: Durability) -> Appending {
        Appending(self.enqueue(record.borrow(), durability))
    }

    /// Appends a record that nobody waits for. Should writing it fail, everything after it fails too.
    ///
    /// # Errors
    /// If it is refused at once.
    pub fn submit(&self, record: impl Borrow<Record>, durability: Durability) -> Result<(), AppendError> {
        self.enqueue(record.borrow(), durability).map(drop)
    }

    fn enqueue(
        &self,
        record: &Record,
        durability: Durability,
    ) -> Result<oneshot::Receiver<Result<Receipt, AppendError>>, AppendError> {
        let body = serde_json::to_vec(record).map_err(|error| AppendError::Form(error.to_string().into()))?;
        // The id and the link to the record before come on top.
        let bytes = body.len() + 160;
        if bytes > MAX_RECORD {
            return Err(AppendError::TooLarge { bytes });
        }
        let (done, receiver) = oneshot::channel();
        let request = Request {
            at: record.at,
            session: record.session,
            closes: record.closes(),
            body,
            waiter: Waiter {
                deadline: Instant::now() + self.shared.options.deadline,
                durability,
                receipt: None,
                done: Some(done),
            },
        };
        self.shared.submit(request)?;
        Ok(receiver)
    }

    /// The number of records that are on stable storage. They, and no others, can be read.
    pub fn len(&self) -> u64 {
        self.shared.state().stable
    }

    /// Whether no record is on stable storage yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until everything appended before the call is on stable storage and can be read, the time is up, or the ledger ends; the
    /// number of stable records then.
    pub fn settle(&self, timeout: Duration) -> u64 {
        self.shared.settle(timeout)
    }

    /// How many records were recovered from the write-ahead log when it was opened.
    pub const fn recovered(&self) -> u64 {
        self.recovered
    }

    /// The latest signed checkpoint.
    pub fn checkpoint(&self) -> String {
        self.shared.state().note.clone()
    }

    /// The key that checkpoints are signed with.
    pub fn verifier(&self) -> &VerifierKey {
        &self.shared.key
    }

    /// Why the ledger no longer accepts anything, if so.
    pub fn failure(&self) -> Option<Arc<str>> {
        self.shared.state().failed.clone()
    }

    /// Waits until more than `count` records are stable, the time is up, or the ledger ends; the number that are stable then.
    pub fn wait_beyond(&self, count: u64, timeout: Duration) -> u64 {
        self.shared.wait_beyond(count, timeout)
    }

    /// Stable records from `from` on, at most `limit`.
    ///
    /// # Errors
    /// If a bundle cannot be read or is damaged.
    pub fn read(&self, from: u64, limit: usize) -> Result<Vec<Stored>, ReadError> {
        if let Some(recent) = self.shared.recent(from, limit) {
            return Ok(recent);
        }
        // Older than what is in memory: in a bundle, whose name may change to that of the full one meanwhile.
        let size = self.shared.state().integrated;
        reader::read_entries(self.shared.storage.as_ref(), from, size, limit)
    }

    /// Waits until a checkpoint covers everything that was acknowledged as stable before the call, or the ledger ends.
    ///
    /// # Errors
    /// Why the ledger stopped.
    pub fn publish(&self) -> Result<String, AppendError> {
        self.shared.publish()
    }

    /// Ends it: writes what is waiting, makes it durable, publishes a last checkpoint.
    ///
    /// # Errors
    /// Why the ledger had stopped before.
    pub fn close(mut self) -> Result<(), AppendError> {
        self.end();
        self.failure().map_or(Ok(()), |reason| Err(AppendError::Failed(reason)))
    }

    fn end(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.shared.fail("one of its threads panicked");
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;
