//! The gate on a disk that hangs or fails: what is not on record does not pass.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bailiwick_broker::{Change, KeyFile, Sealed, SealedStore, StoreFault, Unlock, Vault};
use bailiwick_core::{
    Grant, Initiator, InstanceId, Labels, LockId, Session, SessionEnd, SessionId, Task, TaskId, Timestamp,
};
use bailiwick_ledger::{
    Options, Signer, Writer,
    storage::{Disk, Storage, StorageFile},
};
use bailiwick_store::{ExposureStore, SittingStore, StoreError};
use uuid::Uuid;

use super::*;
use crate::{ApprovalSettings, Settings, live::Ended};

/// What the next syncs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Hanging,
    Failing,
}

/// A real directory whose syncs are the test's.
#[derive(Clone, Debug)]
struct MoodyDisk {
    disk: Arc<Disk>,
    mood: Arc<(Mutex<Mood>, Condvar)>,
}

#[derive(Debug)]
struct MoodyFile {
    file: Arc<dyn StorageFile>,
    mood: Arc<(Mutex<Mood>, Condvar)>,
}

impl MoodyDisk {
    fn at(root: &Path) -> Self {
        let mood = Arc::new((Mutex::new(Mood::Well), Condvar::new()));
        Self { disk: Arc::new(Disk::for_writing(root).unwrap()), mood }
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.0.lock().unwrap() = mood;
        self.mood.1.notify_all();
    }
}

impl StorageFile for MoodyFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let mut mood = self.mood.0.lock().unwrap();
        while *mood == Mood::Hanging {
            mood = self.mood.1.wait(mood).unwrap();
        }
        if *mood == Mood::Failing { Err(io::Error::other("the disk is broken")) } else { self.file.sync() }
    }
}

impl Storage for MoodyDisk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.disk.write(path, bytes)
    }
    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(MoodyFile { file: self.disk.open(path)?, mood: Arc::clone(&self.mood) }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
}

/// No secret was ever set.
struct NoRows;

impl SealedStore for NoRows {
    fn list(&self) -> Result<Vec<Sealed>, StoreFault> {
        Ok(Vec::new())
    }
    fn write(&self, _: &[Change]) -> Result<(), StoreFault> {
        Ok(())
    }
}

/// Where the labels of workspaces are kept, unless it is broken.
#[derive(Debug, Default)]
struct Shelf {
    kept: Mutex<Vec<(String, Labels)>>,
    sittings: Mutex<HashMap<SessionId, String>>,
    broken: AtomicBool,
}

impl ExposureStore for Shelf {
    fn exposures(&self) -> Result<Vec<(String, Labels)>, StoreError> {
        Ok(self.kept.lock().unwrap().clone())
    }
    fn put_exposures(&self, exposures: &[(String, Labels)]) -> Result<(), StoreError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(StoreError::Failed { path: "state.db".into(), detail: "the disk is broken".into() });
        }
        let mut kept = self.kept.lock().unwrap();
        kept.retain(|(path, _)| exposures.iter().all(|(put, _)| put != path));
        kept.extend_from_slice(exposures);
        Ok(())
    }
    fn remove_exposures(&self, workspaces: &[String]) -> Result<(), StoreError> {
        self.kept.lock().unwrap().retain(|(path, _)| !workspaces.contains(path));
        Ok(())
    }
}

impl SittingStore for Shelf {
    fn put_sitting(&self, session: SessionId, body: &str) -> Result<(), StoreError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(StoreError::Failed { path: "state.db".into(), detail: "the disk is broken".into() });
        }
        self.sittings.lock().unwrap().insert(session, body.to_owned());
        Ok(())
    }
    fn sitting(&self, session: SessionId) -> Result<Option<String>, StoreError> {
        Ok(self.sittings.lock().unwrap().get(&session).cloned())
    }
    fn remove_sitting(&self, session: SessionId) -> Result<(), StoreError> {
        self.sittings.lock().unwrap().remove(&session);
        Ok(())
    }
}

