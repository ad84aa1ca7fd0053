//! `hook`: called by a coding agent at the moments of its life, inside a sandbox. Tells the gateway what the agent says, and answers the
//! agent well, whatever happens: exit code 0 and a form it understands, before it loses patience.
//!
//! It is an ordinary program inside the sandbox, with no more power than any other. It decides nothing, and nothing depends on it: what an
//! agent may do is enforced at the gateway, with or without hooks. Words of prompts and arguments of tools end here, as digests.

mod answer;
mod read;
mod send;

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::mpsc,
    time::Duration,
};

use crate::args::Hook;

/// Where `run` puts this program inside. Nothing inside can write there.
pub(crate) const INSIDE: &str = "/.bailiwick/bailiwick";
/// How long everything may take: well below the patience of any agent.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reports, and answers the agent.
pub(crate) fn execute(options: &Hook) -> ExitCode {
    let (sender, receiver) = mpsc::channel();
    let report = options.clone();
    // A thread of its own: an input that never ends, or a gateway that says nothing, must not keep the agent waiting.
    let started = std::thread::Builder::new().spawn(move || {
        let _nobody_waits = sender.send(told(&report));
    });
    let told = started.ok().and_then(|_| receiver.recv_timeout(DEADLINE).ok()).flatten();
    let text = answer::render(&options.agent, &options.event, told);
    let mut stdout = io::stdout();
    // Nobody who would listen is left, or the answer is there.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    ExitCode::SUCCESS
}

/// What the gateway wants the model to know.
fn told(options: &Hook) -> Option<String> {
    let event = read::read(&options.agent, &options.event, io::stdin().lock());
    // Outside a sandbox there is nobody to tell; somebody else may be at the gateway's address.
    let inside = std::env::current_exe().is_ok_and(|program| program == Path::new(INSIDE));
    if inside { send::send(&event?) } else { None }
}
