//! Handing authority on: a session below another, for another agent or task.
//!
//! It is an action of the session above, decided by the gate and on record like any other. What is checked here besides is for people:
//! a child that asked for too much hears it at once. What holds it to its place is decided again at each of its actions.

use std::{sync::Arc, time::Duration};

use bailiwick_core::{EffectClass, Operation, Problem, Reason, ReasonCode, ResourceRef, Session, SessionId};
use bailiwick_ledger::OutcomeStatus;

use super::{Authority, OpenRequest, not_found, store_problem};
use crate::{Attempt, LiveSession, Outcome, gate::Denied};

/// Between two looks for a session whose launcher is still on its way to a new daemon.
const RETURN: Duration = Duration::from_millis(50);

impl Authority {
    /// Opens a session below `parent`.
    pub(super) async fn delegate(
        &self,
        request: &OpenRequest,
        parent: Arc<LiveSession>,
    ) -> Result<Arc<LiveSession>, Problem> {
        // One at a time: children are counted, and two must not take the last place.
        let _turn = self.delegating.lock().await;
        let session = self.session_of(request, Some(&parent));
        let attempt = attempt(&session)?;
        if let Err(reason) = self.within(request, &parent, &session) {
            return Err(self.gate.refuse(&parent, attempt, reason).await.problem());
        }
        let admission = self.gate.admit(&parent, attempt).await.map_err(|denied: Denied| denied.problem())?;
        let opened = self.begin_session(session, Some(parent), Some(admission.action().id)).await;
        let outcome = match &opened {
            Ok(_) => Outcome { status: OutcomeStatus::Ok, ..Outcome::default() },
            Err(problem) => Outcome {
                status: OutcomeStatus::Failed,
                error: Some(problem.detail.clone()),
                ..Outcome::default()
            },
        };
        admission.close(outcome);
        opened
    }

    /// The session `id`, if it can hand authority on.
    pub(super) fn delegating_session(&self, id: SessionId) -> Result<Arc<LiveSession>, Problem> {
        let found = self.live(id).ok().filter(|live| live.ended().is_none());
        found.map_or_else(|| Err(self.cannot_delegate(id)), Ok)
    }

    /// The session `id`, once its launcher has come to this daemon. Waits for as long as it may still come; whoever asks gives up first.
    pub(super) async fn returning_session(&self, id: SessionId) -> Result<Arc<LiveSession>, Problem> {
        loop {
            if let Ok(live) = self.delegating_session(id) {
                return Ok(live);
            }
            let stored = self.state.session(id).map_err(|error| store_problem(&error))?;
            if stored.is_none_or(|stored| stored.ended.is_some()) {
                return Err(self.cannot_delegate(id));
            }
            tokio::time::sleep(RETURN).await;
        }
    }

    fn cannot_delegate(&self, id: SessionId) -> Problem {
        match self.state.session(id) {
            Ok(Some(_)) => {
                let detail = format!("session `{id}` has ended, and with it what it could hand on");
                Problem::new(403, "session_ended", detail)
                    .with_fix("bailiwick session list; bailiwick run -- …")
            }
            Ok(None) => not_found("session", &id.to_string()),
            Err(error) => store_problem(&error),
        }
    }

    /// Whether what is asked for could be had below `parent`.
    fn within(&self, request: &OpenRequest, parent: &LiveSession, child: &Session) -> Result<(), Reason> {
        as_observed_as(parent, child)?;
        let limits = self.settings().delegation;
        if child.depth > limits.depth {
            let detail = format!(
                "work may be handed on {} times in a row, and it was before it came to session {}",
                limits.depth,
                parent.id()
            );
            return Err(Reason::new(ReasonCode::QuotaExceeded, detail).with_fix(
                "hand it on from a session nearer the root, or raise `depth` under `[delegation]` in bailiwick.toml",
            ));
        }
        let children = self.all().iter().filter(|other| other.session().parent == Some(parent.id())).count();
        if children >= limits.children {
            let detail = format!("session {} has handed work to {children} sessions already", parent.id());
            return Err(Reason::new(ReasonCode::QuotaExceeded, detail).with_fix(
                "wait for one to end, `bailiwick stop` one, or raise `children` under `[delegation]` in bailiwick.toml",
            ));
        }
        self.in_time(request, parent)?;
        if request.grant.is_some() { lint(parent, child) } else { Ok(()) }
    }

    /// A child may be asked to live no longer than those above it.
    fn in_time(&self, request: &OpenRequest, parent: &LiveSession) -> Result<(), Reason> {
        let ends = parent.chain().map(|chain| chain.expires_at()).unwrap_or_default();
        let now = self.gate.clock().now();
        if now.after(request.ttl) <= ends {
            return Ok(());
        }
        let left = Duration::from_secs(ends.since(now).as_secs());
        let detail = format!(
            "session {} ends at {ends}, and what it hands on cannot last for {}",
            parent.id(),
            humantime::format_duration(request.ttl)
        );
        let fix = format!(
            "ask for less than `--ttl {}`, or for no time of its own",
            humantime::format_duration(left)
        );
        Err(Reason::new(ReasonCode::GrantExceeded, detail).with_fix(fix))
    }
}

/// Observation is not narrower than authority, nor is authority narrower than observation: both are asked for by the person, or neither.
fn as_observed_as(parent: &LiveSession, child: &Session) -> Result<(), Reason> {
    let (detail, fix) = match (parent.is_observed(), child.observed) {
        (true, false) => ("is observed, and what it hands on must be", "say `--observe` here as well"),
        (false, true) => ("is not observed, and cannot hand that on", "start it without `--parent`"),
        (true, true) | (false, false) => return Ok(()),
    };
    let detail = format!("session {} {detail}", parent.id());
    Err(Reason::new(ReasonCode::GrantExceeded, detail).with_fix(fix))
}

/// Names the session above, nearest the root, that cannot give what `child` asks for.
fn lint(parent: &LiveSession, child: &Session) -> Result<(), Reason> {
    let Ok(chain) = parent.chain() else { return Ok(()) };
    let path: Vec<&Session> = chain.iter().chain([child]).collect();
    for (at, above) in chain.iter().enumerate() {
        child.grant.lint_within(&above.grant, &path[at + 1..]).map_err(|error| {
            let detail = format!("{error}: that of session {} ({})", above.id, above.agent);
            Reason::new(ReasonCode::GrantExceeded, detail)
                .with_fix(format!("ask for no more than `bailiwick session show {}` says", parent.id()))
        })?;
    }
    Ok(())
}

fn attempt(child: &Session) -> Result<Attempt, Problem> {
    let operation = Operation::DELEGATION.parse();
    let operation = operation.map_err(|_| Problem::new(500, "delegation", "the operation has no name"))?;
    let arguments = [
        ("agent".to_owned(), child.agent.as_str().into()),
        ("depth".to_owned(), i64::from(child.depth).into()),
    ];
    Ok(Attempt {
        process: None,
        resource: ResourceRef::Agent { name: child.agent.clone() },
        operation,
        effects: EffectClass::Delegate.into(),
        target: child.agent.to_string(),
        arguments: arguments.into(),
        body: None,
        captured: None,
    })
}
