//! What a decision was made under. While none of that has changed there is nothing to decide anew; the moment any of it has, the
//! decision counts for nothing.

use std::sync::Arc;

use bailiwick_core::{Action, Decision, Labels, Lock, Timestamp};

use super::Gate;
use crate::{LiveSession, Snapshot};

/// Policies may look at the clock: a decision older than this, in microseconds, is made anew.
const FRESH: i64 = 100_000;

/// What a decision was made under.
#[derive(Debug)]
pub(super) struct Under {
    snapshot: Arc<Snapshot>,
    locks: Arc<Vec<Lock>>,
    labels: Labels,
    at: Timestamp,
}

impl Gate {
    /// Decides `action`, and says under what.
    pub(super) fn decide_under(
        &self,
        session: &LiveSession,
        action: &Action,
        approved: bool,
    ) -> (Decision, Under) {
        // All of it is taken before deciding: what comes in between makes the decision stale, never fresh.
        let under = Under {
            snapshot: self.snapshot(),
            locks: self.locks(),
            labels: session.labels(),
            at: self.clock().now(),
        };
        (self.decide(session, action, approved), under)
    }

    /// Whether what was decided under this would be decided again.
    pub(super) fn stands(&self, session: &LiveSession, under: &Under) -> bool {
        let now = self.clock().now();
        let age = now.as_micros() - under.at.as_micros();
        (0..=FRESH).contains(&age)
            && session.ended().is_none()
            && !session.is_paused()
            && session.chain().is_ok_and(|chain| chain.expires_at() > now && chain.labels() == under.labels)
            && Arc::ptr_eq(&under.snapshot, &self.snapshot())
            && Arc::ptr_eq(&under.locks, &self.locks())
    }
}
