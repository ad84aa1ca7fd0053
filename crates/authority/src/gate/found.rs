//! What a session finds at an address: an entry of the catalogue as the session may use it, or what it may look at although nobody
//! declared it: anything where it is observed, a page that its task names otherwise.

use std::sync::Arc;

use bailiwick_catalogue::{Resource, Scheme};
use bailiwick_core::ResourceRef;

use super::Gate;
use crate::LiveSession;

/// What is at an address.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is known of it. It is opened by nothing that the session may not use.
    pub resource: Arc<Resource>,
    /// What actions on it are aimed at.
    pub reference: ResourceRef,
}

impl Gate {
    /// What `session` finds at `scheme://host:port`. `address` is the same as it would be declared. `None` where nothing is declared
    /// that the session could ask about. What is found may still not be permitted.
    pub fn find(
        &self,
        session: &LiveSession,
        scheme: Scheme,
        host: &str,
        port: u16,
        address: &str,
    ) -> Option<Found> {
        let snapshot = self.shared.snapshot.load();
        if let Some(resource) = snapshot.catalogue.lookup(scheme, host, port) {
            let reference = ResourceRef::Listed { name: resource.name.clone() };
            return Some(Found { resource: usable(session, resource), reference });
        }
        if !(session.is_observed() || session.chain().is_ok_and(|chain| chain.names_page_at(address))) {
            return None;
        }
        let mut resource = Resource::undeclared(scheme, host, port)?;
        resource.ca.clone_from(&snapshot.observe.ca);
        resource.dial = snapshot.observe.dial;
        let reference = ResourceRef::Unlisted { address: address.to_owned() };
        Some(Found { resource: Arc::new(resource), reference })
    }
}

/// The resource as `session` may use it: an observed one gets nothing opened.
pub(super) fn usable(session: &LiveSession, resource: &Arc<Resource>) -> Arc<Resource> {
    if session.is_observed() { Arc::new(resource.unopened()) } else { Arc::clone(resource) }
}
