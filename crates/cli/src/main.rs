//! `bailiwick`: the only place that reads arguments and the environment, and wires everything together.

mod args;
mod card;
mod command;
mod daemon;
mod demo;
mod environment;
mod output;
mod profile;
mod run;
mod suggest;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Arguments, Command},
    environment::Environment,
    output::Output,
};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::usage(&error, wants_json()),
    };
    if let Command::Hook(options) = &arguments.command {
        // Before anything that could fail: an agent must never read a failure of ours as a word about its tools.
        return command::hook(options);
    }
    let output = Output::new(arguments.json);
    let finished =
        Environment::read().and_then(|environment| command::execute(arguments, &environment, &output));
    match finished {
        Ok(code) => code,
        Err(failure) => output.failure(&failure),
    }
}

/// Whether arguments that are wrong otherwise ask for JSON: before `--`, behind which they are another program's.
fn wants_json() -> bool {
    std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}
