//! What of a session's questions is kept, so that a daemon that starts anew knows what was asked, answered and used.

use std::sync::Arc;

use bailiwick_core::{Approval, ApprovalId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::kept::{Unkept, keep};

use super::{
    Question,
    desk::{Desk, Sitting},
    hold::{Hold, State},
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptSitting {
    asked: usize,
    paused: bool,
    holds: Vec<KeptHold>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptHold {
    id: ApprovalId,
    question: Question,
    asked_at: Timestamp,
    open_until: Timestamp,
    /// What was said, and how often it was used. An answer that was not on record yet is none.
    answered: Option<(Approval, u32)>,
}

impl Desk {
    /// Puts the questions of `session` as they are now on stable storage.
    ///
    /// # Errors
    /// If that cannot be done.
    pub(crate) async fn keep(&self, session: SessionId) -> Result<(), Unkept> {
        let _alone = self.writing().lock().await;
        let Some(body) = self.with(session, |sitting| serde_json::to_string(&KeptSitting::from(sitting)))
        else {
            return Ok(());
        };
        let body = body.map_err(|error| Unkept(error.to_string()))?;
        keep(self.store(), move |store| store.put_sitting(session, &body)).await
    }

    /// Forgets a session that has ended: nothing of it can be approved any more.
    pub(crate) async fn forget(&self, session: SessionId) {
        let _alone = self.writing().lock().await;
        self.drop_sitting(session);
        if let Err(error) = keep(self.store(), move |store| store.remove_sitting(session)).await {
            tracing::error!(%error, %session, "the questions of a session that has ended are kept");
        }
    }

    /// Takes up the questions of a session where a daemon before left them. Returns whether the session is paused.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn restore(&self, session: SessionId) -> Result<bool, Unkept> {
        let read = self.store().sitting(session).map_err(|error| Unkept(error.to_string()))?;
        let Some(text) = read else { return Ok(false) };
        let kept: KeptSitting = serde_json::from_str(&text).map_err(|error| Unkept(error.to_string()))?;
        let paused = kept.paused;
        self.put_sitting(session, kept.into());
        Ok(paused)
    }
}

impl From<&Sitting> for KeptSitting {
    fn from(sitting: &Sitting) -> Self {
        let holds = sitting.holds.iter().map(|hold| KeptHold {
            id: hold.id,
            question: hold.question.clone(),
            asked_at: hold.asked_at,
            open_until: hold.open_until,
            answered: match &hold.state {
                State::Open | State::Answering => None,
                State::Answered { approval, used } => Some((approval.clone(), *used)),
            },
        });
        Self { asked: sitting.asked, paused: sitting.paused, holds: holds.collect() }
    }
}

impl From<KeptSitting> for Sitting {
    fn from(kept: KeptSitting) -> Self {
        let holds = kept.holds.into_iter().map(|hold| Hold {
            id: hold.id,
            question: hold.question,
            asked_at: hold.asked_at,
            open_until: hold.open_until,
            state: hold.answered.map_or(State::Open, |(approval, used)| State::Answered { approval, used }),
            waiting: 0,
            answered: Arc::new(watch::Sender::new(false)),
        });
        Self { holds: holds.collect(), asked: kept.asked, paused: kept.paused }
    }
}
