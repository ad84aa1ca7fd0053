//! Making sure that a daemon of this build answers: the one that is there, or one that we start.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{BufRead, BufReader},
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bailiwick_authority::{HomeError, create_home};
use bailiwick_client::{Client, ClientError};
use bailiwick_wire::{Done, Health};

use crate::{
    command::build,
    environment::Environment,
    output::{CONFLICT, Failure, NO_DAEMON, USAGE},
    run::launch::DAEMON_START,
};

/// How long a daemon that was started by itself stays without a session.
const IDLE_EXIT: &str = "15m";
/// Between two looks whether another daemon has gone.
const INTERVAL: Duration = Duration::from_millis(20);
/// Between two starts while another daemon, which answers no more, still owns the home.
const AGAIN: Duration = Duration::from_millis(200);
/// How long such a daemon may take to die.
const DYING: Duration = Duration::from_secs(10);

/// Makes sure that a daemon of this build answers.
pub(crate) fn ensure(environment: &Environment) -> Result<(), Failure> {
    let client = Client::new(&environment.home);
    match client.get::<Health>("/v1/health") {
        Ok(health) if health.build == build() => Ok(()),
        Ok(health) => replace(&client, &health, environment),
        Err(ClientError::NoDaemon(..)) => start(environment),
        Err(error) => Err(error.into()),
    }
}

/// Another build makes room, if no session needs it.
fn replace(client: &Client, health: &Health, environment: &Environment) -> Result<(), Failure> {
    if health.sessions > 0 {
        let detail = format!("a daemon of build {} still has {} sessions", health.build, health.sessions);
        return Err(Failure::new(NO_DAEMON, "other_build", detail)
            .fix("end them (`bailiwick session list`, `bailiwick stop -`), then try again"));
    }
    client.post::<Done>("/v1/shutdown", &())?;
    let deadline = Instant::now() + DAEMON_START;
    while client.get::<Health>("/v1/health").is_ok() {
        if Instant::now() > deadline {
            return Err(Failure::new(NO_DAEMON, "other_build", "the daemon of another build does not exit"));
        }
        std::thread::sleep(INTERVAL);
    }
    start(environment)
}

/// Starts a daemon. One that answers no more may still be dying, and own the home until it is dead.
fn start(environment: &Environment) -> Result<(), Failure> {
    let deadline = Instant::now() + DYING;
    loop {
        match start_once(environment) {
            Err(Start::Busy(_)) if Instant::now() < deadline => std::thread::sleep(AGAIN),
            Err(Start::Busy(failure) | Start::Failed(failure)) => return Err(failure),
            Ok(()) => return Ok(()),
        }
    }
}

/// Why no daemon was started.
enum Start {
    /// Another one owns the home.
    Busy(Failure),
    Failed(Failure),
}

impl From<Failure> for Start {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn start_once(environment: &Environment) -> Result<(), Start> {
    let failed = |detail: String| Failure::new(NO_DAEMON, "no_daemon", detail);
    create_home(&environment.home).map_err(|error| Failure::home(USAGE, &error))?;
    let log = environment.home.join("daemon.log");
    let errors = OpenOptions::new().create(true).append(true).mode(0o600).open(&log);
    let errors =
        errors.map_err(|source| Failure::home(USAGE, &HomeError::Io { path: log.clone(), source }))?;
    let program =
        env::current_exe().map_err(|error| failed(format!("cannot find our own program: {error}")))?;
    let mut daemon = Command::new(program)
        .args(["serve", "--ready-on-stdout", "--idle-exit", IDLE_EXIT])
        .env("BAILIWICK_HOME", &environment.home)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("cannot start the daemon: {error}")))?;
    let mut line = String::new();
    if let Some(stdout) = daemon.stdout.take() {
        // Ends with the line, or with the daemon.
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    if line.trim_end() == "ready" {
        return Ok(());
    }
    // Another one may have been faster: then that one serves.
    let ended = daemon.wait();
    if Client::new(&environment.home).get::<Health>("/v1/health").is_ok() {
        return Ok(());
    }
    let failure = last_words(&fs::read_to_string(&log).unwrap_or_default());
    let busy = ended.is_ok_and(|status| status.code() == Some(CONFLICT.into()));
    Err(if busy { Start::Busy(failure) } else { Start::Failed(failure) })
}

/// What the daemon said at its end: what was wrong, and what would make it work.
fn last_words(log: &str) -> Failure {
    let said =
        log.rsplit_once("\nbailiwick: ").map(|(_, said)| said).or_else(|| log.strip_prefix("bailiwick: "));
    let said = said.unwrap_or("it did not say why").trim_end();
    let (detail, fix) =
        said.rsplit_once("\n  to fix: ").unwrap_or((said, "bailiwick serve   (to see what it says)"));
    Failure::new(NO_DAEMON, "no_daemon", format!("the daemon did not start: {detail}")).fix(fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_last_words_are_told_whole() {
        let one = "2026 INFO serving\nbailiwick: a.toml:1: wrong\nb.toml:2: wrong\n  to fix: bailiwick policy check\n";
        let failure = last_words(one).problem;
        assert_eq!(failure.detail, "the daemon did not start: a.toml:1: wrong\nb.toml:2: wrong");
        assert_eq!(failure.fix.unwrap(), "bailiwick policy check");
        for (log, detail) in [("bailiwick: no\n", "no"), ("", "it did not say why")] {
            assert_eq!(last_words(log).problem.detail, format!("the daemon did not start: {detail}"));
        }
    }
}
