//! Connections from outside to a listener inside.
//!
//! A socket belongs to the network it was made in, whoever holds it. So the sandbox's first process makes one and hands it out, and the
//! supervisor connects it, to the loopback inside and nowhere else. What was handed out is looked at before it is used: a socket of any
//! other network is not, so that nothing inside can turn a published port into a way to the host's own loopback.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bailiwick_sandbox_sys::{
    Channel, Order, connect_socket, netns_cookie, set_send_timeout, socket_facts, tcp_state,
};

/// How long the first process may take to make a socket, and a listener inside to accept.
const PATIENCE: Duration = Duration::from_secs(5);
/// `TCP_CLOSE`: never connected.
const UNCONNECTED: u8 = 7;

/// What the first process made; `None` if it could not.
pub(crate) type Made = Option<OwnedFd>;

/// Connects to listeners on the loopback inside one sandbox.
#[derive(Debug)]
pub struct Inward {
    channel: Arc<Channel>,
    made: Mutex<Receiver<Made>>,
    netns_cookie: u64,
}

impl Inward {
    pub(crate) fn new(channel: Arc<Channel>, netns_cookie: u64) -> (Self, Sender<Made>) {
        let (sender, receiver) = mpsc::channel();
        (Self { channel, made: Mutex::new(receiver), netns_cookie }, sender)
    }

    /// Connects to the port on the loopback inside: over IPv4, or where nobody listens there, over IPv6.
    ///
    /// # Errors
    /// `ECONNREFUSED` if nobody listens; others if the sandbox has ended.
    pub fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let v4 = self.connect_to(Ipv4Addr::LOCALHOST.into(), port);
        v4.or_else(|refused| self.connect_to(Ipv6Addr::LOCALHOST.into(), port).map_err(|_| refused))
    }

    fn connect_to(&self, address: IpAddr, port: u16) -> io::Result<TcpStream> {
        let socket = self.socket(address.is_ipv6())?;
        set_send_timeout(socket.as_fd(), PATIENCE)?;
        connect_socket(socket.as_fd(), SocketAddr::new(address, port))?;
        set_send_timeout(socket.as_fd(), Duration::ZERO)?;
        Ok(TcpStream::from(socket))
    }

    /// A socket of the sandbox's network.
    fn socket(&self, v6: bool) -> io::Result<OwnedFd> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // One that came too late for whoever asked.
        while made.try_recv().is_ok() {}
        self.channel.send(Order::Socket { v6 }, None)?;
        let socket = made.recv_timeout(PATIENCE).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let socket = socket.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
        drop(made);
        if self.is_usable(&socket, v6) { Ok(socket) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn is_usable(&self, socket: &OwnedFd, v6: bool) -> bool {
        let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
        netns_cookie(socket.as_fd()).is_ok_and(|cookie| cookie == self.netns_cookie)
            && socket_facts(socket.as_fd()).is_ok_and(|facts| {
                (facts.domain, facts.kind, facts.protocol) == (family, libc::SOCK_STREAM, libc::IPPROTO_TCP)
            })
            && tcp_state(socket.as_fd()).is_ok_and(|state| state == UNCONNECTED)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_socket_of_another_network_or_kind_is_not_used() {
        let (channel, _other) = Channel::pair().unwrap();
        let host: OwnedFd = TcpListener::bind("127.0.0.1:0").unwrap().into();
        let here = netns_cookie(host.as_fd()).unwrap();
        let fresh = || {
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)
                .unwrap()
        };
        let datagram =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)
                .unwrap();
        let local: OwnedFd = std::os::unix::net::UnixStream::pair().unwrap().0.into();
        let channel = Arc::new(channel);
        let (own, _) = Inward::new(Arc::clone(&channel), here);
        assert!(own.is_usable(&fresh(), false));
        for (socket, v6) in [(fresh(), true), (host, false), (datagram, false), (local, false)] {
            assert!(!own.is_usable(&socket, v6));
        }
        let (other, _) = Inward::new(channel, here + 1);
        assert!(!other.is_usable(&fresh(), false));
    }
}
