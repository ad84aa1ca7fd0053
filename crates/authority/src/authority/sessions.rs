//! Opening, resuming, measuring and ending sessions.

use std::{
    collections::BTreeMap,
    collections::BTreeSet,
    sync::{Arc, PoisonError},
    time::Duration,
};

use bailiwick_core::{
    ActionId, Chain, Digest, Grant, InstanceId, Integrity, Labels, Name, Problem, Reason, Repositories,
    Session, SessionEnd, SessionId, Task, TaskId, Value,
};
use bailiwick_ledger::{Event, SessionExtended, SessionMeasured, WorkspaceQuarantined};
use bailiwick_wire::SessionView;
use tokio_util::sync::CancellationToken;

use super::{Authority, not_found, store_problem};
use crate::{Announced, Ended, LiveSession, SessionSettings, live::Tally};

/// How long a launcher has to come back to a daemon that was restarted.
const SUCCESSION: Duration = Duration::from_secs(90);

/// What a launcher asks for.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// What the work is for.
    pub statement: String,
    /// What it is about, besides what those words name.
    pub repositories: Repositories,
    /// Pages that the person's own words name.
    pub pages: BTreeSet<String>,
    /// Which agent.
    pub agent: Name,
    /// The profile chosen for the program.
    pub profile: Name,
    /// The command, cut to what fits a record.
    pub argv: Vec<String>,
    /// The workspace.
    pub workdir: String,
    /// How long at most; zero for as long as the settings allow.
    pub ttl: Duration,
    /// Whether a person is at a terminal.
    pub terminal: bool,
    /// The session that delegates this one.
    pub parent: Option<SessionId>,
    /// What it may do; `None` for everything that stands above it.
    pub grant: Option<Grant>,
    /// Whether it is there to find out what its agent needs.
    pub observed: bool,
}

impl Authority {
    /// Opens a session: durable in the state and on record before it is of any use.
    ///
    /// # Errors
    /// If a lock stops it, its parent is not there, it asks for more than its parent can give, or it cannot be recorded.
    pub async fn open(&self, request: OpenRequest) -> Result<Arc<LiveSession>, Problem> {
        match request.parent {
            Some(parent) => self.delegate(&request, self.delegating_session(parent)?).await,
            None => self.begin_session(self.session_of(&request, None), None, None).await,
        }
    }

    /// Brings a session to life, delegated by the action `act` where it has a parent.
    pub(super) async fn begin_session(
        &self,
        session: Session,
        parent: Option<Arc<LiveSession>>,
        act: Option<ActionId>,
    ) -> Result<Arc<LiveSession>, Problem> {
        let live = self.living(session, parent)?;
        // What it knows it can write down where it works.
        self.gate.raise(&live, &live.labels(), None).await.map_err(|reason| unrecorded(&reason))?;
        self.state.put_session(live.session()).map_err(|error| store_problem(&error))?;
        self.gate.journal().opened(live.session(), act).await.map_err(|reason| unrecorded(&reason))?;
        Ok(self.admit_live(live))
    }

    /// The session in its place below `parent`, if no lock stops it there.
    fn living(&self, session: Session, parent: Option<Arc<LiveSession>>) -> Result<LiveSession, Problem> {
        let place = self.gate.exposures().place(session.workspace.as_deref());
        let live =
            LiveSession::new(session, parent, place, self.settings().quota.actions, self.gate.clock().now())
                .map_err(|error| Problem::new(400, "delegation", error.to_string()))?;
        self.check_locks(&live)?;
        Ok(live)
    }

