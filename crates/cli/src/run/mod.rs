//! `run`: launcher and supervisor of one sandbox. Builds it, opens its session with the daemon, answers its connects with the daemon's
//! word, carries the terminal, and ends with its agent.

mod asked;
mod attention;
mod files;
mod furnish;
mod gitconfig;
mod hooks;
mod java;
pub(crate) mod launch;
mod listening;
mod mediator;
mod origin;
mod plan;
mod publish;
pub(crate) mod report;
mod summary;
mod terminal;
mod workspace;

use std::process::ExitCode;

use crate::{
    args::Run,
    environment::Environment,
    output::{Failure, Output},
};

/// Ours failed or refused before the first instruction.
pub(crate) const OURS: u8 = 125;
/// Ended by time or by a lock.
pub(crate) const ENDED: u8 = 124;

/// Runs, reports, and exits as the agent did.
pub(crate) fn execute(options: &Run, environment: &Environment, output: &Output) -> ExitCode {
    match launch::launch(options, environment, output) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let code = failure.exit;
            let _ = output.failure(&failure);
            ExitCode::from(code)
        }
    }
}

/// A failure before the first instruction of the agent.
fn ours(code: &str, detail: impl std::fmt::Display) -> Failure {
    Failure::new(OURS, code, detail)
}

/// What the sandbox says, with the exit code that goes with it.
fn sandbox_failure(error: &bailiwick_sandbox::SandboxError) -> Failure {
    let failure = Failure::new(error.exit_code(), "sandbox", error);
    match error.fix() {
        Some(fix) => failure.fix(fix),
        None => failure,
    }
}
