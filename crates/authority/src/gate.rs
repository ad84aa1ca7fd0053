//! The one way through: an attempt becomes an action, is decided, is put on record, and only then may happen.
//!
//! Every protocol comes through here. An adapter hands in what it parsed and gets an [`Admission`] or a refusal to render; it never
//! decides. Nothing here waits on a database or on a lock that could wait on I/O; what is waited for is the ledger, and the state once for
//! each label that a workspace gains.

use std::{fmt, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use bailiwick_broker::{Broker, Opened};
use bailiwick_catalogue::{Catalogue, Resource};
use bailiwick_core::{
    Action, ActionId, ApprovalId, Arguments, Decision, Digest, Effects, Labels, Lock, LockTarget, Operation,
    Problem, ProcessFacts, Reason, ReasonCode, Refusal, ResourceRef,
};
use bailiwick_ledger::{ApprovalFact, CapturedCount, CredentialUse, OutcomeStatus};
use bailiwick_policy::{Context, decide};
use tokio_util::sync::CancellationToken;

use crate::{
    Clock, LiveSession, Snapshot,
    approvals::{Desk, Given},
    exposure::Exposures,
    journal::{Closing, Journal, Recorded, credential_use},
};

mod exposed;
mod found;
mod held;
mod hook;
mod refresh;
mod standing;

use refresh::Flights;
use standing::Under;

pub use found::Found;
pub use held::{Bound, Weighed};
pub use refresh::{TokenAnswer, TokenEndpoint};

/// What an adapter parsed from one attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The process behind it, as far as known.
    pub process: Option<ProcessFacts>,
    /// On what.
    pub resource: ResourceRef,
    /// Doing what.
    pub operation: Operation,
    /// With which effects.
    pub effects: Effects,
    /// What in the resource is meant.
    pub target: String,
    /// The parsed arguments, without secrets.
    pub arguments: Arguments,
    /// The digest of the body that was looked at.
    pub body: Option<Digest>,
    /// The credential that opens it in place of the resource's own: one that an answer handed out in this session.
    pub captured: Option<CredentialUse>,
}

/// An attempt that may not happen, or not yet. It is on record unless the ledger itself is the reason.
#[derive(Clone, Debug)]
pub struct Denied {
    /// The action.
    pub action: ActionId,
    /// What was decided: never a permit.
    pub decision: Decision,
    /// What a person can say yes or no to, where that would help.
    pub approval: Option<ApprovalId>,
}

/// How an action ended, as its adapter saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// In one word.
    pub status: OutcomeStatus,
    /// The protocol's own code, such as an HTTP status.
    pub code: Option<u32>,
    /// Bytes sent upstream.
    pub bytes_sent: u64,
    /// Bytes received from upstream.
    pub bytes_received: u64,
    /// How many times a secret was taken out of the response.
    pub scrubbed: u64,
    /// How many credentials the response handed out, and were kept outside.
    pub captured: CapturedCount,
    /// What went wrong, in our own words; never the upstream's text.
    pub error: Option<String>,
}

impl Default for Outcome {
    /// Nobody knows whether it happened.
    fn default() -> Self {
        Self {
            status: OutcomeStatus::Unknown,
            code: None,
            bytes_sent: 0,
            bytes_received: 0,
            scrubbed: 0,
            captured: CapturedCount::default(),
            error: None,
        }
    }
}

/// The gate. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    snapshot: ArcSwap<Snapshot>,
    locks: ArcSwap<Vec<Lock>>,
    journal: Journal,
    broker: Broker,
    desk: Desk,
    exposures: Exposures,
    flights: Flights,
}

/// An action that is permitted and on record. What is not closed is recorded as `unknown` when it is dropped.
pub struct Admission {
    gate: Gate,
    session: Arc<LiveSession>,
    action: Arc<Action>,
    approved: bool,
    resource: Option<Arc<Resource>>,
    recorded: Recorded,
    stop: CancellationToken,
    started: Instant,
    credential: Option<CredentialUse>,
    /// What the session has been exposed to from here on, where that changed.
    labels: Option<Labels>,
    outcome: Option<Outcome>,
}