    /// Goes on with a session whose daemon went away. Returns it, and what the data plane kept of it.
    ///
    /// # Errors
    /// If the keepsake is not ours, or the session has ended, expired or been locked meanwhile.
    pub async fn resume(&self, keepsake: &[u8]) -> Result<(Arc<LiveSession>, Vec<u8>), Problem> {
        let damaged = || {
            Problem::new(403, "keepsake", "the keepsake is not one of this home")
                .with_fix("bailiwick run -- …")
        };
        let opened = self.gate.broker().vault().unseal_keepsake(keepsake).map_err(|_| damaged())?;
        let (id, kept) = opened.split_first_chunk::<16>().ok_or_else(damaged)?;
        let id = SessionId::from_uuid(uuid::Uuid::from_bytes(*id));
        if let Ok(live) = self.live(id) {
            return Err(Problem::new(409, "taken", format!("session `{}` is already going on", live.id())));
        }
        let session = self
            .state
            .session(id)
            .map_err(|error| store_problem(&error))?
            .filter(|stored| stored.ended.is_none())
            .ok_or_else(|| {
                Problem::new(403, "session_ended", "the session has ended").with_fix("bailiwick run -- …")
            })?
            .session;
        let parent = match session.parent {
            Some(parent) => Some(self.returning_session(parent).await?),
            None => None,
        };
        let live = self.living(session, parent)?;
        let now = self.gate.clock().now();
        if live.chain().is_ok_and(|chain| chain.expires_at() <= now) {
            return Err(
                Problem::new(403, "session_ended", "the session has expired").with_fix("bailiwick run -- …")
            );
        }
        self.take_up_questions(&live)?;
        Ok((self.admit_live(live), kept.to_vec()))
    }

    /// Goes on with what waits for a person where the daemon before left it.
    fn take_up_questions(&self, live: &LiveSession) -> Result<(), Problem> {
        let paused = self.gate.desk().restore(live.id());
        if paused.map_err(|error| Problem::new(500, "store", error.to_string()))? {
            live.pause();
        }
        Ok(())
    }

    /// What a launcher keeps so that a later daemon can go on with its session: sealed, of use only to the vault of this home.
    ///
    /// # Errors
    /// If it cannot be sealed.
    pub fn seal_keepsake(&self, session: &LiveSession, kept: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut plain = session.id().uuid().as_bytes().to_vec();
        plain.extend_from_slice(kept);
        let sealed = self.gate.broker().vault().seal_keepsake(&plain);
        sealed.map_err(|error| Problem::new(500, "vault", error.to_string()))
    }

    /// Puts on record what was measured when the session's agent was started.
    ///
    /// # Errors
    /// If it is not an object or cannot be recorded.
    pub async fn measured(&self, session: &LiveSession, evidence: serde_json::Value) -> Result<(), Problem> {
        let bytes = serde_json::to_vec(&evidence).unwrap_or_default();
        let evidence: BTreeMap<String, Value> = serde_json::from_value(evidence).map_err(|error| {
            Problem::new(400, "malformed", format!("the evidence cannot be recorded: {error}"))
        })?;
        let measured = SessionMeasured { digest: Digest::of(&bytes), evidence };
        self.gate.journal().measured(session.session(), measured).await.map_err(|reason| unrecorded(&reason))
    }

