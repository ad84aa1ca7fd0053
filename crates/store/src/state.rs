//! What must not be lost: sessions, locks, sealed secrets, settings.

use bailiwick_core::{Digest, Lock, LockId, Session, SessionEnd, SessionId, Timestamp};

use crate::{ExposureStore, SittingStore, StoreError};

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// The session.
    pub session: Session,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
}

/// How and when a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub end: SessionEnd,
    /// When.
    pub at: Timestamp,
}

/// A sealed secret: ciphertext, and the place it belongs to. Nothing in it needs to be kept secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    /// What it is for.
    pub purpose: String,
    /// Its name there.
    pub name: String,
    /// Its version there.
    pub version: u64,
    /// Which key its data key is wrapped with.
    pub key: [u8; 8],
    /// The wrapped data key.
    pub wrapped_key: Vec<u8>,
    /// The ciphertext.
    pub content: Vec<u8>,
}

/// A change to the sealed secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedChange {
    /// This row is to be there, whatever is at its place.
    Put(SealedRow),
    /// Nothing is to be at this place.
    Delete {
        /// What it is for.
        purpose: String,
        /// Its name there.
        name: String,
        /// Its version there.
        version: u64,
    },
}

/// State that survives. Every change is durable when its call returns: a power cut right after takes nothing of it back.
///
/// Calls may block on the disk for a few milliseconds; none is for the hot path.
pub trait StateStore: ExposureStore + SittingStore {
    /// Keeps a session that begins.
    ///
    /// # Errors
    /// If one of this id is there, its parent is not, or it cannot be made durable.
    fn put_session(&self, session: &Session) -> Result<(), StoreError>;

    /// A session, going on or ended.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn session(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError>;

    /// The sessions that have not ended, parents before their children.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn open_sessions(&self) -> Result<Vec<Session>, StoreError>;

    /// The session that `reference` means: its id, a unique beginning or its last four or more characters, or `-` for the latest.
    ///
    /// # Errors
    /// [`StoreError::Ambiguous`] if several fit.
    fn find_session(&self, reference: &str) -> Result<Option<SessionId>, StoreError>;

    /// Ends a session. One that has ended stays as it ended first.
    ///
    /// # Errors
    /// If there is no such session, or it cannot be made durable.
    fn end_session(&self, id: SessionId, end: SessionEnd, at: Timestamp) -> Result<(), StoreError>;

    /// Gives a session another end.
    ///
    /// # Errors
    /// If there is no such session, it has ended, or it cannot be made durable.
    fn extend_session(&self, id: SessionId, expires_at: Timestamp) -> Result<(), StoreError>;

    /// Keeps the hash of a session's handle.
    ///
    /// # Errors
    /// If the hash is taken, the session is not there, or it cannot be made durable.
    fn put_handle(&self, handle: Digest, session: SessionId) -> Result<(), StoreError>;

    /// The session whose handle has this hash.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn session_of_handle(&self, handle: Digest) -> Result<Option<SessionId>, StoreError>;

    /// Sets a lock. It is durable before this returns.
    ///
    /// # Errors
    /// If one of this id is there, or it cannot be made durable.
    fn put_lock(&self, lock: &Lock) -> Result<(), StoreError>;

    /// Lifts a lock. One that is not there is lifted.
    ///
    /// # Errors
    /// If that cannot be made durable: then it is in force.
    fn remove_lock(&self, id: LockId) -> Result<(), StoreError>;

    /// The locks in force, oldest first: what is replayed before anything is served.
    ///
    /// # Errors
    /// If they cannot *all* be read. Whoever cannot know the locks must not serve.
    fn locks(&self) -> Result<Vec<Lock>, StoreError>;

    /// All sealed secrets.
    ///
    /// # Errors
    /// If they cannot all be read.
    fn sealed(&self) -> Result<Vec<SealedRow>, StoreError>;

    /// Makes all of `changes`, or none.
    ///
    /// # Errors
    /// If it is not certain that they are durable.
    fn change_sealed(&self, changes: &[SealedChange]) -> Result<(), StoreError>;

    /// A setting, as JSON text.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn setting(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Keeps a setting, as JSON text.
    ///
    /// # Errors
    /// If it is not JSON, or cannot be made durable.
    fn put_setting(&self, key: &str, value: &str) -> Result<(), StoreError>;
}