impl Gate {
    pub(crate) fn new(
        clock: Clock,
        snapshot: Snapshot,
        locks: Vec<Lock>,
        journal: Journal,
        broker: Broker,
        desk: Desk,
        exposures: Exposures,
    ) -> Self {
        let shared = Shared {
            clock,
            desk,
            exposures,
            flights: Flights::default(),
            snapshot: ArcSwap::from_pointee(snapshot),
            locks: ArcSwap::from_pointee(locks),
            journal,
            broker,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The catalogue in force.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.shared.snapshot.load().catalogue)
    }

    /// The broker: the only code that sees a secret.
    pub fn broker(&self) -> &Broker {
        &self.shared.broker
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.shared.desk
    }

    pub(crate) fn exposures(&self) -> &Exposures {
        &self.shared.exposures
    }

    pub(crate) fn clock(&self) -> Clock {
        self.shared.clock
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    pub(crate) fn replace_snapshot(&self, snapshot: Snapshot) {
        self.shared.snapshot.store(Arc::new(snapshot));
    }

    pub(crate) fn locks(&self) -> Arc<Vec<Lock>> {
        self.shared.locks.load_full()
    }

    pub(crate) fn update_locks(&self, change: impl Fn(&[Lock]) -> Vec<Lock>) {
        self.shared.locks.rcu(|locks| change(locks));
    }

    /// Decides `attempt` and puts it on record. On success it may happen: an effect's attempt is on stable storage, a read's is
    /// written. What is held waits for a person, but not for long.
    ///
    /// # Errors
    /// If it is refused or held, or cannot be recorded.
    pub async fn admit(&self, session: &Arc<LiveSession>, attempt: Attempt) -> Result<Admission, Denied> {
        self.pass(self.weigh(session, attempt)).await
    }

    /// Puts on record what is permitted, and lets it happen. `before` is what a permit at first sight was found under.
    async fn permitted(
        &self,
        session: &Arc<LiveSession>,
        action: Arc<Action>,
        captured: Option<CredentialUse>,
        given: Option<Given>,
        before: Option<(Decision, Under)>,
    ) -> Result<Admission, Denied> {
        let approved = given.is_some();
        // The place is taken before looking at locks and policies, so that a lock set meanwhile finds it.
        let Some(stop) = session.begin(&action, approved) else {
            return Err(self.deny(session, &action, too_many(session).into()).await);
        };
        let place = Place { session, action: Some(action.id) };
        let before = before.filter(|(_, under)| self.stands(session, under));
        let (decision, under) = before.unwrap_or_else(|| self.decide_under(session, &action, approved));
        if !matches!(decision, Decision::Permit(_)) {
            return Err(self.write_denial(session, &action, decision).await);
        }
        session.note(&action, &decision);
        let snapshot = self.shared.snapshot.load_full();
        let fact = given.map_or_else(ApprovalFact::default, |given| ApprovalFact {
            required: true,
            id: Some(given.id),
            by: Some(given.by),
        });
        let credential = captured.clone().or_else(|| own_credential(session, &action, &snapshot));
        let attempt = self.shared.journal.attempt(session, &action, decision, fact, credential, &snapshot);
        let recorded = match attempt.await {
            Ok(recorded) => recorded,
            Err(reason) => return Err(Denied::refused(&action, reason.into())),
        };
        let listed = action.resource.listed().and_then(|name| snapshot.catalogue.by_name(name));
        let resource = listed.map(|resource| found::usable(session, resource));
        place.keep();
        let admission = Admission {
            gate: self.clone(),
            session: Arc::clone(session),
            action,
            approved,
            resource,
            recorded,
            stop,
            started: Instant::now(),
            credential: captured,
            labels: None,
            outcome: None,
        };
        let mut admission = admission.still_permitted(&under)?;
        self.expose(&mut admission).await?;
        Ok(admission)
    }

    /// Puts an attempt on record that its adapter could not accept.
    pub async fn refuse(&self, session: &Arc<LiveSession>, attempt: Attempt, why: Reason) -> Denied {
        let action = Arc::new(self.action(session, attempt));
        let denied = self.deny(session, &action, why.into()).await;
        self.remember(session, &action, &denied);
        denied
    }

    /// What is decided of `action` at this moment; `approved` says whether a person said yes to exactly this.
    pub(crate) fn decide(&self, session: &LiveSession, action: &Action, approved: bool) -> Decision {
        if let Some(ended) = session.ended() {
            let reason =
                Reason::new(ReasonCode::SessionEnded, format!("the session has ended: {}", ended.reason))
                    .with_fix("bailiwick run -- …");
            return Decision::Refuse(reason.into());
        }
        if session.is_paused() {
            return Decision::Refuse(paused(session).into());
        }
        let Ok(chain) = session.chain() else {
            let reason = Reason::new(ReasonCode::SessionEnded, "the session has no path of authority");
            return Decision::Refuse(reason.into());
        };
        let snapshot = self.shared.snapshot.load();
        let locks: Vec<LockTarget> =
            self.shared.locks.load().iter().map(|lock| lock.target.clone()).collect();
        let resource = action.resource.listed().and_then(|name| snapshot.catalogue.by_name(name));
        let context = Context::new(self.shared.clock.now(), &chain, &snapshot.policies)
            .with_locks(&locks)
            .with_resource(resource.map(Arc::as_ref));
        decide(action, &if approved { context.with_approval() } else { context })
    }

    fn action(&self, session: &LiveSession, attempt: Attempt) -> Action {
        Action {
            id: ActionId::from_uuid(self.shared.clock.uuid()),
            at: self.shared.clock.now(),
            session: session.id(),
            process: attempt.process,
            claimed: session.claims().now(),
            resource: attempt.resource,
            operation: attempt.operation,
            effects: attempt.effects,
            target: attempt.target,
            arguments: attempt.arguments,
            body: attempt.body,
            head: None,
        }
    }

    async fn deny(&self, session: &Arc<LiveSession>, action: &Arc<Action>, refusal: Refusal) -> Denied {
        self.write_denial(session, action, Decision::Refuse(refusal)).await
    }

    async fn write_denial(
        &self,
        session: &Arc<LiveSession>,
        action: &Arc<Action>,
        decision: Decision,
    ) -> Denied {
        session.note(action, &decision);
        let snapshot = self.shared.snapshot.load_full();
        let fact = ApprovalFact::default();
        let credential = own_credential(session, action, &snapshot);
        let attempt =
            self.shared.journal.attempt(session, action, decision.clone(), fact, credential, &snapshot);
        let recorded = attempt.await;
        let decision = match recorded {
            Ok(_) => decision,
            Err(reason) => Decision::Refuse(reason.into()),
        };
        Denied { action: action.id, decision, approval: None }
    }
}

/// The credential of the resource that `action` is aimed at. An observed session opens nothing.
fn own_credential(session: &LiveSession, action: &Action, snapshot: &Snapshot) -> Option<CredentialUse> {
    let listed = action.resource.listed().filter(|_| !session.is_observed());
    let resource = listed.and_then(|name| snapshot.catalogue.by_name(name))?;
    resource.credential.as_ref().map(|spec| credential_use(spec, None))
}

/// A place among a session's actions under way, given back unless kept.
struct Place<'a> {
    session: &'a LiveSession,
    action: Option<ActionId>,
}

