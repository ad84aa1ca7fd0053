//! A live session: the path of authority it acts under, the switch that stops it, and what it has under way.
//!
//! Stopping is one cancellation: every copy loop waits on it, and a child's is part of its parent's. A child never outlives its parent,
//! however that ended: its authority is the parent's, narrowed.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bailiwick_core::{
    Action, ActionId, Chain, ChainError, Decision, Labels, Session, SessionEnd, SessionId, Timestamp,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{claims::Claims, exposure::Place};

/// A session that is going on.
#[derive(Debug)]
pub struct LiveSession {
    path: Vec<Arc<Session>>,
    /// Where they work, in the same order.
    places: Vec<Arc<Place>>,
    /// When each ends, in microseconds, in the same order: a person may have given it more time.
    ends: Vec<Arc<AtomicI64>>,
    /// The end that people were told of.
    told: AtomicI64,
    above: Option<Arc<Self>>,
    stop: CancellationToken,
    ended: OnceLock<Ended>,
    counts: Counts,
    last_active: AtomicI64,
    under_way: Mutex<HashMap<ActionId, UnderWay>>,
    paused: AtomicBool,
    claims: Claims,
    quota: usize,
}

/// How and why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub end: SessionEnd,
    /// Why, for people.
    pub reason: String,
}

/// An action that has been admitted and not closed.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay {
    pub(crate) action: Arc<Action>,
    /// Whether a person said yes to it.
    pub(crate) approved: bool,
    pub(crate) stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Counts {
    permit: AtomicU64,
    hold: AtomicU64,
    refuse: AtomicU64,
}

/// How many actions were decided in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tally {
    /// Permitted.
    pub permit: u64,
    /// Held for approval.
    pub hold: u64,
    /// Refused.
    pub refuse: u64,
}

impl LiveSession {
    /// A root session, or a child of `parent`, that works at `place`.
    ///
    /// # Errors
    /// If `session` is not a child of `parent`.
    pub(crate) fn new(
        session: Session,
        parent: Option<Arc<Self>>,
        place: Arc<Place>,
        quota: usize,
        now: Timestamp,
    ) -> Result<Self, ChainError> {
        let above = parent;
        let mut path: Vec<_> = above.as_ref().map(|above| above.path.clone()).unwrap_or_default();
        path.push(Arc::new(session));
        Chain::new(path.iter().map(Arc::as_ref).collect())?;
        let mut places = above.as_ref().map(|above| above.places.clone()).unwrap_or_default();
        places.push(place);
        let mut ends = above.as_ref().map(|above| above.ends.clone()).unwrap_or_default();
        ends.extend(path.last().map(|own| Arc::new(AtomicI64::new(own.expires_at.as_micros()))));
        Ok(Self {
            path,
            places,
            ends,
            told: AtomicI64::new(0),
            stop: above.as_ref().map_or_else(CancellationToken::new, |above| above.stop.child_token()),
            above,
            ended: OnceLock::new(),
            counts: Counts::default(),
            last_active: AtomicI64::new(now.as_micros()),
            under_way: Mutex::default(),
            paused: AtomicBool::new(false),
            claims: Claims::default(),
            quota,
        })
    }

    /// The session itself.
    pub fn session(&self) -> &Arc<Session> {
        // A path is never empty: `new` pushed the session.
        &self.path[self.path.len() - 1]
    }

    /// Its id.
    pub fn id(&self) -> SessionId {
        self.session().id
    }