/// A gate with one resource, `api`, the `default` preset, and a session without a limit.
struct Bench {
    home: tempfile::TempDir,
    disk: MoodyDisk,
    shelf: Arc<Shelf>,
    gate: Gate,
    session: Arc<LiveSession>,
}

mod exposed;
mod extended;
mod held;
mod hooks;

impl Bench {
    fn new(deadline: Duration) -> Self {
        let home = tempfile::tempdir().unwrap();
        for directory in ["resources", "policies"] {
            std::fs::create_dir(home.path().join(directory)).unwrap();
        }
        let api = "address = 'https://api.example'\ntemplate = 'http'\n";
        std::fs::write(home.path().join("resources/api.toml"), api).unwrap();
        let disk = MoodyDisk::at(&home.path().join("ledger"));
        let signer = Signer::from_seed("log.example", [7; 32].into()).unwrap();
        let options = Options { deadline, checkpoint_every: Duration::from_secs(3600), ..Options::default() };
        let ledger = Writer::open(Arc::new(disk.clone()), signer, options).unwrap();
        let clock = Clock::start(Timestamp::from_micros(0));
        let unlock = Unlock::KeyFile(KeyFile::at(home.path().join("vault.key")));
        let broker = Broker::new(Arc::new(Vault::open(unlock, Arc::new(NoRows)).unwrap()));
        let snapshot = Snapshot::load(home.path(), &Settings::default()).unwrap();
        let journal = Journal::new(Arc::new(ledger), clock);
        let shelf = Arc::new(Shelf::default());
        let exposures = Exposures::load(Arc::clone(&shelf) as _).unwrap();
        let place = exposures.place(None);
        let session = LiveSession::new(session(&clock), None, place, 8, clock.now()).unwrap();
        let desk = Desk::new(clock, ApprovalSettings::default(), Arc::clone(&shelf) as _);
        let gate = Gate::new(clock, snapshot, Vec::new(), journal, broker, desk, exposures);
        Self { home, disk, shelf, gate, session: Arc::new(session) }
    }

    /// A lock on its session.
    fn lock(&self) -> Lock {
        Lock {
            id: LockId::from_uuid(Uuid::nil()),
            target: LockTarget::Session(self.session.id()),
            reason: "test".into(),
            by: "mia".parse().unwrap(),
            at: self.gate.clock().now(),
        }
    }

    async fn admit(&self, effects: Effects) -> Result<Admission, Denied> {
        self.gate.admit(&self.session, attempt(effects)).await
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // The ledger ends with a last sync.
        self.disk.becomes(Mood::Well);
    }
}

fn session(clock: &Clock) -> Session {
    Session {
        id: SessionId::from_uuid(Uuid::from_u128(7)),
        parent: None,
        initiator: Initiator::User { name: "mia".parse().unwrap(), uid: None },
        agent: "coder".parse().unwrap(),
        instance: InstanceId::from_uuid(Uuid::nil()),
        task: Task::new(TaskId::from_uuid(Uuid::nil()), "test"),
        grant: Grant::unrestricted(),
        labels: Labels::CLEAN,
        depth: 0,
        opened_at: clock.now(),
        expires_at: clock.now().after(Duration::from_secs(3600)),
        evidence: None,
        observed: false,
        workspace: None,
    }
}

fn attempt(effects: Effects) -> Attempt {
    let method = if effects.is_read() { "http.get" } else { "http.post" };
    Attempt {
        process: None,
        resource: ResourceRef::Listed { name: "api".parse().unwrap() },
        operation: method.parse().unwrap(),
        effects,
        target: "/".into(),
        arguments: [("path".to_owned(), "/".into())].into(),
        body: None,
        captured: None,
    }
}

fn code(denied: &Denied) -> Option<ReasonCode> {
    match &denied.decision {
        Decision::Permit(_) => None,
        Decision::Hold(refusal) | Decision::Refuse(refusal) => Some(refusal.reasons[0].code),
    }
}

