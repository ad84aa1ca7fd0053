//! The gateway: what all sessions share, and the place where a session's plane begins.

use std::{io, net, sync::Arc};

use bailiwick_authority::{DataPlane, Gate, Listeners, LiveSession, SessionPlane, Surroundings};
use bailiwick_git::Workroom;

use crate::{Limits, Plane, Resolve, SystemResolver, plane::Sockets, upstream::Trust};

/// Serves sandboxes through one gate.
pub struct Gateway {
    pub(crate) gate: Gate,
    pub(crate) limits: Limits,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) room: Arc<Workroom>,
}

impl Gateway {
    /// A gateway in front of `gate`, with the host's resolver and root certificates. Pushes are kept aside in `room` while they are compared.
    pub fn new(gate: Gate, room: Workroom) -> Self {
        Self {
            gate,
            limits: Limits::default(),
            resolver: Arc::new(SystemResolver),
            trust: Arc::new(Trust::of_host()),
            room: Arc::new(room),
        }
    }

    /// The same, with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same, with another resolver of upstream names.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }
}

impl DataPlane for Gateway {
    fn attach(
        &self,
        session: &Arc<LiveSession>,
        listeners: Listeners,
        surroundings: Surroundings,
        keepsake: Option<&[u8]>,
    ) -> io::Result<Arc<dyn SessionPlane>> {
        let Listeners { tcp4, tcp6, dns_udp, dns_tcp } = listeners;
        let sockets = Sockets {
            tcp4: listener(tcp4.into())?,
            tcp6: tcp6.map(|socket| listener(socket.into())).transpose()?,
            dns_udp: datagrams(dns_udp.into())?,
            dns_tcp: listener(dns_tcp.into())?,
        };
        let plane = Plane::begin(self, session, sockets, surroundings, keepsake)?;
        Ok(plane)
    }
}

fn listener(socket: net::TcpListener) -> io::Result<tokio::net::TcpListener> {
    in_runtime()?;
    socket.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(socket)
}

fn datagrams(socket: net::UdpSocket) -> io::Result<tokio::net::UdpSocket> {
    in_runtime()?;
    socket.set_nonblocking(true)?;
    tokio::net::UdpSocket::from_std(socket)
}

fn in_runtime() -> io::Result<()> {
    tokio::runtime::Handle::try_current().map(|_| ()).map_err(io::Error::other)
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("limits", &self.limits).finish_non_exhaustive()
    }
}
