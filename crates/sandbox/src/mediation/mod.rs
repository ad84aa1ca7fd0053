//! The supervisor's answer to every `connect` inside.
//!
//! The kernel holds the calling thread, passes the call to us, and waits. We never let a call through: the
//! arguments could be others by the time the kernel reads them again. Instead we take the caller's own socket, look at
//! what it is, read the address once, ask, and connect that socket ourselves.

mod connect;
mod facts;
mod local;
mod pool;
mod socket_files;

use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bailiwick_sandbox_sys::{netns_cookie, socket_facts};
use rustix::net::getsockname;

pub(crate) use connect::Connector;
pub use facts::ProcessFacts;
pub(crate) use pool::Pool;

/// One attempt to open a connection.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Unique among the sandbox's attempts.
    pub id: u64,
    /// Who opens it.
    pub process: ProcessFacts,
    /// The bound source address: what the listener will see as its peer.
    pub source: SocketAddr,
    /// Where it wants to go, mapped IPv4 addresses as IPv4.
    pub destination: SocketAddr,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is connected to where it wants to go: loopback, which stays inside. Anywhere else it is refused.
    Inside,
    /// It is connected to our listener, which knows its source.
    Listener,
    /// It fails with this error number.
    Refuse(i32),
}

/// Decides connects: those that leave the sandbox, and those to loopback, where a service of the host may be meant.
///
/// Called from several threads at once; each call holds one of them and one thread inside.
pub trait Mediator: Send + Sync {
    /// The verdict on one attempt.
    fn connect(&self, connect: Connect) -> Verdict;
}

/// Where nothing is reachable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreachable;

impl Mediator for Unreachable {
    fn connect(&self, connect: Connect) -> Verdict {
        if connect.destination.ip().is_loopback() {
            Verdict::Inside
        } else {
            Verdict::Refuse(libc::ENETUNREACH)
        }
    }
}

/// The sockets that were created inside the sandbox's network and are accepted outside it.
#[derive(Debug)]
pub struct Listeners {
    /// TCP over IPv4.
    pub tcp4: OwnedFd,
    /// TCP over IPv6, where the kernel has it.
    pub tcp6: Option<OwnedFd>,
    /// The resolver, port 53.
    pub dns_udp: OwnedFd,
    /// The resolver over TCP, port 53.
    pub dns_tcp: OwnedFd,
    /// Where they listen.
    pub addresses: Addresses,
}

/// Where the listeners are, and in which network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// TCP over IPv4.
    pub tcp4: SocketAddrV4,
    /// TCP over IPv6.
    pub tcp6: Option<SocketAddrV6>,
    /// The resolver, for UDP and TCP.
    pub dns: SocketAddrV4,
    /// Two sockets share it exactly if they are in the same network namespace.
    pub netns_cookie: u64,
}

impl Listeners {
    /// From the descriptors in the order in which the new process sends them; and its socket for diagnosis, where there is one.
    pub(crate) fn new(descriptors: Vec<OwnedFd>) -> io::Result<(Self, Option<OwnedFd>)> {
        let (mut diagnosis, listeners): (Vec<_>, Vec<_>) =
            descriptors.into_iter().partition(|fd| is_netlink(fd.as_fd()));
        let mut next = listeners.into_iter();
        let missing = || io::Error::from_raw_os_error(libc::EPROTO);
        let mut one = || next.next().ok_or_else(missing);
        let (tcp4, dns_udp, dns_tcp, tcp6) = (one()?, one()?, one()?, one().ok());
        let addresses = Addresses {
            tcp4: getsockname(&tcp4)?.try_into()?,
            tcp6: tcp6.as_ref().map(|fd| Ok::<_, io::Error>(getsockname(fd)?.try_into()?)).transpose()?,
            dns: getsockname(&dns_udp)?.try_into()?,
            netns_cookie: netns_cookie(tcp4.as_fd())?,
        };
        Ok((Self { tcp4, tcp6, dns_udp, dns_tcp, addresses }, diagnosis.pop()))
    }
}

fn is_netlink(socket: BorrowedFd<'_>) -> bool {
    socket_facts(socket).is_ok_and(|facts| facts.domain == libc::AF_NETLINK)
}

fn os(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}
