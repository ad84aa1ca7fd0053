//! What a person or a launcher asks for: sessions, locks, secrets, a look at what happened.
//!
//! Everything that changes what may happen is durable before the call returns. Nothing here is on the way of an action; that is
//! [`Gate`](crate::Gate).

mod approvals;
mod delegation;
mod locks;
mod look;
mod secrets;
mod sessions;
mod workspaces;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use bailiwick_broker::Broker;
use bailiwick_core::{Initiator, Name, Problem, SessionId};
use bailiwick_ledger::{DaemonStarted, Event, SetLoaded, Writer};
use bailiwick_store::{LedgerIndex, StateStore};
use tokio_util::sync::CancellationToken;

pub use approvals::Questions;
pub(crate) use look::resolve;
pub use sessions::OpenRequest;

use crate::{
    Clock, Gate, Home, LiveSession, LoadError, Settings, Snapshot, approvals::Desk, exposure::Exposures,
    journal::Journal, settings::SettingsError, watch,
};

/// What an authority is made of, wired by the composition root.
pub struct Parts {
    /// The home it owns.
    pub home: Home,
    /// The clock.
    pub clock: Clock,
    /// The ledger.
    pub ledger: Arc<Writer>,
    /// Sessions, locks and settings.
    pub state: Arc<dyn StateStore>,
    /// Questions about what is on record.
    pub index: Arc<dyn LedgerIndex>,
    /// The only code that sees secrets.
    pub broker: Broker,
    /// Who initiates work on this machine: the user the daemon runs as.
    pub initiator: Initiator,
    /// The build, for the record.
    pub build: String,
}

/// The authority of one home.
pub struct Authority {
    home: Home,
    settings: RwLock<Settings>,
    gate: Gate,
    state: Arc<dyn StateStore>,
    index: Arc<dyn LedgerIndex>,
    sessions: RwLock<HashMap<SessionId, Arc<LiveSession>>>,
    initiator: Initiator,
    problems: Mutex<Vec<String>>,
    delegating: tokio::sync::Mutex<()>,
}

/// An authority cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// `bailiwick.toml` is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Policies or resources are wrong, and there is no last good set: the daemon has just started.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] bailiwick_store::StoreError),
    /// The ledger does not take records.
    #[error("{0}")]
    Ledger(String),
}

impl Authority {
    /// Begins: replays the locks, also those that only the ledger knows, loads policies and resources, and puts on record that it began.
    ///
    /// # Errors
    /// If anything of that fails: what cannot be known is not guessed.
    pub async fn begin(parts: Parts) -> Result<Arc<Self>, AuthorityError> {
        let settings = Settings::read(parts.home.path())?;
        let locks = locks::in_force(parts.state.as_ref(), &parts.ledger)?;
        let snapshot = Snapshot::load(parts.home.path(), &settings)?;
        let exposures = Exposures::load(Arc::<dyn StateStore>::clone(&parts.state))?;
        let journal = Journal::new(parts.ledger, parts.clock);
        let started =
            DaemonStarted { build: parts.build, pid: std::process::id(), recovered: journal.ledger().len() };
        let refused = |reason: bailiwick_core::Reason| AuthorityError::Ledger(reason.detail);
        journal.daemon(Event::DaemonStarted(started)).await.map_err(refused)?;
        record_loaded(&journal, &snapshot).await.map_err(refused)?;
        let authority = Arc::new(Self {
            gate: Gate::new(
                parts.clock,
                snapshot,
                locks,
                journal,
                parts.broker,
                Desk::new(parts.clock, settings.approval.clone(), Arc::<dyn StateStore>::clone(&parts.state)),
                exposures,
            ),
            home: parts.home,
            settings: RwLock::new(settings),
            state: parts.state,
            index: parts.index,
            sessions: RwLock::default(),
            initiator: parts.initiator,
            problems: Mutex::default(),
            delegating: tokio::sync::Mutex::default(),
        });
        authority.close_orphans_later();
        Ok(authority)
    }

