//! The commands, one file each. A command asks the daemon or reads files; what it learns it prints.

mod approval;
mod completions;
mod doctor;
mod explain;
mod grant;
mod hook;
mod ledger;
mod lock;
mod log;
mod operations;
mod policy;
pub(crate) mod quarantine;
mod resource;
mod secret;
mod session;
mod stop;
mod suggest;
mod version;
mod workspace;

pub(crate) use approval::approve;
pub(crate) use hook::{INSIDE as HOOK_INSIDE, execute as hook};
pub(crate) use resource::{declare, names};
pub(crate) use version::build;

use std::process::ExitCode;

use bailiwick_client::Client;

use crate::{
    args::{Arguments, Command},
    daemon, demo,
    environment::Environment,
    output::{Failure, NOT_FOUND, Output},
    run,
};

/// The reference, if it can be one: what has other characters than an id names nothing, and would be a mistake in an address.
pub(crate) fn reference<'r>(what: &str, reference: &'r str, list: &str) -> Result<&'r str, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !reference.is_empty() && reference.chars().all(plain) {
        return Ok(reference);
    }
    Err(Failure::new(NOT_FOUND, "not_found", format!("there is no {what} `{reference}`")).fix(list))
}

/// Executes a command.
pub(crate) fn execute(
    arguments: Arguments,
    environment: &Environment,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let client = Client::new(&environment.home);
    match arguments.command {
        Command::Run(options) => return Ok(run::execute(&options, environment, output)),
        Command::Doctor { print_apparmor_profile: true } => return doctor::print_apparmor_profile(output),
        Command::Doctor { print_apparmor_profile: false } => return doctor::execute(environment, output),
        Command::Demo => return demo::execute(environment, output),
        Command::Hook(options) => return Ok(hook::execute(&options)),
        Command::Ledger(command) => return ledger::execute(&command, environment, output),
        Command::Policy(command) => return policy::execute(&command, environment, output),
        Command::Serve(options) => daemon::serve(&options, environment)?,
        Command::Resource(command) => resource::execute(command, environment, output)?,
        Command::Secret(command) => secret::execute(command, &client, environment, output)?,
        Command::Quarantine(command) => quarantine::execute(&command, &client, environment, output)?,
        Command::Workspace(command) => workspace::execute(&command, &client, environment, output)?,
        Command::Session(command) => session::execute(&command, &client, output)?,
        Command::Approval(command) => approval::execute(&command, &client, output)?,
        Command::Approve { together } => approval::approve(together, &client, output)?,
        Command::Lock(command) => lock::execute(command, &client, output)?,
        Command::Stop(options) => stop::execute(&options, &client, output)?,
        Command::Log(options) => log::execute(&options, &client, output)?,
        Command::Explain(options) => explain::execute(&options, &client, output)?,
        Command::Version => version::execute(output)?,
        Command::Completions { shell } => completions::execute(shell)?,
        Command::Man { directory } => completions::man(&environment.absolute(&directory))?,
        Command::Generate { directory } => completions::generate(&directory)?,
    }
    Ok(ExitCode::SUCCESS)
}
