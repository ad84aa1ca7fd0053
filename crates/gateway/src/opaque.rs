//! Connections whose bytes nobody looks into: resources declared with the protocol `tcp`. Decided once, for the whole connection, with
//! the effect `send`; nothing is injected.

use std::sync::Arc;

use bailiwick_authority::{Attempt, OutcomeStatus};
use bailiwick_catalogue::{Host, Resource, Scheme};
use bailiwick_core::{ProcessFacts, ResourceRef};
use tokio::net::TcpStream;

use crate::{connect::LOOPBACK, http::relay, plane::Plane, sources::Meant, tracked::Tracked};

/// The opaque resource that a connection was meant for, and the host it is declared on.
pub(crate) fn resource(plane: &Plane, meant: &Meant) -> Option<(String, Arc<Resource>)> {
    let catalogue = plane.gate().catalogue();
    let own = meant.host();
    let loopback = matches!(meant, Meant::Address(address) if address.ip().is_loopback());
    let others = LOOPBACK.iter().copied().filter(|_| loopback);
    std::iter::once(own.as_str()).chain(others).find_map(|host| {
        catalogue.lookup(Scheme::Tcp, host, meant.port()).map(|found| (host.to_owned(), Arc::clone(found)))
    })
}

/// Relays the connection, if that is permitted.
pub(crate) async fn serve(
    plane: &Plane,
    client: TcpStream,
    process: ProcessFacts,
    meant: &Meant,
    host: &str,
    resource: Arc<Resource>,
) {
    let Some(meaning) = resource.connection(host, meant.port()) else { return };
    let attempt = Attempt {
        process: Some(process),
        resource: ResourceRef::Listed { name: resource.name.clone() },
        operation: meaning.operation,
        effects: meaning.effects,
        target: meaning.target,
        arguments: meaning.arguments,
        body: None,
        captured: None,
    };
    let Ok(admission) = plane.gate().admit(plane.session(), attempt).await else { return };
    let mut tracked = Tracked::new(admission);
    let Ok(host) = host.parse::<Host>() else { return };
    let upstream = match plane.pool().opaque(&resource, host, meant.port()).await {
        Ok(upstream) => upstream,
        Err(error) => return tracked.close(OutcomeStatus::Failed, Some(&error.to_string())),
    };
    tracked.note_sent();
    let stop = tracked.stop();
    tokio::select! {
        biased;
        () = stop.cancelled() => tracked.close(OutcomeStatus::Cut, Some("stopped")),
        ended = relay(client, upstream, None, &mut tracked) => match ended {
            Ok(()) => tracked.close(OutcomeStatus::Ok, None),
            Err(_) => tracked.close(OutcomeStatus::Ok, Some("the connection broke")),
        },
    }
}
