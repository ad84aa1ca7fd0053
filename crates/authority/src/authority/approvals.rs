//! Answering: a person's yes or no, on record before it is of any use.

use bailiwick_core::{Answer, Approval, Name, Problem, SessionId};
use bailiwick_wire::{AnswerRequest, ApprovalView};
use tokio::sync::broadcast;

use super::Authority;
use crate::approvals::{Announced, Announcement, Draft};

/// What a person at a session's terminal is told, as it comes.
#[derive(Debug)]
pub struct Questions {
    session: SessionId,
    announcements: broadcast::Receiver<Announcement>,
}

impl Questions {
    /// The next one; never ready once there can be none.
    pub async fn next(&mut self) -> Announced {
        loop {
            match self.announcements.recv().await {
                Ok(Announcement { session, what }) if session == self.session => return what,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

impl Authority {
    /// The questions that wait, oldest first; with `all`, those that were answered or ran out too.
    pub fn approvals(&self, all: bool) -> Vec<ApprovalView> {
        self.gate.desk().list(all)
    }

    /// One of them, by its id, a unique part of it, or `-` for the one that waits longest.
    ///
    /// # Errors
    /// If there is none, or several fit.
    pub fn approval(&self, reference: &str) -> Result<ApprovalView, Problem> {
        self.gate.desk().find(reference)
    }

    /// What the person at the terminal of `session` is told from now on.
    pub fn questions(&self, session: SessionId) -> Questions {
        Questions { session, announcements: self.gate.desk().announcements() }
    }

    /// Takes the answer of `by`, or of the user of this daemon. It is on stable storage before anything may happen because of it.
    ///
    /// # Errors
    /// If nothing of that name is open, the answer is to something else, or it cannot be recorded: then the question is open still.
    pub async fn answer(
        &self,
        reference: &str,
        request: AnswerRequest,
        by: Option<Name>,
    ) -> Result<Approval, Problem> {
        let view = self.gate.desk().find(reference)?;
        let session = self.live(view.session)?;
        let session_ends = session.chain().map(|chain| chain.expires_at()).unwrap_or_default();
        let draft = Draft {
            answer: request.answer,
            scope: request.scope,
            by: by.unwrap_or_else(|| self.user()),
            session_ends,
        };
        let answering = self.gate.desk().begin_answer(view.id, request.digest, draft)?;
        let recorded = self.gate.journal().approval(answering.approval()).await;
        recorded.map_err(|reason| Problem::new(503, reason.code.as_str(), reason.detail))?;
        let approval = answering.recorded();
        self.gate.keep_questions(approval.session).await;
        let word = if approval.answer == Answer::Yes { "yes" } else { "no" };
        tracing::info!(approval = %approval.id, session = %approval.session, "a person said {word}");
        Ok(approval)
    }

    /// Lets a session go on that paused because it asked too often.
    ///
    /// # Errors
    /// If there is none, or several fit.
    pub async fn resume_paused(&self, reference: &str) -> Result<bailiwick_wire::SessionView, Problem> {
        let view = self.session(reference)?;
        let session = self.live(view.session.id)?;
        self.gate.desk().reset(session.id());
        session.unpause();
        self.gate.keep_questions(session.id()).await;
        self.session(reference)
    }
}
