//! One row of the log, from the record of an attempt.

use bailiwick_core::{Answer, Approval, SessionId, Timestamp};
use bailiwick_ledger::{ApprovalFact, Attempt};
use bailiwick_wire::{Attempted, LogRow};

use crate::Evidence;

/// The row of an attempt of `session` at `at`, not knowing yet what became of it.
pub fn row(session: SessionId, at: Timestamp, attempt: &Attempt) -> LogRow {
    LogRow {
        act: attempt.act,
        at,
        session,
        agent: attempt.agent.clone(),
        process: attempt.process.as_ref().map(|process| process.short().to_owned()),
        claimed: attempt.claimed.clone(),
        resource: attempt.resource.qualified(),
        operation: attempt.operation.to_string(),
        target: attempt.target.clone(),
        decision: attempt.decision.word().to_owned(),
        reason: attempt.decision.reason().map(|reason| reason.detail.clone()),
        approval: approval_word(&attempt.approval),
        outcome: None,
        count: attempt.count,
    }
}

/// An attempt with all that was parsed of it, and how it ended.
pub fn attempted(evidence: Evidence) -> Attempted {
    let Evidence { index, session, attempt, outcome, .. } = evidence;
    let outcome = outcome.map(|(_, outcome)| outcome);
    Attempted {
        index,
        act: attempt.act,
        session,
        observed: attempt.observed,
        resource: attempt.resource,
        operation: attempt.operation,
        effects: attempt.effects,
        target: attempt.target,
        arguments: attempt.arguments,
        decision: attempt.decision,
        outcome: outcome.as_ref().map(|outcome| outcome.status.word().to_owned()),
        error: outcome.and_then(|outcome| outcome.error),
        count: attempt.count,
    }
}

/// Whether and by whom an action was approved: absent where no approval was required, the approver, or `required`.
pub fn approval_word(approval: &ApprovalFact) -> Option<String> {
    approval
        .required
        .then(|| approval.by.as_ref().map_or_else(|| "required".to_owned(), |by| format!("by {by}")))
}

/// The same for an answer that a person gave: `by NAME`, or `no, by NAME`.
pub fn answer_word(approval: &Approval) -> String {
    match approval.answer {
        Answer::No => format!("no, by {}", approval.by),
        Answer::Yes => format!("by {}", approval.by),
    }
}
