//! A place that nothing may ever reach: it remembers every connection and every byte that does.
//!
//! A verdict about an escape comes from here, outside the sandbox, never from the probe's own exit code. Each test that expects an
//! untouched trap must first touch it from outside, or it proves nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::background::{self, Stop};

/// How something reached the trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A TCP connection, even one that sent nothing.
    Tcp,
    /// A UDP datagram.
    Udp,
}

/// One contact.
#[derive(Debug, Clone)]
pub struct Touch {
    /// TCP or UDP.
    pub via: Via,
    /// Who came.
    pub from: SocketAddr,
    /// What it said so far.
    pub bytes: Vec<u8>,
}

type Shared = Arc<(Mutex<Vec<Touch>>, Condvar)>;

/// A TCP listener and a UDP socket on the same port of 127.0.0.1.
#[derive(Debug)]
pub struct Trap {
    address: SocketAddr,
    touches: Shared,
    _stop: Stop,
}

impl Trap {
    /// Records and stays silent.
    pub fn silent() -> Self {
        Self::answering(b"")
    }

    /// Records, answers each TCP connection with these bytes as soon as it says something, and closes it.
    pub fn answering(answer: &'static [u8]) -> Self {
        let (tcp, udp, address) = same_port();
        let touches = Shared::default();
        let recorded = Arc::clone(&touches);
        let stop = background::run(|_| async move {
            let tcp = TcpListener::from_std(tcp).unwrap();
            let udp = UdpSocket::from_std(udp).unwrap();
            tokio::join!(listen(tcp, answer, Arc::clone(&recorded)), datagrams(udp, recorded));
        });
        Self { address, touches, _stop: stop }
    }

    /// The address of both sockets.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that reached it so far.
    pub fn touches(&self) -> Vec<Touch> {
        self.touches.0.lock().unwrap().clone()
    }

    /// Waits until something that satisfies `wanted` has reached it, at most that long.
    pub fn wait_for(&self, limit: Duration, wanted: impl Fn(&Touch) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let mut touches = self.touches.0.lock().unwrap();
        while !touches.iter().any(&wanted) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            touches = self.touches.1.wait_timeout(touches, left).unwrap().0;
        }
        true
    }
}

/// A port that is free for both protocols. Another process may take the UDP half, so a few ports are tried.
fn same_port() -> (std::net::TcpListener, std::net::UdpSocket, SocketAddr) {
    for _ in 0..64 {
        let tcp = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binding a free port");
        let address = tcp.local_addr().unwrap();
        if let Ok(udp) = std::net::UdpSocket::bind(address) {
            tcp.set_nonblocking(true).unwrap();
            udp.set_nonblocking(true).unwrap();
            return (tcp, udp, address);
        }
    }
    panic!("no port is free for both TCP and UDP");
}

async fn listen(listener: TcpListener, answer: &'static [u8], touches: Shared) {
    let mut connections = JoinSet::new();
    while let Ok((stream, from)) = listener.accept().await {
        let number = add(&touches, Touch { via: Via::Tcp, from, bytes: Vec::new() });
        connections.spawn(read(stream, number, answer, Arc::clone(&touches)));
    }
}

async fn read(mut stream: TcpStream, number: usize, answer: &'static [u8], touches: Shared) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(length) = stream.read(&mut chunk).await {
        if length == 0 {
            break;
        }
        if let Some(touch) = touches.0.lock().unwrap().get_mut(number) {
            touch.bytes.extend_from_slice(chunk.get(..length).unwrap_or_default());
        }
        touches.1.notify_all();
        if !answer.is_empty() {
            let _ = stream.write_all(answer).await;
            break;
        }
    }
}

async fn datagrams(socket: UdpSocket, touches: Shared) {
    let mut datagram = vec![0; 64 * 1024];
    while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
        let bytes = datagram.get(..length).unwrap_or_default().to_vec();
        add(&touches, Touch { via: Via::Udp, from, bytes });
    }
}

fn add(touches: &Shared, touch: Touch) -> usize {
    let mut all = touches.0.lock().unwrap();
    all.push(touch);
    touches.1.notify_all();
    all.len() - 1
}
