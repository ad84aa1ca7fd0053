//! Being the daemon: the one composition of authority, gateway and ledger.

use std::{
    fs::{self, DirBuilder},
    io::{self, Write},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bailiwick_api::{serve_http, serve_launch};
use bailiwick_authority::{Authority, AuthorityError, Clock, Home, HomeError, Parts, VaultRows};
use bailiwick_broker::{Broker, KeyFile, Unlock, Vault};
use bailiwick_core::{Initiator, Name, Timestamp};
use bailiwick_gateway::Gateway;
use bailiwick_git::Workroom;
use bailiwick_guard::Guards;
use bailiwick_launch::{bind_seqpacket, bind_stream};
use bailiwick_ledger::{Disk, Entry, Options, Signer, Writer};
use bailiwick_store::{StateStore, StoreError};
use bailiwick_store_sqlite::{SqliteIndex, SqliteState};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getuid, set_dumpable_behavior, setrlimit, setsid};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    args::Serve,
    command::build,
    environment::Environment,
    output::{CONFLICT, Failure, NO, USAGE},
};

/// Where the daemon looks for git. Not on `PATH`: a directory of a workspace may be on it, and an agent may have put one there.
const SYSTEM: &str = "/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin";

/// Serves until a signal, a request or idleness ends it.
pub(crate) fn serve(options: &Serve, environment: &Environment) -> Result<(), Failure> {
    harden()?;
    if options.ready_on_stdout {
        // Away from the terminal of whoever started us. It fails where we lead a session already.
        let _ = setsid();
    }
    log_to_stderr(environment);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("gateway")
        .build()
        .map_err(|error| failed(&error))?;
    let served = runtime.block_on(daemon(options, environment));
    runtime.shutdown_timeout(Duration::from_secs(2));
    served
}

/// Nobody may read our memory, and it never becomes a file.
fn harden() -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| failed(&error))?;
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, nothing).map_err(|error| failed(&error))?;
    // As many connections as the system lets us have.
    let files = rustix::process::getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum });
    Ok(())
}

fn log_to_stderr(environment: &Environment) {
    let wanted = environment.variable("BAILIWICK_LOG").and_then(|text| text.to_str()).unwrap_or("info");
    let filter = tracing_subscriber::EnvFilter::try_new(wanted).unwrap_or_else(|_| "info".into());
    // Only a second one in the same process could fail.
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).try_init();
}

async fn daemon(options: &Serve, environment: &Environment) -> Result<(), Failure> {
    let shutdown = CancellationToken::new();
    let home = Home::own(&environment.home).map_err(|error| match error {
        HomeError::Busy { .. } => Failure::new(CONFLICT, "busy", &error).fix(error.fix()),
        other => Failure::home(USAGE, &other),
    })?;
    let path = home.path().to_owned();
    let authority = compose(home).await?;
    let gateway = Arc::new(Gateway::new(authority.gate().clone(), workroom(&path)?));
    let guards = Arc::new(Guards::new(&path));
    reconcile(Arc::clone(&guards), Arc::clone(&authority));
    let unbound = |name: &str, source| Failure::home(USAGE, &HomeError::Io { path: path.join(name), source });
    let http = bind_stream(&path, "daemon.sock").map_err(|error| unbound("daemon.sock", error))?;
    let launch = bind_seqpacket(&path, "launch.sock").map_err(|error| unbound("launch.sock", error))?;
    if let Some(idle) = options.idle_exit {
        tokio::spawn(Arc::clone(&authority).exit_when_idle(idle, shutdown.clone()));
    }
    tokio::spawn(Arc::clone(&authority).run(shutdown.clone()));
    tokio::spawn(end_on_signal(shutdown.clone()));
    let launching = tokio::spawn(serve_launch(
        launch,
        build(),
        Arc::clone(&authority),
        gateway,
        Arc::clone(&guards),
        shutdown.clone(),
    ));
    if options.ready_on_stdout {
        // Whoever waited may be gone.
        let _ = writeln!(io::stdout(), "ready");
    } else {
        tracing::info!(home = %path.display(), build = %build(), "serving");
    }
    serve_http(http, build(), authority, guards, shutdown.clone()).await.map_err(|error| failed(&error))?;
    shutdown.cancel();
    let _ = launching.await;
    Ok(())
}

