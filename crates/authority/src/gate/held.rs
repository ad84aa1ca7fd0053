//! What waits for a person: the question is put, the answer waited for, and the action decided anew with it.
//!
//! An adapter that has not read all of a request weighs it first, and binds what it reads once it knows that a person is to be asked.

use std::{sync::Arc, time::Duration};

use bailiwick_core::{Action, Decision, Digest, Reason, ReasonCode, Refusal, SessionId, Subject};
use bailiwick_ledger::CredentialUse;

use super::{Admission, Attempt, Denied, Gate, standing::Under};
use crate::{
    LiveSession,
    approvals::{Answered, Asking, Given, Question, Ticket, ask_of, line},
};

/// An attempt that is about to be asked about may wait at most this long on the wire, whatever the settings say.
const MOST_PATIENCE: Duration = Duration::from_secs(90);

/// An attempt and what is decided of it at first sight. Nothing is on record yet.
#[derive(Debug)]
pub struct Weighed {
    session: Arc<LiveSession>,
    action: Action,
    decision: Decision,
    under: Under,
    captured: Option<CredentialUse>,
    bound: Bound,
}

/// What a person's answer is bound to besides the arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// The digest of the whole body.
    pub body: Option<Digest>,
    /// The digest of the head, without what changes from one attempt to the next.
    pub head: Option<Digest>,
    /// What a person is shown of the body.
    pub excerpt: Option<String>,
    /// The arguments that differ from request to request on one target.
    pub vary: Vec<String>,
    /// Whether the body was left unread, because a yes for the whole target was there: then nothing else will do.
    pub unread: bool,
}

impl Weighed {
    /// Whether a person is to be asked: then everything that would be sent is to be bound.
    pub fn is_held(&self) -> bool {
        matches!(self.decision, Decision::Hold(_))
    }

    /// Binds an answer to what was read besides the arguments.
    #[must_use]
    pub fn bind(mut self, bound: Bound) -> Self {
        self.action.body = bound.body.or(self.action.body);
        self.action.head = bound.head;
        self.bound = bound;
        self
    }

    /// Refuses it instead: what is to be bound cannot be.
    #[must_use]
    pub fn refuse(self, why: Reason) -> Self {
        Self { decision: Decision::Refuse(why.into()), ..self }
    }
}

impl Gate {
    /// Decides `attempt` at first sight.
    pub fn weigh(&self, session: &Arc<LiveSession>, attempt: Attempt) -> Weighed {
        let captured = attempt.captured.clone();
        let action = self.action(session, attempt);
        let (decision, under) = self.decide_under(session, &action, false);
        Weighed { session: Arc::clone(session), action, decision, under, captured, bound: Bound::default() }
    }

    /// Whether a person said yes to the whole target of what was weighed, so that nothing else of it needs to be bound. `vary` names the
    /// arguments that do not tell one target from another.
    pub fn is_given(&self, weighed: &Weighed, vary: &[String]) -> bool {
        let Decision::Hold(refusal) = &weighed.decision else { return false };
        self.desk().has(weighed.session.id(), &self.subject(&weighed.action, refusal, vary))
    }

    /// What a yes to `action`, which `refusal` holds, is compared with.
    fn subject(&self, action: &Action, refusal: &Refusal, vary: &[String]) -> Subject {
        let subject = Subject::of(action, self.snapshot().version(), vary);
        if refusal.two_person { subject.of_two_persons() } else { subject }
    }

    /// Puts what was weighed on record, waits for a person where one is to be asked, and lets it happen if it may.
    ///
    /// # Errors
    /// If it is refused or held, or cannot be recorded.
    pub async fn pass(&self, weighed: Weighed) -> Result<Admission, Denied> {
        let Weighed { session, action, decision, under, captured, bound } = weighed;
        let action = Arc::new(action);
        let passed = match decision {
            Decision::Permit(_) => {
                let before = Some((decision, under));
                self.permitted(&session, Arc::clone(&action), captured, None, before).await
            }
            Decision::Refuse(_) => Err(self.write_denial(&session, &action, decision).await),
            Decision::Hold(refusal) => {
                self.held(&session, Arc::clone(&action), refusal, captured, &bound).await
            }
        };
        if let Err(denied) = &passed {
            self.remember(&session, &action, denied);
        }
        passed
    }

