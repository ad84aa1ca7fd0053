//! Stop orders: in effect at once, then durable, then on record.
//!
//! The record outlives the state: a lock that the ledger knows and the state does not, because the state was removed or put back from a
//! copy, is in force until it is lifted on record.

use std::time::Instant;

use bailiwick_core::{Lock, LockId, LockTarget, Problem, SessionEnd};
use bailiwick_ledger::{Entry, Event, LockLifted, LockSet, Writer};
use bailiwick_store::StateStore;
use bailiwick_wire::LockReport;

use super::{Authority, AuthorityError, look::resolve, not_found, store_problem};
use crate::Ended;

/// The setting that says up to which record the state has every lock of the ledger.
const RECONCILED: &str = "locks.reconciled";
/// Records read at a time.
const BATCH: usize = 1024;
/// Records after which the state is told that it has every lock so far: what a start may have to read again.
const STRIDE: u64 = 10_000;

/// The locks in force: those of the state, and those that are on record since the state last had them all.
pub(super) fn in_force(state: &dyn StateStore, ledger: &Writer) -> Result<Vec<Lock>, AuthorityError> {
    let mut locks = state.locks()?;
    for lock in on_record(state, ledger)? {
        if locks.iter().all(|known| known.id != lock.id) {
            tracing::warn!(lock = %lock.id, target = %lock.target, "the ledger knows a lock that the state does not; it is in force");
            state.put_lock(&lock)?;
            locks.push(lock);
        }
    }
    reconciled(state, ledger.len())?;
    Ok(locks)
}

fn reconciled(state: &dyn StateStore, records: u64) -> Result<(), AuthorityError> {
    Ok(state.put_setting(RECONCILED, &records.to_string())?)
}

/// Locks that are on record and not lifted, in the records that the state may not have.
fn on_record(state: &dyn StateStore, ledger: &Writer) -> Result<Vec<Lock>, AuthorityError> {
    let known = state.setting(RECONCILED)?.and_then(|text| text.parse::<u64>().ok());
    // A state that knows more records than there are belongs to another ledger.
    let mut next = known.filter(|known| *known <= ledger.len()).unwrap_or_default();
    let mut found: Vec<Lock> = Vec::new();
    while next < ledger.len() {
        let records = ledger.read(next, BATCH).map_err(|error| AuthorityError::Ledger(error.to_string()))?;
        let Some(last) = records.last() else { break };
        next = last.index + 1;
        for stored in &records {
            let entry = Entry::parse(&stored.leaf).map_err(|error| {
                AuthorityError::Ledger(format!("record {} cannot be read: {error}", stored.index))
            })?;
            match entry.record.event {
                Event::Lock(LockSet { lock }) => found.push(lock),
                Event::LockLifted(lifted) => found.retain(|lock| lock.id != lifted.lock),
                _ => {}
            }
        }
    }
    Ok(found)
}

impl Authority {
    /// Sets a lock. What it stops is stopped first; the call returns once the lock is durable and on record.
    ///
    /// # Errors
    /// If it cannot be made durable. It is in effect all the same.
    pub async fn lock(&self, target: LockTarget, reason: String) -> Result<LockReport, Problem> {
        let started = Instant::now();
        let clock = self.gate.clock();
        let lock =
            Lock { id: LockId::from_uuid(clock.uuid()), target, reason, by: self.user(), at: clock.now() };
        self.gate.update_locks(|locks| locks.iter().cloned().chain([lock.clone()]).collect());
        let sessions = self.end_what_is_locked(&lock);
        let cut = self.decide_again();
        self.state.put_lock(&lock).map_err(|error| store_problem(&error))?;
        let recorded = self.gate.journal().daemon(Event::Lock(LockSet { lock: lock.clone() })).await;
        if let Err(reason) = recorded {
            // A ledger that takes no records stops everything else as well.
            tracing::error!(error = %reason.detail, "a lock is in effect but not on record");
        }
        let note = self.stops_nothing(&lock.target);
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(LockReport { lock, sessions, cut, confirmed: vec!["local".to_owned()], took_ms, note })
    }

    /// Lifts a lock. Sessions that it ended stay ended.
    ///
    /// # Errors
    /// If there is no such lock, or that it is lifted cannot be made durable: then it stays.
    pub async fn unlock(&self, reference: &str) -> Result<Lock, Problem> {
        let locks = self.gate.locks();
        let id = resolve(reference, locks.iter().map(|lock| lock.id.to_string()).collect(), "lock")?;
        let lock = locks
            .iter()
            .find(|lock| lock.id.to_string() == id)
            .cloned()
            .ok_or_else(|| not_found("lock", reference))?;
        let lifted = Event::LockLifted(LockLifted { lock: lock.id, by: self.user() });
        let recorded = self.gate.journal().daemon(lifted).await;
        recorded.map_err(|reason| Problem::new(503, reason.code.as_str(), reason.detail))?;
        self.state.remove_lock(lock.id).map_err(|error| store_problem(&error))?;
        self.gate.update_locks(|locks| locks.iter().filter(|other| other.id != lock.id).cloned().collect());
        Ok(lock)
    }

    /// Says so where nothing that the target names is known: it may be a slip of the pen. The lock holds for what comes.
    fn stops_nothing(&self, target: &LockTarget) -> Option<String> {
        let any = |stopped: &dyn Fn(&bailiwick_core::Session) -> bool| {
            self.all().iter().any(|live| stopped(live.session()))
        };
        let known = match target {
            LockTarget::Everything => true,
            LockTarget::Resource(name) => self.gate.catalogue().by_name(name).is_some(),
            LockTarget::Session(id) => {
                // What cannot be looked up is not called unknown.
                any(&|session| session.id == *id) || !matches!(self.state.session(*id), Ok(None))
            }
            LockTarget::User(name) => *name == self.user() || any(&|session| target.stops(session)),
            LockTarget::Agent(_) | LockTarget::Instance(_) => any(&|session| target.stops(session)),
        };
        (!known).then(|| match target {
            LockTarget::Agent(_) | LockTarget::Instance(_) => {
                format!("no session of `{target}` is going on; the lock stops those that come")
            }
            _ => format!("there is no `{target}`; the lock is in force all the same"),
        })
    }

    /// Lets the state know that it has every lock on record so far, so that the next start need not read all of it. `told` is how far
    /// it knew.
    pub(super) fn reconcile_now_and_then(&self, told: &mut u64) {
        let records = self.gate.journal().ledger().len();
        if records.saturating_sub(*told) < STRIDE {
            return;
        }
        *told = records;
        if let Err(error) = reconciled(self.state.as_ref(), records) {
            tracing::warn!(%error, "the state could not be told how far it has the locks on record");
        }
    }

    /// The locks in force.
    pub fn locks(&self) -> Vec<Lock> {
        self.gate.locks().as_ref().clone()
    }

    fn end_what_is_locked(&self, lock: &Lock) -> Vec<bailiwick_core::SessionId> {
        let mut stopped = Vec::new();
        for session in self.all() {
            let hit = session.chain().map_or(true, |chain| chain.stopped_by([&lock.target]).is_some());
            let reason = if lock.target.stops(session.session()) {
                lock.reason.clone()
            } else {
                format!("a session above it was stopped: {}", lock.reason)
            };
            if hit && session.end(Ended { end: SessionEnd::Locked, reason }) {
                stopped.push(session.id());
            }
        }
        stopped.sort();
        stopped
    }
}