impl Place<'_> {
    fn keep(mut self) {
        self.action = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(action) = self.action {
            self.session.finish(action);
        }
    }
}

impl Admission {
    /// The action, as decided.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The catalogue entry it is aimed at.
    pub fn resource(&self) -> Option<&Arc<Resource>> {
        self.resource.as_ref()
    }

    /// Cancelled when this action must stop: the session ended, a lock or a new policy forbids it.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Opens the credential of the resource, for this action only. `None` where the resource has none.
    ///
    /// # Errors
    /// If the credential is not there or cannot be opened. The action is closed as refused.
    pub fn open_credential(&mut self) -> Result<Option<Opened>, Denied> {
        let Some(spec) = self.resource.as_ref().and_then(|resource| resource.credential.clone()) else {
            return Ok(None);
        };
        if self.stop.is_cancelled() {
            return Err(self.late(stopped()));
        }
        match self.gate.shared.broker.open(&spec) {
            Ok(opened) => {
                self.credential = Some(credential_use(&spec, Some(opened.fingerprint().to_string())));
                Ok(Some(opened))
            }
            Err(error) => {
                let reason = Reason::new(ReasonCode::CredentialMissing, error.to_string())
                    .with_fix(format!("bailiwick secret set {}", spec.secret));
                Err(self.late(reason))
            }
        }
    }

