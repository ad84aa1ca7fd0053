//! One connect, answered.
//!
//! | socket | address | answer |
//! |---|---|---|
//! | local | a name | connected to who listens there inside, or refused |
//! | TCP, already connecting or connected | any | what the kernel says of a second connect |
//! | TCP | unspecified family | the kernel undoes the connection |
//! | TCP | the sandbox's own address | connected inside; to our listeners refused |
//! | TCP | loopback | bound, asked about, connected inside, to the listener, or refused |
//! | TCP | the resolver, port 53 | connected to the resolver |
//! | TCP | anything else | bound, asked about, connected to the listener or refused |
//! | UDP | loopback, the resolver, unspecified family | as the kernel does it |
//! | UDP | anything else | unreachable |
//! | anything else, or of another network | any | not permitted |

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bailiwick_sandbox_sys::{
    Listener, Notification, SocketFacts, bind_socket, connect_socket, dissolve_socket, netns_cookie,
    read_memory, send_timeout, set_send_timeout, socket_facts, take_descriptor, tcp_state,
};

use super::facts::ProcessFacts;
use super::local::Locals;
use super::{Addresses, Connect, Mediator, Verdict, os};

/// `struct sockaddr_storage`: no address is larger.
const LARGEST_ADDRESS: usize = 128;
/// How long a blocking connect may keep one of our threads. On loopback only a full backlog takes any time.
const PATIENCE: Duration = Duration::from_secs(10);
const TCP_CLOSE: u8 = 7;

/// Where an Internet socket wants to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Target {
    /// `AF_UNSPEC`
    Dissolve,
    /// An address as the program wrote it.
    Address(SocketAddr),
}

/// Answers connects of one sandbox.
pub(crate) struct Connector {
    addresses: Addresses,
    mediator: Arc<dyn Mediator>,
    locals: Locals,
    next: AtomicU64,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Connector {
    /// `diagnosis` as in [`Locals::new`].
    pub(crate) fn new(addresses: Addresses, diagnosis: Option<OwnedFd>, mediator: Arc<dyn Mediator>) -> Self {
        Self { addresses, mediator, locals: Locals::new(diagnosis), next: AtomicU64::new(1) }
    }

    /// What the waiting call returns: success, or an error number.
    pub(super) fn answer(
        &self,
        listener: &Listener,
        call: &Notification,
        process: ProcessFacts,
    ) -> Result<(), i32> {
        self.try_answer(listener, call, process).map_err(|error| error.raw_os_error().unwrap_or(libc::EPERM))
    }

    fn try_answer(&self, listener: &Listener, call: &Notification, process: ProcessFacts) -> io::Result<()> {
        let [number, address, length, ..] = call.arguments;
        // The kernel takes the low half of the number, as an int.
        let socket = take_descriptor(call.thread, number as i32)?;
        let mut bytes = [0; LARGEST_ADDRESS];
        let room = usize::try_from(length as u32).ok().and_then(|length| bytes.get_mut(..length));
        let bytes = room.ok_or_else(|| os(libc::EINVAL))?;
        if !bytes.is_empty() && read_memory(call.thread, address, bytes)? != bytes.len() {
            return Err(os(libc::EFAULT));
        }
        // Only now is it certain that all of this was the caller's.
        if !listener.is_waiting(call) {
            return Err(os(libc::EINTR));
        }
        let socket = socket.as_fd();
        let facts = socket_facts(socket)?;
        if netns_cookie(socket)? != self.addresses.netns_cookie {
            return Err(os(libc::EPERM));
        }
        if facts.domain == libc::AF_UNIX {
            return patiently(socket, || self.locals.connect(socket, call.thread, bytes));
        }
        match kind(facts) {
            Some(Kind::Tcp) => self.tcp(socket, facts.domain, target(facts.domain, bytes, false)?, process),
            Some(Kind::Udp) => self.udp(socket, target(facts.domain, bytes, true)?),
            None => Err(os(libc::EPERM)),
        }
    }

    fn tcp(
        &self,
        socket: BorrowedFd<'_>,
        domain: i32,
        target: Target,
        process: ProcessFacts,
    ) -> io::Result<()> {
        let written = match target {
            Target::Dissolve => return dissolve_socket(socket),
            Target::Address(address) => address,
        };
        let mapped = is_mapped(written);
        if tcp_state(socket)? != TCP_CLOSE {
            // The kernel knows what to say to a second connect, and starts nothing. Should the first end meanwhile, this
            // reaches a listener that was not told to expect it.
            return connect(socket, in_family(SocketAddr::V4(self.addresses.tcp4), domain == libc::AF_INET6));
        }
        let destination = canonical(written);
        if self.is_listener(destination) {
            return Err(os(libc::ECONNREFUSED));
        }
        let loopback = destination.ip().is_loopback();
        if self.is_inside(destination.ip()) && !loopback {
            return connect(socket, in_family(destination, mapped));
        }
        let local = match destination {
            SocketAddr::V4(_) => SocketAddr::V4(self.addresses.tcp4),
            SocketAddr::V6(_) => SocketAddr::V6(self.addresses.tcp6.ok_or_else(|| os(libc::ENETUNREACH))?),
        };
        // A server inside that serves only loopback looks at where its client is.
        let from = if loopback { loopback_of(destination) } else { local.ip() };
        let source = bind_source(socket, from, mapped)?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        match self.mediator.connect(Connect { id, process, source, destination }) {
            Verdict::Inside if loopback => connect(socket, in_family(destination, mapped)),
            Verdict::Inside => Err(os(libc::EACCES)),
            Verdict::Listener => connect(socket, in_family(local, mapped)),
            Verdict::Refuse(errno) => Err(os(if errno > 0 { errno } else { libc::EACCES })),
        }
    }

    fn udp(&self, socket: BorrowedFd<'_>, target: Target) -> io::Result<()> {
        let written = match target {
            Target::Dissolve => return dissolve_socket(socket),
            Target::Address(address) => address,
        };
        if self.is_inside(canonical(written).ip()) {
            connect_socket(socket, written)
        } else {
            Err(os(libc::ENETUNREACH))
        }
    }

    /// Loopback, and the addresses that `lo` carries.
    fn is_inside(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || address == IpAddr::V4(*self.addresses.tcp4.ip())
            || self.addresses.tcp6.is_some_and(|own| address == IpAddr::V6(*own.ip()))
    }

    fn is_listener(&self, destination: SocketAddr) -> bool {
        destination == SocketAddr::V4(self.addresses.tcp4)
            || self.addresses.tcp6.is_some_and(|own| match destination {
                SocketAddr::V6(other) => (own.ip(), own.port()) == (other.ip(), other.port()),
                SocketAddr::V4(_) => false,
            })
    }
}

fn connect(socket: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
    patiently(socket, || connect_socket(socket, address))
}

/// Connects without keeping one of our threads for longer than [`PATIENCE`].
fn patiently(socket: BorrowedFd<'_>, connect: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let blocking = !rustix::fs::fcntl_getfl(socket)?.contains(rustix::fs::OFlags::NONBLOCK);
    let before = send_timeout(socket)?;
    let limited = blocking && (before.is_zero() || before > PATIENCE);
    if limited {
        set_send_timeout(socket, PATIENCE)?;
    }
    let result = connect();
    if limited {
        set_send_timeout(socket, before)?;
    }
    match result {
        // A blocking connect that ran out of our patience, not of the program's.
        Err(error) if limited && matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EAGAIN)) => {
            Err(os(libc::ETIMEDOUT))
        }
        other => other,
    }
}