    async fn held(
        &self,
        session: &Arc<LiveSession>,
        action: Arc<Action>,
        refusal: Refusal,
        captured: Option<CredentialUse>,
        bound: &Bound,
    ) -> Result<Admission, Denied> {
        let subject = self.subject(&action, &refusal, &bound.vary);
        if let Some(given) = self.desk().take(session.id(), &subject, bound.unread) {
            return self.given(session, action, captured, given).await;
        }
        if bound.unread {
            return Err(self.deny(session, &action, ran_out().into()).await);
        }
        let question = match self.question(session, &action, subject, &refusal, bound.excerpt.as_deref()) {
            Ok(question) => question,
            Err(reason) => return Err(self.deny(session, &action, reason.into()).await),
        };
        let ticket = match self.desk().ask(question) {
            Asking::Waits(ticket) => ticket,
            Asking::Refused(reason) => return Err(self.deny(session, &action, reason.into()).await),
            Asking::TooOften(reason) => {
                session.pause();
                self.keep_questions(session.id()).await;
                return Err(self.deny(session, &action, reason.into()).await);
            }
        };
        self.wait(session, action, refusal, captured, ticket).await
    }

    /// Puts the hold on record and waits. A client that leaves drops this, and nothing is done for it.
    async fn wait(
        &self,
        session: &Arc<LiveSession>,
        action: Arc<Action>,
        refusal: Refusal,
        captured: Option<CredentialUse>,
        mut ticket: Ticket,
    ) -> Result<Admission, Denied> {
        let id = ticket.id;
        self.keep_questions(session.id()).await;
        let denied = self.write_denial(session, &action, Decision::Hold(refusal.clone())).await;
        if !matches!(denied.decision, Decision::Hold(_)) {
            return Err(denied);
        }
        let patience = self.desk().limits().wait.min(MOST_PATIENCE);
        let answered = tokio::select! {
            () = session.stop().cancelled() => Answered::Nothing,
            answered = ticket.wait(patience) => answered,
        };
        match answered {
            Answered::Yes(given) => self.given(session, action, captured, given).await,
            Answered::No(by) => {
                let reason =
                    Reason::new(ReasonCode::ApprovalDenied, format!("`{by}` said no to exactly this"))
                        .with_fix("do without it, or do something else");
                Err(Denied::refused(&action, reason.into()))
            }
            Answered::Nothing => Err(Denied {
                action: action.id,
                decision: Decision::Hold(later(refusal, id)),
                approval: Some(id),
            }),
        }
    }

    /// Lets happen what a person said yes to. That a yes has been used is on stable storage before: it is of use once, also to a daemon
    /// that starts anew.
    async fn given(
        &self,
        session: &Arc<LiveSession>,
        action: Arc<Action>,
        captured: Option<CredentialUse>,
        given: Given,
    ) -> Result<Admission, Denied> {
        if given.once
            && let Err(error) = self.desk().keep(session.id()).await
        {
            return Err(self.deny(session, &action, error.reason().into()).await);
        }
        self.permitted(session, action, captured, Some(given), None).await
    }

    /// Keeps what is asked for a daemon that starts anew. Where that cannot be done, it is asked again then.
    pub(crate) async fn keep_questions(&self, session: SessionId) {
        if let Err(error) = self.desk().keep(session).await {
            tracing::error!(%error, %session, "a daemon that starts anew will ask again");
        }
    }

    fn question(
        &self,
        session: &LiveSession,
        action: &Action,
        subject: Subject,
        refusal: &Refusal,
        excerpt: Option<&str>,
    ) -> Result<Question, Reason> {
        let chain = session
            .chain()
            .map_err(|_| Reason::new(ReasonCode::SessionEnded, "the session has no path of authority"))?;
        let snapshot = self.snapshot();
        let resource = action.resource.listed().and_then(|name| snapshot.catalogue.by_name(name));
        Ok(Question {
            session: session.id(),
            agent: session.session().agent.clone(),
            act: action.id,
            subject,
            not_by: refusal.two_person.then(|| session.session().initiator.name().clone()),
            line: line(action),
            card: ask_of(action, &chain, resource.map(Arc::as_ref), refusal, excerpt),
        })
    }
}

/// A yes for a target that was there a moment ago.
fn ran_out() -> Reason {
    Reason::new(ReasonCode::ApprovalRequired, "the yes for this target has just run out")
        .with_fix("try exactly the same again: a person is asked then")
}

/// The reasons of a hold that nobody answered in time, with what helps now.
fn later(mut refusal: Refusal, id: bailiwick_core::ApprovalId) -> Refusal {
    for reason in &mut refusal.reasons {
        reason.fix = Some(format!(
            "a person says yes with `bailiwick approval yes {id}`; after that, try exactly the same again"
        ));
    }
    refusal
}
