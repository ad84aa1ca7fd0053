//! One hold: a question to a person, and what became of it.

use std::{sync::Arc, time::Duration};

use bailiwick_core::{
    Action, ActionId, Answer, Approval, ApprovalId, Name, Scope, SessionId, Subject, Timestamp, shown,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Card;

/// What is asked of a person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) session: SessionId,
    pub(crate) agent: Name,
    pub(crate) act: ActionId,
    pub(crate) subject: Subject,
    /// Whose work it is, where somebody else must say yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_by: Option<Name>,
    /// One line that says what it is about.
    pub(crate) line: String,
    pub(crate) card: Card,
}

/// A question that was put, and what became of it.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) id: ApprovalId,
    pub(super) question: Question,
    pub(super) asked_at: Timestamp,
    /// Until when an answer is taken; later with every identical attempt.
    pub(super) open_until: Timestamp,
    pub(super) state: State,
    /// Identical attempts that wait on the wire.
    pub(super) waiting: usize,
    /// Wakes those who wait.
    pub(super) answered: Arc<watch::Sender<bool>>,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody answered yet.
    Open,
    /// An answer is being put on record.
    Answering,
    /// Somebody did.
    Answered { approval: Approval, used: u32 },
}

/// A yes, taken for one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) id: ApprovalId,
    pub(crate) by: Name,
    /// Whether it is used up by that.
    pub(crate) once: bool,
}

/// What an attempt that waited learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// A yes, which is now used up if it was good for one effect.
    Yes(Given),
    /// A no.
    No(Name),
    /// Nothing in time; an answer may still come, for an identical attempt.
    Nothing,
}

impl Hold {
    pub(super) fn new(id: ApprovalId, question: Question, now: Timestamp, open_for: Duration) -> Self {
        Self {
            id,
            question,
            asked_at: now,
            open_until: now.after(open_for),
            state: State::Open,
            waiting: 0,
            answered: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Whether an answer would still be taken.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        match self.state {
            State::Open => now < self.open_until || self.waiting > 0,
            State::Answering => true,
            State::Answered { .. } => false,
        }
    }

    /// Takes the yes for `subject`, if there is one that is still good for it.
    pub(super) fn take(&mut self, subject: &Subject, now: Timestamp) -> Option<Given> {
        let State::Answered { approval, used } = &mut self.state else { return None };
        let good = approval.answer == Answer::Yes && now < approval.expires_at;
        let fits = match approval.scope {
            Scope::Effect => *used == 0 && approval.subject.effect == subject.effect,
            Scope::Target => approval.subject.target == subject.target,
        };
        if !good || !fits {
            return None;
        }
        *used = used.saturating_add(1);
        Some(Given { id: approval.id, by: approval.by.clone(), once: approval.scope == Scope::Effect })
    }

    /// Whether there is a yes here for the whole target of `subject`.
    pub(super) fn covers(&self, subject: &Subject, now: Timestamp) -> bool {
        matches!(&self.state, State::Answered { approval, .. } if approval.answer == Answer::Yes
            && approval.scope == Scope::Target
            && approval.subject.target == subject.target
            && now < approval.expires_at)
    }

    /// Whether `approval`, given to another question, answers this one as well.
    pub(super) fn is_answered_by(&self, approval: &Approval) -> bool {
        approval.answer == Answer::Yes
            && approval.scope == Scope::Target
            && approval.subject.target == self.question.subject.target
    }

    /// Who said no to `subject`, where that still stands.
    pub(super) fn denied(&self, subject: &Subject, now: Timestamp) -> Option<&Name> {
        match &self.state {
            State::Answered { approval, .. }
                if approval.answer == Answer::No
                    && approval.subject.effect == subject.effect
                    && now < approval.expires_at =>
            {
                Some(&approval.by)
            }
            _ => None,
        }
    }

    /// In one word: `open`, `yes`, `used`, `no`, `expired`.
    pub(super) fn word(&self, now: Timestamp) -> &'static str {
        match &self.state {
            State::Answered { approval, .. } if approval.answer == Answer::No => "no",
            State::Answered { approval, used } if approval.scope == Scope::Effect && *used > 0 => "used",
            State::Answered { approval, .. } if now < approval.expires_at => "yes",
            State::Open if !self.is_open(now) => "expired",
            State::Answered { .. } => "expired",
            State::Open | State::Answering => "open",
        }
    }
}

/// Whether two questions are the same one.
pub(super) fn same(hold: &Hold, session: SessionId, subject: &Subject) -> bool {
    hold.question.session == session && hold.question.subject.effect == subject.effect
}

/// What a yes to `action` would be good for.
pub(super) fn lasts(scope: Scope, now: Timestamp, valid: Duration, session_ends: Timestamp) -> Timestamp {
    match scope {
        Scope::Effect => now.after(valid),
        Scope::Target => session_ends,
    }
}

/// The action a question is about, in one line of what it seems to be.
pub(crate) fn line(action: &Action) -> String {
    const LONGEST: usize = 120;
    let line = shown(&format!("{} on {}: {}", action.operation, action.resource.name(), action.target));
    if line.chars().count() <= LONGEST { line } else { line.chars().take(LONGEST).chain(['…']).collect() }
}