    /// The gate that every action takes.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Keeps sessions to their times and the files a person edits in force, until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut changes = watch::Changes::of(self.home.path());
        let mut reconciled = self.gate.journal().ledger().len();
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(500));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            self.end_what_is_over();
            self.reconcile_now_and_then(&mut reconciled);
            if !self.home.exists() {
                tracing::error!(home = %self.home.path().display(), "the home is gone; nothing can be recorded any more");
                shutdown.cancel();
                return;
            }
            if changes.any() {
                self.reload().await;
            }
        }
    }

    /// Takes what a person wrote into force, as a set; on a mistake the last good set stays.
    pub async fn reload(&self) -> bailiwick_wire::Loaded {
        let loaded = self.load();
        let problems = match loaded {
            Ok((settings, snapshot)) => match self.take_into_force(settings, snapshot).await {
                Ok(()) => Vec::new(),
                Err(problem) => vec![problem],
            },
            Err(problems) => problems,
        };
        for problem in &problems {
            tracing::error!(%problem, "not taken into force; the last good set stays");
        }
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&problems);
        let snapshot = self.gate.snapshot();
        bailiwick_wire::Loaded {
            resources: snapshot.catalogue.iter().count(),
            policies: snapshot.policies.len(),
            version: snapshot.version().to_string(),
            problems,
        }
    }

    fn load(&self) -> Result<(Settings, Snapshot), Vec<String>> {
        let settings = Settings::read(self.home.path()).map_err(|error| vec![error.to_string()])?;
        let snapshot = Snapshot::load(self.home.path(), &settings).map_err(|LoadError(problems)| problems)?;
        Ok((settings, snapshot))
    }

    async fn take_into_force(&self, settings: Settings, snapshot: Snapshot) -> Result<(), String> {
        let changed = snapshot.version() != self.gate.snapshot().version();
        self.gate.desk().set_limits(settings.approval.clone());
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        if !changed {
            return Ok(());
        }
        record_loaded(self.gate.journal(), &snapshot).await.map_err(|reason| reason.detail)?;
        self.gate.replace_snapshot(snapshot);
        self.decide_again();
        Ok(())
    }

    /// Decides again what is under way: a new policy or lock must hold for open streams too. Returns how many were cut.
    fn decide_again(&self) -> usize {
        self.all().iter().map(|session| self.gate.decide_again(session, None)).sum()
    }

    fn all(&self) -> Vec<Arc<LiveSession>> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The name under which the user of this daemon acts.
    fn user(&self) -> Name {
        self.initiator.name().clone()
    }
}

async fn record_loaded(journal: &Journal, snapshot: &Snapshot) -> Result<(), bailiwick_core::Reason> {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let catalogue =
        SetLoaded { version: snapshot.catalogue.digest(), count: count(snapshot.catalogue.iter().count()) };
    journal.daemon(Event::CatalogueLoaded(catalogue)).await?;
    journal
        .daemon(Event::PolicyLoaded(SetLoaded {
            version: snapshot.version(),
            count: count(snapshot.policies.len()),
        }))
        .await
}

/// A failure of the store, for the one who asked.
fn store_problem(error: &bailiwick_store::StoreError) -> Problem {
    Problem::new(500, "store", error.to_string())
}

/// There is nothing of that name.
fn not_found(what: &str, reference: &str) -> Problem {
    let detail = match reference {
        "-" => format!("there is no {what}"),
        _ => format!("there is no {what} `{reference}`"),
    };
    let look = match what {
        "action" => "bailiwick log",
        "lock" => "bailiwick lock list",
        "secret" => "bailiwick secret list",
        "session" => "bailiwick session list   (ended ones are named by `bailiwick log --json`)",
        _ => "bailiwick session list",
    };
    Problem::new(404, "not_found", detail).with_fix(look)
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("home", &self.home.path()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("home", &self.home.path()).finish_non_exhaustive()
    }
}