    /// Refuses an action that was already admitted: what came after the decision broke a rule.
    pub fn late(&mut self, reason: Reason) -> Denied {
        self.outcome = Some(Outcome {
            status: OutcomeStatus::Failed,
            error: Some(format!("{}: {}", reason.code.as_str(), reason.detail)),
            ..Outcome::default()
        });
        let denied = Denied::refused(&self.action, reason.into());
        self.gate.remember(&self.session, &self.action, &denied);
        denied
    }

    /// Notes how it went so far: what is recorded if the admission is dropped before it is closed.
    pub fn so_far(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// Closes the record.
    pub fn close(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// Between the decision and its record becoming durable, a lock may have come, or a new policy.
    fn still_permitted(mut self, under: &Under) -> Result<Self, Denied> {
        if self.gate.stands(&self.session, under) && !self.stop.is_cancelled() {
            return Ok(self);
        }
        match self.gate.decide(&self.session, &self.action, self.approved) {
            Decision::Permit(_) if !self.stop.is_cancelled() => Ok(self),
            Decision::Permit(_) => Err(self.late(stopped())),
            Decision::Hold(refusal) | Decision::Refuse(refusal) => {
                let reason = refusal.reasons.into_iter().next().unwrap_or_else(stopped);
                Err(self.late(reason))
            }
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.session.finish(self.action.id);
        let outcome = self.outcome.take().unwrap_or_default();
        let closing = Closing {
            recorded: self.recorded,
            outcome,
            credential: self.credential.take(),
            labels: self.labels.take(),
            took: self.started.elapsed(),
        };
        self.gate.shared.journal.outcome(&self.session, &self.action, closing);
    }
}

impl Denied {
    fn refused(action: &Action, refusal: Refusal) -> Self {
        Self { action: action.id, decision: Decision::Refuse(refusal), approval: None }
    }

    /// The problem document for the one who asked.
    pub fn problem(&self) -> Problem {
        let mut problem = Problem::of(&self.decision, self.action).unwrap_or_else(|| {
            let mut problem = Problem::new(403, "refused", "the action was refused");
            problem.action = Some(self.action);
            problem
        });
        problem.approval = self.approval;
        problem
    }
}

fn paused(session: &LiveSession) -> Reason {
    Reason::new(ReasonCode::Paused, "the session asked a person too often and is paused")
        .with_fix(format!("bailiwick approval list --all; then: bailiwick session resume {}", session.id()))
}

fn too_many(session: &LiveSession) -> Reason {
    let detail = format!("too many actions are under way in this session ({})", session.under_way().len());
    Reason::new(ReasonCode::QuotaExceeded, detail)
        .with_fix("wait for some to end, or raise `quota.actions` in bailiwick.toml")
}

fn stopped() -> Reason {
    Reason::new(ReasonCode::Locked, "the session was stopped")
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("action", &self.action.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
