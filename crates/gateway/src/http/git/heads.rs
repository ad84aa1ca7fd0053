//! Listens to what a forge says of its branches, as the answer passes by. Nothing is changed or held back.

use std::sync::Arc;

use bailiwick_catalogue::{GitService, RouteMatch};
use bailiwick_git::Heads;
use http::{Method, StatusCode, header, response};

use super::super::canonical::Canonical;
use crate::plane::Plane;

/// The longest answer that is listened to, in bytes.
const LONGEST: usize = 4 << 20;
/// The bytes after which it is known whether this is such an answer.
const ENOUGH: usize = 8;

/// Listens to one answer.
pub(crate) struct Listener {
    plane: Arc<Plane>,
    repository: String,
    heard: Vec<u8>,
}

impl Listener {
    /// A listener, if the answer to this request can tell of branches: to the advertisement before a push, or to a fetch.
    pub(crate) fn to(
        plane: &Arc<Plane>,
        canonical: &Canonical,
        meaning: &RouteMatch,
        answer: &response::Parts,
    ) -> Option<Self> {
        let tells = match meaning.git? {
            GitService::ReceivePack => canonical.method == Method::GET,
            GitService::UploadPack => true,
        };
        let plain = answer.status == StatusCode::OK && !answer.headers.contains_key(header::CONTENT_ENCODING);
        let repository = repository(canonical).filter(|_| tells && plain)?;
        Some(Self { plane: Arc::clone(plane), repository, heard: Vec::new() })
    }

    /// Hears the next bytes. Whether it wants to hear more.
    pub(crate) fn hear(&mut self, data: &[u8]) -> bool {
        if self.heard.len() + data.len() > LONGEST {
            return false;
        }
        self.heard.extend_from_slice(data);
        if self.heard.len() >= ENOUGH && !Heads::may_begin(&self.heard) {
            return false;
        }
        // It ends with a flush packet; one in between only tells less.
        if self.heard.ends_with(b"0000")
            && let Some(heads) = Heads::read(&self.heard)
        {
            self.plane.forges().note(&self.repository, heads);
        }
        true
    }
}

/// The repository that a request of smart HTTP is about: its address without the service.
pub(crate) fn repository(canonical: &Canonical) -> Option<String> {
    let path = canonical.target.path.as_str();
    let services = ["/info/refs", "/git-upload-pack", "/git-receive-pack"];
    let path = services.iter().find_map(|service| path.strip_suffix(service))?;
    Some(format!("{}{path}", canonical.address()))
}
