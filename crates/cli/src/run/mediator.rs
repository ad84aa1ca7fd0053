//! Each `connect` inside is the daemon's to answer.

use std::sync::Arc;

use bailiwick_core::ProcessFacts;
use bailiwick_launch::{Launcher, Transport, Verdict};
use bailiwick_sandbox::{Connect, Mediator};

/// Asks the daemon.
pub(crate) struct Daemon(pub(crate) Arc<Launcher>);

impl Mediator for Daemon {
    fn connect(&self, connect: Connect) -> bailiwick_sandbox::Verdict {
        let process = ProcessFacts {
            pid: connect.process.pid,
            executable: connect.process.exe.to_str().filter(|exe| !exe.is_empty()).map(str::to_owned),
            name: Some(connect.process.comm),
            start_ticks: Some(connect.process.start_time),
        };
        match self.0.connect(process, connect.source, connect.destination, Transport::Tcp) {
            Verdict::Inside => bailiwick_sandbox::Verdict::Inside,
            Verdict::Listener => bailiwick_sandbox::Verdict::Listener,
            Verdict::Refuse { errno } => bailiwick_sandbox::Verdict::Refuse(errno),
        }
    }
}
