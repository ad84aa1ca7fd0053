//! Attempts that are not about a request: names asked for, connections refused, connections nobody announced.
//!
//! Repeats fold; what is folded is counted, and said by the next record.

use std::net::SocketAddr;

use bailiwick_authority::{Attempt, Denied, Outcome, OutcomeStatus};
use bailiwick_core::{
    Arguments, Decision, EffectClass, Effects, Name, Operation, ProcessFacts, Reason, ReasonCode, ResourceRef,
};
use tokio::time::Instant;

use super::Plane;

impl Plane {
    /// Puts on record that `name` was asked for. `false` if that could not be recorded: then there must be no answer.
    pub(crate) async fn note_resolve(&self, name: &str) -> bool {
        let Some(folded) = self.resolves.note(name.to_owned(), Instant::now()) else { return true };
        let catalogue = self.gate.catalogue();
        let known = catalogue
            .iter()
            .find(|resource| resource.addresses.iter().any(|address| address.host.matches(name)))
            .map(|resource| resource.name.clone());
        let mut arguments = Arguments::new();
        arguments.insert("name".to_owned(), name.into());
        let attempt = attempt(
            None,
            known,
            format!("dns://{name}"),
            RESOLVE,
            Effects::READ,
            name.to_owned(),
            arguments,
            folded,
        );
        match self.gate.admit(&self.session, attempt).await {
            Ok(admission) => {
                admission.close(Outcome { status: OutcomeStatus::Ok, ..Outcome::default() });
                true
            }
            Err(denied) => is_recorded(&denied),
        }
    }

    /// Puts on record that a connection was refused.
    pub(crate) async fn note_connect(
        &self,
        process: Option<ProcessFacts>,
        host: &str,
        port: u16,
        reason: Reason,
    ) {
        let Some(folded) = self.connects.note((host.to_owned(), port), Instant::now()) else { return };
        let mut arguments = Arguments::new();
        arguments.insert("host".to_owned(), host.into());
        arguments.insert("port".to_owned(), i64::from(port).into());
        let target = format!("{host}:{port}");
        let known = self.gate.catalogue().at(host, port).first().map(|(_, resource)| resource.name.clone());
        let address = format!("tcp://{target}");
        let attempt =
            attempt(process, known, address, CONNECT, EffectClass::Send.into(), target, arguments, folded);
        self.gate.refuse(&self.session, attempt, reason).await;
    }

    /// Puts on record that a connection arrived which nobody announced. It is closed.
    pub(crate) async fn note_unattributed(&self, peer: SocketAddr) {
        let reason =
            Reason::new(ReasonCode::Unattributed, "a connection arrived that no process was seen to open");
        self.note_connect(None, &peer.ip().to_string(), 0, reason).await;
    }
}

const CONNECT: &str = "net.connect";
const RESOLVE: &str = "net.resolve";

/// Whether a refusal is on record.
pub(crate) fn is_recorded(denied: &Denied) -> bool {
    match &denied.decision {
        Decision::Hold(refusal) | Decision::Refuse(refusal) => {
            refusal.reasons.iter().all(|reason| reason.code != ReasonCode::LedgerUnavailable)
        }
        Decision::Permit(_) => true,
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "these are the fields of an attempt, put together in one place"
)]
fn attempt(
    process: Option<ProcessFacts>,
    known: Option<Name>,
    address: String,
    operation: &str,
    effects: Effects,
    target: String,
    mut arguments: Arguments,
    folded: u64,
) -> Attempt {
    if folded > 0 {
        arguments.insert("folded".to_owned(), i64::try_from(folded).unwrap_or(i64::MAX).into());
    }
    let resource = match known {
        Some(name) => ResourceRef::Listed { name },
        None => ResourceRef::Unlisted { address },
    };
    Attempt {
        process,
        resource,
        operation: named(operation),
        effects,
        target,
        arguments,
        body: None,
        captured: None,
    }
}

#[expect(
    clippy::expect_used,
    reason = "called only with the constants of this module, each parsed by a test"
)]
fn named(operation: &str) -> Operation {
    operation.parse().expect("a constant operation name parses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operations_are_operations() {
        assert_eq!([named(CONNECT).protocol(), named(RESOLVE).protocol()], ["net", "net"]);
    }
}