#[tokio::test]
async fn what_is_permitted_and_on_record_passes() {
    let bench = Bench::new(Duration::from_secs(600));
    bench.admit(Effects::READ).await.unwrap().close(Outcome::default());
    bench.admit(Effects::WRITE).await.unwrap().close(Outcome::default());
    assert_eq!(bench.session.tally().permit, 2);
    assert!(bench.session.under_way().is_empty());
}

#[tokio::test]
async fn an_effect_does_not_pass_while_its_record_is_not_safe() {
    let bench = Bench::new(Duration::from_millis(50));
    bench.disk.becomes(Mood::Hanging);
    let denied = bench.admit(Effects::WRITE).await.unwrap_err();
    assert_eq!(code(&denied), Some(ReasonCode::LedgerUnavailable), "{denied:?}");
}

#[tokio::test]
async fn after_one_failed_sync_nothing_passes_not_even_a_read() {
    let bench = Bench::new(Duration::from_secs(600));
    bench.disk.becomes(Mood::Failing);
    let denied = bench.admit(Effects::WRITE).await.unwrap_err();
    assert_eq!(code(&denied), Some(ReasonCode::LedgerUnavailable), "{denied:?}");
    bench.disk.becomes(Mood::Well);
    for effects in [Effects::READ, Effects::WRITE] {
        let denied = bench.admit(effects).await.unwrap_err();
        assert_eq!(code(&denied), Some(ReasonCode::LedgerUnavailable), "{denied:?}");
    }
}

#[tokio::test]
async fn a_lock_that_comes_while_the_record_is_written_still_stops() {
    let bench = Bench::new(Duration::from_secs(600));
    bench.disk.becomes(Mood::Hanging);
    let locked_then_recorded = async {
        // The attempt is on its way: it has been decided, and waits for its record.
        while bench.session.tally().permit == 0 {
            tokio::task::yield_now().await;
        }
        bench.gate.update_locks(|_| vec![bench.lock()]);
        bench.disk.becomes(Mood::Well);
    };
    let (admitted, ()) = tokio::join!(bench.admit(Effects::WRITE), locked_then_recorded);
    assert_eq!(code(&admitted.unwrap_err()), Some(ReasonCode::Locked));
}

#[tokio::test]
async fn more_than_its_quota_is_refused_and_a_place_comes_back() {
    let bench = Bench::new(Duration::from_secs(600));
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(bench.admit(Effects::READ).await.unwrap());
    }
    let denied = bench.admit(Effects::READ).await.unwrap_err();
    assert_eq!(code(&denied), Some(ReasonCode::QuotaExceeded));
    held.pop();
    bench.admit(Effects::READ).await.unwrap();
}

#[tokio::test]
async fn what_was_decided_counts_for_nothing_once_the_session_is_locked_or_has_ended() {
    let bench = Bench::new(Duration::from_secs(600));
    let weighed = bench.gate.weigh(&bench.session, attempt(Effects::READ));
    bench.gate.update_locks(|_| vec![bench.lock()]);
    assert_eq!(code(&bench.gate.pass(weighed).await.unwrap_err()), Some(ReasonCode::Locked));
    bench.gate.update_locks(|_| Vec::new());

    let weighed = bench.gate.weigh(&bench.session, attempt(Effects::READ));
    bench.session.end(Ended { end: SessionEnd::Exited, reason: "it is over".into() });
    assert_eq!(code(&bench.gate.pass(weighed).await.unwrap_err()), Some(ReasonCode::SessionEnded));
}

#[tokio::test]
async fn what_was_decided_counts_for_nothing_under_other_policies() {
    let bench = Bench::new(Duration::from_secs(600));
    let weighed = bench.gate.weigh(&bench.session, attempt(Effects::READ));
    let none = "@id(\"none\") forbid (principal, action, resource);";
    std::fs::write(bench.home.path().join("policies/none.cedar"), none).unwrap();
    let snapshot = Snapshot::load(bench.home.path(), &Settings::default()).unwrap();
    bench.gate.replace_snapshot(snapshot);
    assert_eq!(code(&bench.gate.pass(weighed).await.unwrap_err()), Some(ReasonCode::Forbidden));
}