    /// The path of authority, root first.
    ///
    /// # Errors
    /// Never for a session made by `new`; checked again because authority rests on it.
    pub fn chain(&self) -> Result<Chain<'_>, ChainError> {
        let seen = self.places.iter().fold(Labels::CLEAN, |seen, place| seen.join(&place.seen()));
        let chain = Chain::new(self.path.iter().map(Arc::as_ref).collect())?.having_seen(&seen);
        let ends = self.ends.iter().map(|ends| ends.load(Ordering::Acquire)).min().unwrap_or_default();
        Ok(chain.ending_at(Timestamp::from_micros(ends)))
    }

    /// When it ends itself, whatever ends above it.
    pub fn own_end(&self) -> Timestamp {
        Timestamp::from_micros(self.ends.last().map_or(0, |ends| ends.load(Ordering::Acquire)))
    }

    /// Gives it until `ends`; those above it may end earlier, and it with them.
    pub(crate) fn extend(&self, ends: Timestamp) {
        if let Some(own) = self.ends.last() {
            own.store(ends.as_micros(), Ordering::Release);
        }
    }

    /// Whether people are to be told now that it ends: once for each end, `before` it.
    pub(crate) fn is_to_tell(&self, now: Timestamp, before: Duration) -> bool {
        let ends = self.own_end();
        // Whoever asked for less time than that knows that it ends.
        let long = ends.since(self.session().opened_at) > before;
        long && now.after(before) >= ends
            && self.told.swap(ends.as_micros(), Ordering::AcqRel) != ends.as_micros()
    }

    /// What it has been exposed to by now.
    pub fn labels(&self) -> Labels {
        self.chain().map_or_else(|_| Labels::CLEAN, |chain| chain.labels())
    }

    /// Where it works.
    pub(crate) fn place(&self) -> &Arc<Place> {
        // Never empty: `new` pushed its place.
        &self.places[self.places.len() - 1]
    }

    /// Every place whose exposure it decides with.
    pub(crate) fn places(&self) -> &[Arc<Place>] {
        &self.places
    }

    /// The session that delegated it.
    pub(crate) fn above(&self) -> Option<&Arc<Self>> {
        self.above.as_ref()
    }

    /// Whether it, or any above it, is there to find out what its agent needs: it reads, and has no credential.
    pub fn is_observed(&self) -> bool {
        self.path.iter().any(|session| session.observed)
    }

    /// Cancelled when the session ends in any way. Every copy loop must wait on it.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// How it ended, if it has. A session ends with the one above it.
    pub fn ended(&self) -> Option<Ended> {
        self.ended.get().cloned().or_else(|| self.stop.is_cancelled().then(|| self.ended_from_above()))
    }

    fn ended_from_above(&self) -> Ended {
        let above = self.above.as_ref().and_then(|above| Some((above.id(), above.ended()?)));
        match above {
            Some((id, Ended { end, reason })) => Ended {
                end: if end == SessionEnd::Exited { SessionEnd::Lost } else { end },
                reason: format!("session {id}, which delegated it, has ended: {reason}"),
            },
            None => Ended { end: SessionEnd::Locked, reason: "it was stopped".to_owned() },
        }
    }

    /// Ends it: the first to say so says how.
    pub(crate) fn end(&self, ended: Ended) -> bool {
        let first = self.ended.set(ended).is_ok();
        self.stop.cancel();
        first
    }

    /// Whether it waits for a person to let it go on: it asked too often.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::Release);
    }

    pub(crate) fn unpause(&self) {
        self.paused.store(false, Ordering::Release);
    }

    /// What its agent claims of itself.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// When it last attempted anything.
    pub fn last_active(&self) -> Timestamp {
        Timestamp::from_micros(self.last_active.load(Ordering::Relaxed))
    }

    /// How its actions were decided so far.
    pub fn tally(&self) -> Tally {
        Tally {
            permit: self.counts.permit.load(Ordering::Relaxed),
            hold: self.counts.hold.load(Ordering::Relaxed),
            refuse: self.counts.refuse.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn note(&self, action: &Action, decision: &Decision) {
        self.was_active(action.at);
        let count = match decision {
            Decision::Hold(_) => &self.counts.hold,
            Decision::Permit(_) => &self.counts.permit,
            Decision::Refuse(_) => &self.counts.refuse,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// What a child does, its parent waits for: neither is idle then.
    fn was_active(&self, at: Timestamp) {
        self.last_active.fetch_max(at.as_micros(), Ordering::Relaxed);
        if let Some(above) = &self.above {
            above.was_active(at);
        }
    }

    /// Takes a place among the actions under way; `None` when all are taken.
    pub(crate) fn begin(&self, action: &Arc<Action>, approved: bool) -> Option<CancellationToken> {
        let mut under_way = self.lock();
        if under_way.len() >= self.quota {
            return None;
        }
        let stop = self.stop.child_token();
        under_way.insert(action.id, UnderWay { action: Arc::clone(action), approved, stop: stop.clone() });
        Some(stop)
    }

    pub(crate) fn finish(&self, action: ActionId) {
        self.lock().remove(&action);
    }

    /// What is under way, for re-deciding it when locks or policies change.
    pub(crate) fn under_way(&self) -> Vec<UnderWay> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ActionId, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
