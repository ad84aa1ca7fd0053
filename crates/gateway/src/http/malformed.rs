//! What cannot be understood in exactly one way, and how it is told.

use bailiwick_core::{Reason, ReasonCode};

/// A request that is refused before anything is asked of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Malformed {
    code: ReasonCode,
    detail: String,
    fix: Option<&'static str>,
}

impl Malformed {
    /// A request that could be read in more than one way, or in none.
    pub(crate) fn new(detail: impl Into<String>) -> Self {
        Self { code: ReasonCode::Malformed, detail: detail.into(), fix: None }
    }

    /// A request that carries a credential where none can be taken out.
    pub(crate) fn credential(detail: impl Into<String>) -> Self {
        Self {
            code: ReasonCode::CredentialBrought,
            detail: detail.into(),
            fix: Some("send it without; the gateway adds the real one"),
        }
    }

    /// The same, saying what to write instead.
    #[must_use]
    pub(crate) fn with_fix(self, fix: &'static str) -> Self {
        Self { fix: Some(fix), ..self }
    }

    /// The reason to refuse with.
    pub(crate) fn reason(&self) -> Reason {
        let reason = Reason::new(self.code, self.detail.clone());
        match self.fix {
            Some(fix) => reason.with_fix(fix),
            None => reason,
        }
    }
}
