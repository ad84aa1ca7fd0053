//! Looking: what is going on, and what is on record.

use std::sync::PoisonError;

use bailiwick_core::{Chain, Problem, SessionId};
use bailiwick_store::LogFilter;
use bailiwick_wire::{Above, Attempted, Explanation, Health, LogRow, SessionView, Tally};

use super::{Authority, not_found, store_problem};
use crate::LiveSession;

impl Authority {
    /// Which daemon this is, and how it does.
    pub fn health(&self, build: &str) -> Health {
        let ledger = self.gate.journal().ledger();
        Health {
            build: build.to_owned(),
            pid: std::process::id(),
            home: self.home.path().display().to_string(),
            sessions: self.live_sessions(),
            records: ledger.len(),
            ledger_ok: ledger.failure().is_none(),
            problems: self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Brings the signed checkpoint up to everything that is on record, for whoever reads the ledger's files.
    ///
    /// # Errors
    /// If the ledger has stopped.
    pub async fn publish(&self) -> Result<(), Problem> {
        let ledger = std::sync::Arc::clone(self.gate.journal().ledger());
        let published = tokio::task::spawn_blocking(move || ledger.publish()).await;
        match published {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Problem::new(503, "ledger_unavailable", error.to_string())),
            Err(error) => Err(Problem::new(500, "daemon", error.to_string())),
        }
    }

    /// The sessions that are going on, oldest first.
    pub fn sessions(&self) -> Vec<SessionView> {
        let mut sessions: Vec<_> = self.all().iter().map(|session| view(session)).collect();
        sessions.sort_by_key(|view| view.session.id);
        sessions
    }

    /// One of them.
    ///
    /// # Errors
    /// If there is none, or several fit.
    pub fn session(&self, reference: &str) -> Result<SessionView, Problem> {
        let id = self.live_id(reference).map_err(|problem| self.perhaps_ended(reference, problem))?;
        self.live(id).map(|session| view(&session))
    }

    /// What is not going on may have been.
    fn perhaps_ended(&self, reference: &str, problem: Problem) -> Problem {
        if problem.status != 404 || reference == "-" {
            return problem;
        }
        match self.state.find_session(reference) {
            Ok(Some(id)) => Problem::new(404, "session_ended", format!("session `{id}` has ended")).with_fix(
                format!("bailiwick session list, or `bailiwick log --session {id}` for what it did"),
            ),
            Ok(None) | Err(_) => problem,
        }
    }

    /// The id of a session, live or ended, by its id, a unique part of it, or `-` for the latest.
    ///
    /// # Errors
    /// If there is none, or several fit.
    pub fn session_id(&self, reference: &str) -> Result<SessionId, Problem> {
        if let Ok(id) = self.live_id(reference) {
            return Ok(id);
        }
        let found = self.state.find_session(reference).map_err(|error| store_problem(&error))?;
        found.ok_or_else(|| not_found("session", reference))
    }

    fn live_id(&self, reference: &str) -> Result<SessionId, Problem> {
        let live = self.all().into_iter().filter(|session| session.ended().is_none());
        let mut ids: Vec<_> = live.map(|session| session.id().to_string()).collect();
        ids.sort();
        let id = resolve(reference, ids, "live session")?;
        id.parse().map_err(|_| not_found("session", reference))
    }

    /// What was attempted, in the order of the record: rows after the index `after`, with their indexes.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub async fn log(
        &self,
        filter: &LogFilter,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, LogRow)>, Problem> {
        self.index.log(filter, after, limit).map_err(|error| store_problem(&error))
    }

    /// The attempts of the session `reference`, live or ended, with all that was parsed of them: the first `limit` from the index `from`
    /// on.
    ///
    /// # Errors
    /// If there is no such session, or the index cannot be read.
    pub async fn attempts(
        &self,
        reference: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Attempted>, Problem> {
        let session = self.session_id(reference)?;
        self.index.attempts(session, from, limit).map_err(|error| store_problem(&error))
    }

    /// Completes when something has been put on record since the call.
    pub fn log_grows(&self) -> impl Future<Output = ()> + Send + use<> {
        self.index.grows()
    }

    /// The five answers for one action, by its id, a unique part of it, or `-` for the latest.
    ///
    /// # Errors
    /// If there is none, or several fit.
    pub async fn explain(&self, reference: &str) -> Result<Explanation, Problem> {
        let found = self.index.explain(reference).map_err(|error| store_problem(&error))?;
        found.ok_or_else(|| not_found("action", reference))
    }
}

/// The one of `ids` (sorted) that `reference` means: the id itself, a unique beginning or its last four or more characters, or `-` for the
/// latest.
pub(crate) fn resolve(reference: &str, ids: Vec<String>, what: &str) -> Result<String, Problem> {
    if reference == "-" {
        return ids.into_iter().next_back().ok_or_else(|| not_found(what, reference));
    }
    let fits = |id: &String| {
        id.starts_with(reference)
            || id.split_once('_').is_some_and(|(_, rest)| rest.starts_with(reference))
            || (reference.len() >= 4 && id.ends_with(reference))
    };
    let mut fitting = ids.into_iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(id), None) if !reference.is_empty() => Ok(id),
        (Some(_), _) => {
            Err(Problem::new(409, "ambiguous", format!("`{reference}` fits more than one {what}"))
                .with_fix("give more of the id"))
        }
        (None, _) => Err(not_found(what, reference)),
    }
}

fn view(session: &LiveSession) -> SessionView {
    let tally = session.tally();
    let chain = session.chain().ok();
    let above = chain.iter().flat_map(Chain::iter).filter(|above| above.id != session.id());
    SessionView {
        session: session.session().as_ref().clone(),
        ends_at: chain.as_ref().map(Chain::expires_at).unwrap_or_default(),
        end: session.ended().map(|ended| ended.end),
        actions: Tally { permit: tally.permit, hold: tally.hold, refuse: tally.refuse },
        under_way: session.under_way().len(),
        above: above
            .map(|above| Above {
                id: above.id,
                agent: above.agent.clone(),
                expires_at: above.expires_at,
                grant: above.grant.clone(),
            })
            .collect(),
        seen: session.labels(),
        effective: chain.as_ref().map(Chain::effective).unwrap_or_default(),
    }
}
