//! `stop`: the everyday word for locking a session.

use bailiwick_client::Client;
use bailiwick_core::LockTarget;
use bailiwick_wire::{LockReport, LockRequest, SessionView};

use crate::{
    args::Stop,
    command::{lock::describe, reference},
    output::{Failure, Output},
};

pub(crate) fn execute(options: &Stop, client: &Client, output: &Output) -> Result<(), Failure> {
    let session = reference("session", &options.session, "bailiwick session list")?;
    let view: SessionView = client.get(&format!("/v1/sessions/{session}"))?;
    let request =
        LockRequest { target: LockTarget::Session(view.session.id), reason: options.reason.clone() };
    let report: LockReport = client.post("/v1/locks", &request)?;
    Ok(output.data(&report, || describe(&report))?)
}