/// The usual loopback address of an address's family.
fn loopback_of(address: SocketAddr) -> IpAddr {
    match address {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

enum Kind {
    Tcp,
    Udp,
}

fn kind(facts: SocketFacts) -> Option<Kind> {
    if facts.domain != libc::AF_INET && facts.domain != libc::AF_INET6 {
        return None;
    }
    match (facts.kind, facts.protocol) {
        (libc::SOCK_STREAM, libc::IPPROTO_TCP) => Some(Kind::Tcp),
        (libc::SOCK_DGRAM, libc::IPPROTO_UDP) => Some(Kind::Udp),
        _ => None,
    }
}

/// Reads `struct sockaddr_in` or `struct sockaddr_in6`, with the kernel's own errors for what is neither.
fn target(domain: i32, bytes: &[u8], datagram: bool) -> io::Result<Target> {
    let field = |from: usize, to: usize| bytes.get(from..to).ok_or_else(|| os(libc::EINVAL));
    let family = i32::from(u16::from_ne_bytes(array(field(0, 2)?)?));
    let port = |bytes: &[u8]| Ok::<_, io::Error>(u16::from_be_bytes(array(bytes)?));
    match family {
        libc::AF_UNSPEC => Ok(Target::Dissolve),
        libc::AF_INET if domain == libc::AF_INET || datagram => {
            field(0, 16)?;
            let ip = Ipv4Addr::from(array::<4>(field(4, 8)?)?);
            Ok(Target::Address(SocketAddr::from((ip, port(field(2, 4)?)?))))
        }
        libc::AF_INET6 if domain == libc::AF_INET6 => {
            let ip = Ipv6Addr::from(array::<16>(field(8, 24)?)?);
            let scope = bytes.get(24..28).map_or(Ok(0), |bytes| array(bytes).map(u32::from_ne_bytes))?;
            Ok(Target::Address(SocketAddrV6::new(ip, port(field(2, 4)?)?, 0, scope).into()))
        }
        _ => Err(os(libc::EAFNOSUPPORT)),
    }
}

fn array<const N: usize>(bytes: &[u8]) -> io::Result<[u8; N]> {
    bytes.try_into().map_err(|_| os(libc::EINVAL))
}

fn is_mapped(address: SocketAddr) -> bool {
    matches!(address, SocketAddr::V6(address) if address.ip().to_ipv4_mapped().is_some())
}

/// A mapped address as IPv4, and "any" as the loopback it means in a connect.
fn canonical(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip().to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// An IPv4 address for an IPv6 socket.
fn in_family(address: SocketAddr, mapped: bool) -> SocketAddr {
    match address {
        SocketAddr::V4(address) if mapped => (address.ip().to_ipv6_mapped(), address.port()).into(),
        other => other,
    }
}

/// Binds the socket unless the program has, and tells what the listener will see.
fn bind_source(socket: BorrowedFd<'_>, ip: IpAddr, mapped: bool) -> io::Result<SocketAddr> {
    let bound = || Ok::<SocketAddr, io::Error>(SocketAddr::try_from(rustix::net::getsockname(socket)?)?);
    if bound()?.port() == 0 {
        bind_socket(socket, in_family(SocketAddr::new(ip, 0), mapped))?;
    }
    let source = bound()?;
    let seen = source.ip().to_canonical();
    // The kernel picks the destination's own address as the source of a connection inside one machine.
    Ok(SocketAddr::new(if seen.is_unspecified() { ip } else { seen }, source.port()))
}
