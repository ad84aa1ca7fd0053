//! An admitted action on its way: whatever happens to it, its record is closed with what is known.
//!
//! Whoever asked can leave at any moment, and with them every future that was serving them. So the outcome is settled when this is
//! dropped, by how far the action had come.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bailiwick_authority::{Admission, CapturedCount, Denied, Outcome, OutcomeStatus};
use bailiwick_broker::Opened;
use bailiwick_core::{ActionId, Decision, Reason, ReasonCode};
use tokio_util::sync::CancellationToken;

/// How far an action came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Permitted and on record; nothing has left.
    Admitted,
    /// An answer has begun.
    Answered,
    /// The request may have left.
    Sent,
}

/// An admitted action.
#[derive(Debug)]
pub(crate) struct Tracked {
    admission: Option<Admission>,
    phase: Phase,
    code: Option<u32>,
    sent: Arc<AtomicU64>,
    received: u64,
    scrubbed: u64,
    captured: CapturedCount,
}

impl Tracked {
    pub(crate) fn new(admission: Admission) -> Self {
        Self {
            admission: Some(admission),
            phase: Phase::Admitted,
            code: None,
            sent: Arc::default(),
            received: 0,
            scrubbed: 0,
            captured: CapturedCount::default(),
        }
    }

    /// Opens the resource's credential.
    pub(crate) fn open_credential(&mut self) -> Result<Option<Opened>, Denied> {
        match &mut self.admission {
            Some(admission) => admission.open_credential(),
            None => Ok(None),
        }
    }

    /// Cancelled when the action must stop.
    pub(crate) fn stop(&self) -> CancellationToken {
        let gone = || {
            let token = CancellationToken::new();
            token.cancel();
            token
        };
        self.admission.as_ref().map_or_else(gone, |admission| admission.stop().clone())
    }

    /// Counts what is sent upstream.
    pub(crate) fn sent_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// From now on the request may have taken effect.
    pub(crate) fn note_sent(&mut self) {
        self.phase = Phase::Sent;
    }

    /// The answer begins, with this status.
    pub(crate) fn note_answer(&mut self, code: u16) {
        self.phase = Phase::Answered;
        self.code = Some(code.into());
    }

    pub(crate) fn note_received(&mut self, bytes: u64) {
        self.received += bytes;
    }

    /// How often a secret was taken out, in all.
    pub(crate) fn note_scrubbed(&mut self, hits: u64) {
        self.scrubbed += hits;
    }

    /// How many credentials the answer handed out, which stayed outside.
    pub(crate) fn note_captured(&mut self, cookies: usize, fields: usize) {
        let count = |more: usize| u32::try_from(more).unwrap_or(u32::MAX);
        self.captured.cookies = self.captured.cookies.saturating_add(count(cookies));
        self.captured.fields = self.captured.fields.saturating_add(count(fields));
    }

    /// The action, as long as its record is open.
    pub(crate) fn action(&self) -> Option<ActionId> {
        self.admission.as_ref().map(|admission| admission.action().id)
    }

    /// Closes the record: all of the answer is here.
    pub(crate) fn complete(&mut self) {
        self.close(OutcomeStatus::Ok, None);
    }

    /// Closes the record.
    pub(crate) fn close(&mut self, status: OutcomeStatus, error: Option<&str>) {
        if let Some(admission) = self.admission.take() {
            admission.close(Outcome {
                status,
                code: self.code,
                bytes_sent: self.sent.load(Ordering::Relaxed),
                bytes_received: self.received,
                scrubbed: self.scrubbed,
                captured: self.captured,
                error: error.map(str::to_owned),
            });
        }
    }

    /// Closes the record of an action that failed on the way, and says so to whoever asked.
    pub(crate) fn fail(mut self, reason: Reason) -> Option<Denied> {
        let action = self.admission.as_ref()?.action().id;
        let status = match reason.code {
            ReasonCode::Locked => OutcomeStatus::Cut,
            _ => OutcomeStatus::Failed,
        };
        self.close(status, Some(&format!("{}: {}", reason.code.as_str(), reason.detail)));
        Some(Denied { action, decision: Decision::Refuse(reason.into()), approval: None })
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let Some(admission) = &self.admission else { return };
        let (status, error) = match (admission.stop().is_cancelled(), self.phase) {
            (true, _) => (OutcomeStatus::Cut, "stopped"),
            (false, Phase::Admitted) => (OutcomeStatus::Withdrawn, "the client left"),
            (false, Phase::Sent) => (OutcomeStatus::Unknown, "the client left before the answer"),
            (false, Phase::Answered) => (OutcomeStatus::Ok, "the client left before the end of the answer"),
        };
        self.close(status, Some(error));
    }
}
