//! The five answers for one action, in words, from the records it rests on.

use bailiwick_core::{Answer, Approval, Claimed, Decision, Initiator, ResourceRef, SessionId, Timestamp};
use bailiwick_ledger::{Attempt, CapturedCount, CredentialPattern, CredentialUse, Outcome};
use bailiwick_wire::Explanation;

use crate::{row, row::answer_word};

/// The records that an explanation rests on.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The attempt's index in the ledger.
    pub index: u64,
    /// The session that attempted.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
    /// The attempt.
    pub attempt: Attempt,
    /// A person's answer, where one was given.
    pub answer: Option<Answered>,
    /// The outcome and its index, once there is one.
    pub outcome: Option<(u64, Outcome)>,
}

/// A person's answer, as it is on record.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Its index in the ledger.
    pub index: u64,
    /// The answer.
    pub approval: Approval,
}

/// The five answers.
pub fn explain(evidence: &Evidence) -> Explanation {
    let attempt = &evidence.attempt;
    let outcome = evidence.outcome.as_ref().map(|(_, outcome)| outcome);
    let mut action = row(evidence.session, evidence.at, attempt);
    if let Some(answered) = &evidence.answer {
        action.approval = Some(answer_word(&answered.approval));
    }
    action.outcome = outcome.map(|outcome| outcome.status.word().to_owned());
    Explanation {
        initiator: initiator(attempt),
        agent: agent(attempt, evidence.session),
        resource: resource(attempt, outcome),
        permission: permission(attempt, outcome),
        approval: approval(attempt, evidence.answer.as_ref()),
        action,
        records: records(evidence),
    }
}

/// In the order in which they came about.
fn records(evidence: &Evidence) -> Vec<u64> {
    let mut records = evidence.attempt.claimed.as_ref().map(Claimed::records).unwrap_or_default();
    records.push(evidence.index);
    records.extend(evidence.answer.as_ref().map(|answered| answered.index));
    records.extend(evidence.outcome.as_ref().map(|(index, _)| *index));
    records
}

fn initiator(attempt: &Attempt) -> String {
    let who = match &attempt.initiator {
        Initiator::User { name, uid: Some(uid) } => format!("user {name} (uid {uid})"),
        other => other.to_string(),
    };
    format!("{who}, for task {}", attempt.task)
}

fn agent(attempt: &Attempt, session: SessionId) -> String {
    let process = attempt
        .process
        .as_ref()
        .map_or_else(String::new, |process| format!(", through {} (pid {})", process.short(), process.pid));
    let observed = if attempt.observed { " (observed: reads only, no credentials)" } else { "" };
    format!("{} in session {session}{observed}{}{process}", attempt.agent, path(attempt))
}

/// Through whose hands the authority came.
fn path(attempt: &Attempt) -> String {
    if attempt.chain.is_empty() {
        return String::new();
    }
    let sessions = attempt.chain.iter().enumerate().map(|(at, session)| match attempt.agents.get(at) {
        Some(agent) => format!("{session} ({agent})"),
        None => session.to_string(),
    });
    let hands: Vec<_> = std::iter::once(attempt.initiator.to_string()).chain(sessions).collect();
    format!(", delegated: {}", hands.join(" → "))
}

fn resource(attempt: &Attempt, outcome: Option<&Outcome>) -> String {
    let name = match &attempt.resource {
        ResourceRef::Agent { .. } | ResourceRef::Listed { .. } => attempt.resource.qualified(),
        ResourceRef::Unlisted { address } => format!("{address} (not in the catalogue)"),
    };
    let effects: Vec<_> = attempt.effects.iter().map(bailiwick_core::EffectClass::name).collect();
    let credential = outcome.and_then(|outcome| outcome.credential.as_ref()).or(attempt.credential.as_ref());
    let used = if outcome.is_some() { "with" } else { "to be used:" };
    let with = credential.map_or_else(String::new, |credential| format!("; {used} {}", describe(credential)));
    let claimed = attempt
        .claimed
        .as_ref()
        .map_or_else(String::new, |claimed| format!("; claimed by the agent: {claimed}"));
    format!("{} on {name}: {} ({}){with}{claimed}", attempt.operation, attempt.target, effects.join(", "))
}

fn describe(credential: &CredentialUse) -> String {
    let pattern = match credential.pattern {
        CredentialPattern::Brokered => "brokered",
        CredentialPattern::Captured => "captured",
        CredentialPattern::Federated => "federated",
        CredentialPattern::Static => "static",
    };
    format!("{pattern} credential {}", credential.source)
}

fn permission(attempt: &Attempt, outcome: Option<&Outcome>) -> String {
    let decided = match &attempt.decision {
        Decision::Permit(permit) => {
            let by = if permit.policies.is_empty() {
                String::new()
            } else {
                format!(" by {}", permit.policies.join(", "))
            };
            format!("permitted{by}, until {}", attempt.expires_at)
        }
        Decision::Hold(refusal) | Decision::Refuse(refusal) => {
            let word = if matches!(attempt.decision, Decision::Hold(_)) { "held" } else { "refused" };
            let reasons: Vec<_> = refusal.reasons.iter().map(|reason| reason.detail.as_str()).collect();
            format!("{word}: {}", reasons.join("; "))
        }
    };
    let ended = match (&attempt.decision, outcome) {
        (Decision::Permit(_), None) => "; no outcome is on record yet".to_owned(),
        (_, None) => String::new(),
        (_, Some(outcome)) => {
            let code = outcome.code.map_or_else(String::new, |code| format!(" ({code})"));
            let captured = captured(outcome.captured);
            format!("; {}{code} after {} ms{captured}", outcome.status.word(), outcome.duration_ms)
        }
    };
    format!("{decided}{ended}")
}

/// What the answer handed out, and stayed outside.
fn captured(count: CapturedCount) -> String {
    let kinds = [(count.fields, "in its fields"), (count.cookies, "as cookies")];
    let told = kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}"));
    let told: Vec<_> = told.collect();
    if told.is_empty() { String::new() } else { format!("; credentials captured: {}", told.join(", ")) }
}

fn approval(attempt: &Attempt, answered: Option<&Answered>) -> String {
    let fact = &attempt.approval;
    match (fact.required, &fact.by, fact.id, answered) {
        (false, ..) => "not required".to_owned(),
        (true, Some(by), Some(id), _) => format!("required, and given by {by} ({id})"),
        (true, Some(by), None, _) => format!("required, and given by {by}"),
        (true, None, _, Some(Answered { approval: Approval { answer: Answer::No, by, id, .. }, .. })) => {
            format!("required, and refused by {by} ({id})")
        }
        (true, None, _, Some(Answered { approval: Approval { by, id, .. }, .. })) => {
            format!("required, and given by {by} ({id}), for the next identical attempt")
        }
        (true, None, ..) => "required, and not given".to_owned(),
    }
}