/// Where pushes are kept aside; what an earlier daemon left there is gone.
fn workroom(home: &Path) -> Result<Workroom, Failure> {
    let path = home.join("scratch");
    let unusable = |source| Failure::home(USAGE, &HomeError::Io { path: path.clone(), source });
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(&path).map_err(unusable)?;
    Ok(Workroom { directory: path, search: SYSTEM.into() })
}

/// Looks through the workspaces of sessions that ended without a daemon, and puts on record what was moved away. A session that begins there
/// meanwhile waits for it.
fn reconcile(guards: Arc<Guards>, authority: Arc<Authority>) {
    tokio::spawn(async move {
        let looked = tokio::task::spawn_blocking(move || guards.reconcile()).await;
        let Ok((found, errors)) = looked else {
            return tracing::error!("the workspaces could not be looked through");
        };
        for error in errors {
            tracing::error!(%error, "what a session left in its workspace could not be looked through");
        }
        bailiwick_api::record_left_before(&authority, &found).await;
    });
}

async fn compose(home: Home) -> Result<Arc<Authority>, Failure> {
    let path = home.path().to_owned();
    let state = SqliteState::open(&path.join("state.db")).map_err(|error| unreadable(&error))?;
    let state: Arc<dyn StateStore> = Arc::new(state);
    let key = KeyFile::at(path.join("vault.key"));
    let vault = Vault::open(Unlock::KeyFile(key), Arc::new(VaultRows(Arc::clone(&state))))
        .map_err(|error| failed(&error))?;
    let ledger = Arc::new(open_ledger(&home.ledger(), &path)?);
    let index =
        SqliteIndex::open(&path.join("index.db"), Arc::clone(&ledger)).map_err(|error| unreadable(&error))?;
    let parts = Parts {
        home,
        clock: Clock::start(last_moment(&ledger)?),
        ledger,
        state,
        index: Arc::new(index),
        broker: Broker::new(Arc::new(vault)),
        initiator: initiator(),
        build: build(),
    };
    Authority::begin(parts).await.map_err(|error| match error {
        AuthorityError::Settings(_) | AuthorityError::Load(_) => Failure::usage(error)
            .fix("correct what these lines say; `bailiwick policy check` says whether it is right"),
        other => failed(&other),
    })
}

/// A database cannot be read; what is damaged says itself what to do.
fn unreadable(error: &StoreError) -> Failure {
    match error {
        StoreError::Damaged { path, detail, remedy } => {
            let detail = format!("the database `{}` is damaged ({detail})", path.display());
            Failure::new(NO, "damaged", detail).fix(remedy)
        }
        other => failed(other),
    }
}

fn open_ledger(directory: &Path, home: &Path) -> Result<Writer, Failure> {
    let disk = Disk::for_writing(directory).map_err(|error| failed(&error))?;
    let signer = Signer::load_or_create(&home.join("ledger.key")).map_err(|error| failed(&error))?;
    Writer::open(Arc::new(disk), signer, Options::default())
        .map_err(|error| failed(&error).fix("bailiwick ledger verify"))
}

/// The last moment on record: the clock does not start before it.
fn last_moment(ledger: &Writer) -> Result<Timestamp, Failure> {
    let Some(last) = ledger.len().checked_sub(1) else { return Ok(Timestamp::default()) };
    let read = ledger.read(last, 1).map_err(|error| failed(&error))?;
    let Some(stored) = read.first() else { return Ok(Timestamp::default()) };
    Entry::parse(&stored.leaf).map(|entry| entry.record.at).map_err(|error| failed(&error))
}

/// The user this daemon runs as: in single-user mode, who initiates everything. Named by the system's accounts, never by the
/// environment, which whoever starts the daemon may set as they like.
fn initiator() -> Initiator {
    let uid = getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name: Option<Name> = account(&accounts, uid).or_else(|| format!("uid-{uid}").parse().ok());
    Initiator::User { name: name.unwrap_or_else(|| unreachable!("a number makes a name")), uid: Some(uid) }
}

/// The account with this number (passwd(5)).
fn account(accounts: &str, uid: u32) -> Option<Name> {
    let mut lines = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields.get(2).and_then(|number| number.parse().ok()) == Some(uid))?;
    fields.first()?.parse().ok()
}

async fn end_on_signal(shutdown: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = shutdown.cancelled() => {}
    }
    shutdown.cancel();
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(NO, "daemon", error)
}
