//! Putting it on record: attempts before effects, outcomes after, and what happens to sessions, locks and policies.
//!
//! What an action may do waits here. If the ledger cannot take a record, the action is refused; nothing here retries or forgets.

use std::{sync::Arc, time::Duration};

use bailiwick_broker::Presented;
use bailiwick_catalogue::CredentialSpec;
use bailiwick_core::{
    Action, ActionId, Approval, Decision, HookEvent, Labels, ProcessFacts, Reason, ReasonCode, Session,
    SessionEnd,
};
use bailiwick_ledger::{
    Answered, ApprovalFact, Attempt, AttemptContext, AttemptRef, CredentialPattern, CredentialUse,
    DecisionCounts, Durability, Event, HookReport, Record, SessionClosed, SessionExtended, SessionMeasured,
    SessionOpened, Writer,
};

use crate::{Clock, LiveSession, Outcome, Snapshot, live::Tally};

/// The ledger, as the use cases write it.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    ledger: Arc<Writer>,
    clock: Clock,
}

/// Where an attempt was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded(AttemptRef);

/// How an action ended, with everything its record needs.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) recorded: Recorded,
    pub(crate) outcome: Outcome,
    pub(crate) credential: Option<CredentialUse>,
    /// What the session has been exposed to from then on, where that changed.
    pub(crate) labels: Option<Labels>,
    pub(crate) took: Duration,
}

impl Journal {
    pub(crate) fn new(ledger: Arc<Writer>, clock: Clock) -> Self {
        Self { ledger, clock }
    }

    pub(crate) fn ledger(&self) -> &Arc<Writer> {
        &self.ledger
    }

    /// Records an attempt and what was decided of it. When this returns, an effect that is permitted is on stable storage;
    /// everything else is written.
    pub(crate) async fn attempt(
        &self,
        session: &LiveSession,
        action: &Action,
        decision: Decision,
        approval: ApprovalFact,
        credential: Option<CredentialUse>,
        snapshot: &Snapshot,
    ) -> Result<Recorded, Reason> {
        let chain = session.chain().map_err(|error| unavailable(&error))?;
        let effect = matches!(decision, Decision::Permit(_)) && !action.effects.is_read();
        let durability = if effect { Durability::Stable } else { Durability::Written };
        let context = AttemptContext { policy_version: Some(snapshot.version()), credential, approval };
        let event = Event::Attempt(Box::new(Attempt::new(action, &chain, decision, context)));
        let record = Record::of_session(action.at, session.id(), event);
        let receipt = self.ledger.append(&record, durability).await.map_err(|error| unavailable(&error))?;
        Ok(Recorded(receipt.into()))
    }

    /// Records how a permitted action ended. Not waited for: the effect is over, and an attempt without an outcome is told apart.
    pub(crate) fn outcome(&self, session: &LiveSession, action: &Action, closing: Closing) {
        let Closing { recorded, outcome, credential, labels, took } = closing;
        let event = Event::Outcome(Box::new(bailiwick_ledger::Outcome {
            act: action.id,
            attempt: recorded.0,
            status: outcome.status,
            code: outcome.code,
            error: outcome.error,
            bytes_sent: outcome.bytes_sent,
            bytes_received: outcome.bytes_received,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            credential,
            scrubbed: outcome.scrubbed,
            captured: outcome.captured,
            labels,
        }));
        let record = Record::of_session(self.clock.now(), session.id(), event);
        // A ledger that cannot take it has stopped, and everything is refused; the attempt stays, its outcome unknown.
        if let Err(error) = self.ledger.submit(&record, Durability::Written) {
            tracing::error!(%error, act = %action.id, "an outcome could not be recorded");
        }
    }

    /// Records that a session began, on stable storage; delegated by the action `act` where it has a parent.
    pub(crate) async fn opened(&self, session: &Session, act: Option<ActionId>) -> Result<(), Reason> {
        let opened = SessionOpened { act, ..SessionOpened::from(session) };
        self.event(session, Event::SessionOpened(Box::new(opened))).await
    }

    /// Records what was measured when a session's agent was started, on stable storage.
    pub(crate) async fn measured(&self, session: &Session, measured: SessionMeasured) -> Result<(), Reason> {
        self.event(session, Event::SessionMeasured(measured)).await
    }

    /// Records that a session was given another end, on stable storage.
    pub(crate) async fn extended(&self, session: &Session, extended: SessionExtended) -> Result<(), Reason> {
        self.event(session, Event::SessionExtended(extended)).await
    }

    /// Records that a session ended, on stable storage.
    pub(crate) async fn closed(
        &self,
        session: &Session,
        tally: Tally,
        end: SessionEnd,
    ) -> Result<(), Reason> {
        let actions = DecisionCounts { permit: tally.permit, hold: tally.hold, refuse: tally.refuse };
        self.event(session, Event::SessionClosed(SessionClosed::because(end, actions))).await
    }

    /// Records what an agent reported of itself, and returns where. Not on stable storage: nothing depends on it.
    pub(crate) async fn hook(
        &self,
        session: &LiveSession,
        process: &ProcessFacts,
        event: HookEvent,
        folded: u64,
    ) -> Option<u64> {
        let report = HookReport::new(event, Some(process), folded);
        let record = Record::of_session(self.clock.now(), session.id(), Event::Hook(Box::new(report)));
        match self.ledger.append(&record, Durability::Written).await {
            Ok(receipt) => Some(receipt.index),
            Err(error) => {
                tracing::error!(%error, session = %session.id(), "an agent's report could not be recorded");
                None
            }
        }
    }

    /// Records how many reports of an agent are not on record.
    pub(crate) async fn folded_hooks(&self, session: &Session, folded: u64) -> Result<(), Reason> {
        self.event(session, Event::Hook(Box::new(HookReport::of_folded(folded)))).await
    }

    /// Records a person's answer, on stable storage.
    pub(crate) async fn approval(&self, approval: &Approval) -> Result<(), Reason> {
        let event = Event::Approval(Box::new(Answered { approval: approval.clone() }));
        self.write(Record::of_session(self.clock.now(), approval.session, event)).await
    }

    /// Records something about the daemon itself, on stable storage.
    pub(crate) async fn daemon(&self, event: Event) -> Result<(), Reason> {
        self.write(Record::of_daemon(self.clock.now(), event)).await
    }

    async fn event(&self, session: &Session, event: Event) -> Result<(), Reason> {
        self.write(Record::of_session(self.clock.now(), session.id, event)).await
    }

    async fn write(&self, record: Record) -> Result<(), Reason> {
        self.ledger.append(&record, Durability::Stable).await.map(|_| ()).map_err(|error| unavailable(&error))
    }
}

/// The credential of an action, as the record knows it.
pub(crate) fn credential_use(spec: &CredentialSpec, fingerprint: Option<String>) -> CredentialUse {
    CredentialUse { source: spec.secret.to_string(), pattern: CredentialPattern::Static, fingerprint }
}

/// What the record knows of credentials that an answer of the same session handed out; `None` where there are none.
pub fn captured_use(presented: &Presented) -> Option<CredentialUse> {
    let fingerprint = presented.fingerprint()?.to_string();
    let pattern = CredentialPattern::Captured;
    Some(CredentialUse { source: presented.source(), pattern, fingerprint: Some(fingerprint) })
}

fn unavailable(error: &dyn std::fmt::Display) -> Reason {
    Reason::new(ReasonCode::LedgerUnavailable, format!("it cannot be put on record: {error}"))
        .with_fix("bailiwick ledger verify; free disk space under BAILIWICK_HOME, then restart the daemon")
}
