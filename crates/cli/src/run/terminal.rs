//! The person's terminal, or what stands in its place, while the agent runs.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use bailiwick_sandbox::{
    Prepared, Running, Stdio, Stream, WindowSize,
    terminal::{Descriptor, Ending, Place, PtyProxy, Relay, StdioPlan, TerminalError, attend},
};

use super::ours;
use crate::output::Failure;

/// How long the agent has to end after a signal that would have ended us.
const GRACE: Duration = Duration::from_secs(5);

/// The streams that a sandbox starts with, and what is left to finish when it has ended.
pub(crate) struct Streams {
    pub(crate) stdio: Stdio,
    pub(crate) carried: Carried,
}

/// What carries the streams while the agent runs.
pub(crate) struct Carried {
    relays: Vec<Relay>,
    place: Place,
    /// Whether a person is at a terminal.
    pub(crate) terminal: bool,
}

/// Looks at our own standard streams.
pub(crate) fn streams() -> Result<Streams, Failure> {
    plan().map_err(|error| ours("terminal", told(&error)))
}

fn plan() -> Result<Streams, TerminalError> {
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let plan = StdioPlan::of([input.as_fd(), output.as_fd(), error.as_fd()])?;
    let mut relays = Vec::new();
    let [first, second, third] = plan.becomes();
    let input = stream(first, input.as_fd(), true, &mut relays)?;
    let output = stream(second, output.as_fd(), false, &mut relays)?;
    let error = match &output {
        Stream::Descriptor(shared) if plan.shares_output() => Stream::Descriptor(duplicate(shared.as_fd())?),
        _ => stream(third, error.as_fd(), false, &mut relays)?,
    };
    let streams = [input, output, error];
    let place = plan.place();
    let stdio = Stdio {
        streams,
        window: WindowSize { rows: 24, columns: 80 },
        foreground: place == Place::Foreground,
    };
    Ok(Streams { stdio, carried: Carried { relays, place, terminal: plan.wants_terminal() } })
}

fn stream(
    becomes: Descriptor,
    host: BorrowedFd<'_>,
    input: bool,
    relays: &mut Vec<Relay>,
) -> Result<Stream, TerminalError> {
    let inside: OwnedFd = match becomes {
        Descriptor::Terminal => return Ok(Stream::Terminal),
        Descriptor::Pass => duplicate(host)?,
        Descriptor::Relay if input => Relay::input(host)?,
        Descriptor::Relay => {
            let (inside, relay) = Relay::output(host)?;
            relays.push(relay);
            inside
        }
    };
    Ok(Stream::Descriptor(inside))
}

fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd, TerminalError> {
    fd.try_clone_to_owned()
        .map_err(|source| TerminalError::System { doing: "duplicate a standard descriptor", source })
}

/// A terminal of the sandbox, set up like the person's and ready to be carried.
pub(crate) fn proxy(prepared: &mut Prepared, carried: &Carried) -> Result<Option<PtyProxy>, Failure> {
    let Some(master) = prepared.take_terminal() else { return Ok(None) };
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let made = StdioPlan::of([input.as_fd(), output.as_fd(), error.as_fd()])
        .and_then(|plan| plan.user_terminal())
        .and_then(|user| user.map(|user| PtyProxy::new(master, user)).transpose());
    let proxy = made.map_err(|error| ours("terminal", told(&error)))?;
    Ok(proxy.map(|proxy| proxy.grace(GRACE).place(carried.place)))
}

/// Carries the streams until the agent has ended, or has to.
pub(crate) fn carry(proxy: Option<PtyProxy>, running: &mut Running) -> Result<Ending, TerminalError> {
    match proxy {
        Some(proxy) => proxy.run(running),
        None => attend(running, GRACE),
    }
}

impl Carried {
    /// Waits until the last byte of output has left; what kept any from it, such as a full disk. A reader that has gone is no loss.
    pub(crate) fn finish(self) -> Vec<io::Error> {
        let ends = self.relays.into_iter().map(Relay::finish);
        ends.filter_map(Result::err).filter(|error| error.kind() != io::ErrorKind::BrokenPipe).collect()
    }
}

/// An error with what lies behind it.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