    /// Ends a session, however it came to its end.
    pub async fn close(&self, session: &LiveSession, ended: Ended, code: Option<i32>, signal: Option<i32>) {
        session.end(ended.clone());
        let ended = session.ended().unwrap_or(ended);
        tracing::info!(session = %session.id(), end = ?ended.end, ?code, ?signal, "a session ended");
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).remove(&session.id());
        self.hand_back(session).await;
        self.count_folded(session).await;
        self.keep_the_end(session.session(), ended.end, session.tally()).await;
    }

    /// What a session has been exposed to stays where it worked, and comes back to its parent with its answer.
    async fn hand_back(&self, session: &LiveSession) {
        let seen = session.labels();
        for heir in std::iter::once(session).chain(session.above().map(Arc::as_ref)) {
            if let Err(reason) = self.gate.raise(heir, &seen, None).await {
                tracing::error!(error = %reason.detail, session = %heir.id(), "what a session was exposed to is known in memory only");
            }
        }
    }

    /// What an agent reported and is not on record is counted at the latest with the end of its session.
    async fn count_folded(&self, session: &LiveSession) {
        let folded = session.claims().leftover();
        if folded > 0
            && let Err(reason) = self.gate.journal().folded_hooks(session.session(), folded).await
        {
            tracing::error!(error = %reason.detail, session = %session.id(), "reports could not be counted");
        }
    }

    async fn keep_the_end(&self, session: &Session, end: SessionEnd, tally: Tally) {
        self.gate.desk().forget(session.id).await;
        if let Err(error) = self.state.end_session(session.id, end, self.gate.clock().now()) {
            tracing::error!(%error, session = %session.id, "the end of a session could not be stored");
        }
        if let Err(reason) = self.gate.journal().closed(session, tally, end).await {
            tracing::error!(error = %reason.detail, session = %session.id, "the end of a session could not be recorded");
        }
    }

    /// Ends a session for a reason of ours; whoever serves it then closes it.
    pub fn end(&self, session: &LiveSession, reason: &str) {
        session.end(Ended { end: SessionEnd::Locked, reason: reason.to_owned() });
    }

    /// Gives a live session more time: `more` from now, or as long as it was given first, and no longer than any session gets. On record
    /// before it counts.
    ///
    /// # Errors
    /// If there is no such session, several fit, or it cannot be made durable.
    pub async fn extend(&self, reference: &str, more: Option<Duration>) -> Result<SessionView, Problem> {
        let view = self.session(reference)?;
        let live = self.live(view.session.id)?;
        let settings = self.settings().session;
        let first = live.session().expires_at.since(live.session().opened_at);
        let more = more.unwrap_or(first).min(settings.ttl_terminal.max(settings.ttl));
        let expires_at = live.own_end().max(self.gate.clock().now().after(more));
        let extended = SessionExtended { expires_at, by: self.user() };
        let recorded = self.gate.journal().extended(live.session(), extended).await;
        recorded.map_err(|reason| unrecorded(&reason))?;
        self.state.extend_session(live.id(), expires_at).map_err(|error| store_problem(&error))?;
        live.extend(expires_at);
        tracing::info!(session = %live.id(), %expires_at, "a person gave a session more time");
        self.session(&live.id().to_string())
    }

    /// Puts on record what was moved out of a session's workspace.
    pub async fn quarantined(&self, items: Vec<WorkspaceQuarantined>) {
        for item in items {
            let recorded = self.gate.journal().daemon(Event::WorkspaceQuarantined(item)).await;
            if let Err(reason) = recorded {
                tracing::error!(error = %reason.detail, "what was moved into quarantine could not be recorded");
            }
        }
    }

    /// The live session `id`.
    pub(super) fn live(&self, id: SessionId) -> Result<Arc<LiveSession>, Problem> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&id).cloned().ok_or_else(|| not_found("live session", &id.to_string()))
    }

    /// Ends the sessions whose time is up.
    pub(super) fn end_what_is_over(&self) {
        let now = self.gate.clock().now();
        let SessionSettings { idle, told_before, .. } = self.settings().session;
        for session in self.all() {
            let expired = session.chain().map_or(true, |chain| chain.expires_at() <= now);
            if expired {
                let reason = "its time was up; start another with `bailiwick run --ttl …`".to_owned();
                session.end(Ended { end: SessionEnd::Expired, reason });
                continue;
            }
            if session.is_to_tell(now, told_before) {
                self.gate.desk().announce(session.id(), Announced::Ends { at: session.own_end() });
            }
            if now.since(session.last_active()) >= idle {
                session
                    .end(Ended { end: SessionEnd::Idle, reason: "nothing happened for too long".to_owned() });
            }
        }
    }

    /// After a restart, launchers come back for their sessions; those that do not are closed.
    pub(super) fn close_orphans_later(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(SUCCESSION).await;
            if let Some(authority) = weak.upgrade() {
                authority.close_orphans().await;
            }
        });
    }

    async fn close_orphans(&self) {
        let open = match self.state.open_sessions() {
            Ok(open) => open,
            Err(error) => {
                return tracing::error!(%error, "cannot look for sessions that nobody came back for");
            }
        };
        for session in open.into_iter().filter(|session| self.live(session.id).is_err()) {
            tracing::info!(session = %session.id, "its launcher did not come back");
            self.keep_the_end(&session, SessionEnd::Lost, Tally::default()).await;
        }
    }

    /// The session asked for, in its place. What it may do and until when is no more than what stands above it.
    pub(super) fn session_of(&self, request: &OpenRequest, parent: Option<&LiveSession>) -> Session {
        let clock = self.gate.clock();
        let settings = self.settings().session;
        let most = if request.terminal { settings.ttl_terminal } else { settings.ttl };
        let ttl = if request.ttl.is_zero() { most } else { request.ttl.min(most) };
        let now = clock.now();
        let chain = parent.and_then(|parent| parent.chain().ok());
        let above = chain.as_ref().map(Chain::acting);
        let ends = chain.as_ref().map(Chain::expires_at);
        Session {
            id: SessionId::from_uuid(clock.uuid()),
            parent: above.map(|above| above.id),
            initiator: above.map_or_else(|| self.initiator.clone(), |above| above.initiator.clone()),
            agent: request.agent.clone(),
            instance: InstanceId::from_uuid(clock.uuid()),
            task: Task {
                id: TaskId::from_uuid(clock.uuid()),
                statement: request.statement.clone(),
                repositories: repositories(request, above),
                pages: request.pages.clone(),
            },
            grant: request.grant.clone().unwrap_or_else(Grant::unrestricted),
            labels: begins_with(chain.as_ref(), &self.gate.exposures().place(Some(&request.workdir)).seen()),
            depth: above.map_or(0, |above| above.depth.saturating_add(1)),
            opened_at: now,
            expires_at: ends.map_or(now.after(ttl), |ends| ends.min(now.after(ttl))),
            evidence: None,
            observed: request.observed,
            workspace: Some(request.workdir.clone()),
        }
    }

    fn check_locks(&self, live: &LiveSession) -> Result<(), Problem> {
        let locks = self.gate.locks();
        let chain = live.chain().map_err(|error| Problem::new(400, "delegation", error.to_string()))?;
        match chain.stopped_by(locks.iter().map(|lock| &lock.target)) {
            None => Ok(()),
            Some(target) => {
                Err(Problem::new(403, "locked", format!("a lock on `{target}` stops this session"))
                    .with_fix("bailiwick lock list; bailiwick lock lift LOCK"))
            }
        }
    }

    fn admit_live(&self, live: LiveSession) -> Arc<LiveSession> {
        let live = Arc::new(live);
        for place in live.places() {
            place.enter(&live);
        }
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(live.id(), Arc::clone(&live));
        drop(sessions);
        // A lock may have come between the look at the locks and this line; it did not find the session then.
        if self.check_locks(&live).is_err() {
            live.end(Ended { end: SessionEnd::Locked, reason: "a lock stops it".to_owned() });
        }
        live
    }

    /// Cancelled when no session has been live for a while is the caller's to know; this says how many are.
    pub fn live_sessions(&self) -> usize {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until there has been no session for `idle`, then cancels `shutdown`.
    pub async fn exit_when_idle(self: Arc<Self>, idle: Duration, shutdown: CancellationToken) {
        let mut since = tokio::time::Instant::now();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(idle.min(Duration::from_secs(1))) => {}
            }
            if self.live_sessions() > 0 {
                since = tokio::time::Instant::now();
            } else if since.elapsed() >= idle {
                return shutdown.cancel();
            }
        }
    }
}

/// What the work is about: what the person's words and the workspace name. A session that names nothing is about what the one above
/// it is about.
fn repositories(request: &OpenRequest, above: Option<&Session>) -> Repositories {
    let mut about = request.repositories.clone();
    about.names.extend(Repositories::named_in(&request.statement));
    match above {
        Some(above) if about.names.is_empty() => above.task.repositories.clone(),
        _ => about,
    }
}

/// What a session has been exposed to before it does anything: what those above it have, what its workspace has, and the workspace itself,
/// where strangers' text lies as a rule.
fn begins_with(above: Option<&Chain<'_>>, workspace: &Labels) -> Labels {
    let inherited = above.map_or(Labels::CLEAN, Chain::labels);
    let text = Labels { integrity: Integrity::Untrusted, ..Labels::CLEAN };
    inherited.join(workspace).join(&text)
}

fn unrecorded(reason: &Reason) -> Problem {
    let problem = Problem::new(503, reason.code.as_str(), reason.detail.clone());
    match &reason.fix {
        Some(fix) => problem.with_fix(fix.clone()),
        None => problem,
    }
}
