//! `lock`: stop orders.

use bailiwick_client::Client;
use bailiwick_core::Lock as StopOrder;
use bailiwick_wire::{LockReport, LockRequest};

use crate::{
    args::Lock,
    command::reference,
    output::{Failure, Output},
};

pub(crate) fn execute(command: Lock, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Lock::Add { target, reason } => {
            let report: LockReport = client.post("/v1/locks", &LockRequest { target, reason })?;
            output.data(&report, || describe(&report))?;
            if let Some(note) = &report.note {
                output.say(format!(
                    "bailiwick: warning: {note}; `bailiwick lock lift {}` takes it back",
                    report.lock.id
                ));
            }
        }
        Lock::List => {
            let locks: Vec<StopOrder> = client.get("/v1/locks")?;
            for lock in &locks {
                output.data(lock, || {
                    format!("{}  {}  {}  by {}: {}", lock.id, lock.at, lock.target, lock.by, lock.reason)
                })?;
            }
        }
        Lock::Lift { lock } => {
            let lock = reference("lock", &lock, "bailiwick lock list")?;
            let lifted: StopOrder = client.delete(&format!("/v1/locks/{lock}"))?;
            output.data(&lifted, || format!("lifted {} ({})", lifted.id, lifted.target))?;
        }
    }
    Ok(())
}

/// What a stop order did, in a few words.
pub(crate) fn describe(report: &LockReport) -> String {
    format!(
        "{} on {}: {} sessions ended, {} actions cut, in effect and durable in {} ms ({})",
        report.lock.id,
        report.lock.target,
        report.sessions.len(),
        report.cut,
        report.took_ms,
        report.confirmed.join(", ")
    )
}
