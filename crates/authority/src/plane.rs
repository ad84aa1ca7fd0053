//! What the authority needs of a data plane, so that opening a session does not depend on which one serves it.

use std::{io, net::SocketAddr, os::fd::OwnedFd, path::PathBuf, pin::Pin, sync::Arc};

use bailiwick_core::{Name, ProcessFacts};

use crate::LiveSession;

/// The listening sockets of one sandbox, created inside it, and where they are bound there.
#[derive(Debug)]
pub struct Listeners {
    /// IPv4 connections.
    pub tcp4: OwnedFd,
    /// IPv6 connections, where the kernel has IPv6.
    pub tcp6: Option<OwnedFd>,
    /// The resolver, UDP.
    pub dns_udp: OwnedFd,
    /// The resolver, TCP.
    pub dns_tcp: OwnedFd,
}

/// What a session's programs were given in the place of a credential. It opens nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dummy {
    /// The resource whose credential it stands for.
    pub resource: Name,
    /// The text of it.
    pub text: String,
}

/// What is known of the programs of one session beside its authority. None of it permits anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// What stands inside in the place of credentials.
    pub dummies: Vec<Dummy>,
    /// Hosts that its programs tell about themselves: refused like any other, with repeats folded.
    pub quiet: Vec<String>,
    /// The workspace, as the host has it.
    pub workspace: PathBuf,
}

/// What to do with a wish to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays inside the sandbox.
    Inside,
    /// It goes to the gateway's listener.
    Listener,
    /// It fails with this errno.
    Refuse(i32),
}

/// A future that can be kept in a trait object.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// Serves sandboxes.
pub trait DataPlane: Send + Sync {
    /// Begins to serve `session` in its `surroundings` on `listeners`, until the session's stop is cancelled. `keepsake` is what an earlier plane kept of
    /// the same session ([`SessionPlane::keepsake`]).
    ///
    /// # Errors
    /// If the listeners cannot be served.
    fn attach(
        &self,
        session: &Arc<LiveSession>,
        listeners: Listeners,
        surroundings: Surroundings,
        keepsake: Option<&[u8]>,
    ) -> io::Result<Arc<dyn SessionPlane>>;
}

/// Serves one sandbox.
pub trait SessionPlane: Send + Sync {
    /// The session's own certificate authority, PEM.
    fn authority_pem(&self) -> String;

    /// What a later plane needs to go on with this session: secret, to be sealed by the caller.
    fn keepsake(&self) -> Vec<u8>;

    /// What to do with a wish to connect over TCP (`udp` false) or UDP, from `src` to `dst`, both as seen inside.
    fn connect(&self, process: ProcessFacts, src: SocketAddr, dst: SocketAddr, udp: bool) -> Answer<'_>;
}
