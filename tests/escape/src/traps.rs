//! Servers that nothing may reach. They remember that something did.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::Result;

/// What reached a trap: the trap's name, and what was said.
type Touches = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// All traps of the suite.
#[derive(Debug, Clone)]
pub struct Traps {
    touches: Touches,
    /// Connections that are still being read.
    reading: Arc<AtomicUsize>,
    port: u16,
}

impl Traps {
    /// Listens on loopback and on every address that stands for the world. Addresses that this host does not have are
    /// left out: their attacks will not succeed without a sandbox, and will count as not tested.
    ///
    /// # Errors
    /// When not even loopback can be listened on.
    pub fn start() -> Result<Self> {
        let first = TcpListener::bind("0.0.0.0:0")?;
        let port = first.local_addr()?.port();
        let traps = Self { touches: Touches::default(), reading: Arc::default(), port };
        traps.tcp(first);
        for address in [format!("[::]:{port}"), "0.0.0.0:80".into(), "[fd00:ec2::254]:80".into()] {
            if let Ok(listener) = listen_v6_only(&address) {
                traps.tcp(listener);
            }
        }
        for address in [
            format!("0.0.0.0:{port}"),
            format!("[fd00:ec2::254]:{port}"),
            "8.8.8.8:53".into(),
            "198.51.100.7:443".into(),
        ] {
            if let Ok(socket) = UdpSocket::bind(&address) {
                traps.udp(socket);
            }
        }
        traps.udplite();
        Ok(traps)
    }

    /// The port of TCP and UDP alike.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Forgets everything, once nothing arrives any more of what an earlier run has sent.
    pub fn clear(&self) {
        let arrived = || (self.lock().len(), self.reading.load(Ordering::SeqCst));
        let mut before = arrived();
        let mut quiet = if before == (0, 0) { 4 } else { 0 };
        for _ in 0..200 {
            if quiet == 4 {
                break;
            }
            thread::sleep(Duration::from_millis(50));
            let now = arrived();
            quiet = if now == before && now.1 == 0 { quiet + 1 } else { 0 };
            before = now;
        }
        self.lock().clear();
    }

    /// Everything that arrived. Waits until each connection that was accepted has been read.
    #[must_use]
    pub fn touches(&self) -> Vec<(String, Vec<u8>)> {
        for _ in 0..200 {
            if self.reading.load(Ordering::SeqCst) == 0 {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Vec<u8>)>> {
        self.touches.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn note(&self, name: &str, said: &[u8]) {
        self.lock().push((name.to_owned(), said.to_vec()));
    }

    /// A named stream socket.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub fn unix(&self, path: &Path) -> Result<()> {
        self.unix_listener(UnixListener::bind(path)?, path.display().to_string());
        Ok(())
    }

    /// A named datagram socket.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub fn unix_datagram(&self, path: &Path) -> Result<()> {
        self.datagrams(UnixDatagram::bind(path)?, path.display().to_string());
        Ok(())
    }

    /// A stream socket with an abstract name, and a datagram socket with `-dgram` after it.
    ///
    /// # Errors
    /// When one cannot be bound.
    pub fn unix_abstract(&self, name: &str) -> Result<()> {
        let stream = UnixListener::bind_addr(&UnixAddr::from_abstract_name(name)?)?;
        self.unix_listener(stream, format!("@{name}"));
        let datagram = format!("{name}-dgram");
        self.datagrams(UnixDatagram::bind_addr(&UnixAddr::from_abstract_name(&datagram)?)?, datagram);
        Ok(())
    }

    fn tcp(&self, listener: TcpListener) {
        let traps = self.clone();
        thread::spawn(move || {
            while let Ok((stream, from)) = listener.accept() {
                // A short patience: who connects and says nothing has reached us all the same.
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                traps.read(stream, format!("tcp from {from}"));
            }
        });
    }

    fn unix_listener(&self, listener: UnixListener, name: String) {
        let traps = self.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                traps.read(stream, name.clone());
            }
        });
    }

    fn read(&self, mut stream: impl Read + Send + 'static, name: String) {
        self.reading.fetch_add(1, Ordering::SeqCst);
        let traps = self.clone();
        thread::spawn(move || {
            let mut said = [0; 4096];
            let count = stream.read(&mut said).unwrap_or(0);
            traps.note(&name, &said[..count]);
            traps.reading.fetch_sub(1, Ordering::SeqCst);
        });
    }

    fn udp(&self, socket: UdpSocket) {
        let traps = self.clone();
        thread::spawn(move || {
            let mut said = [0; 4096];
            while let Ok((count, from)) = socket.recv_from(&mut said) {
                traps.note(&format!("udp from {from}"), &said[..count]);
            }
        });
    }

    fn datagrams(&self, socket: UnixDatagram, name: String) {
        let traps = self.clone();
        thread::spawn(move || {
            let mut said = [0; 4096];
            while let Ok(count) = socket.recv(&mut said) {
                traps.note(&name, &said[..count]);
            }
        });
    }

    /// UDP-Lite (RFC 3828), where the kernel has it.
    fn udplite(&self) {
        use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket};
        let Ok(fd) = socket(AddressFamily::INET, SocketType::DGRAM, Some(ipproto::UDPLITE)) else { return };
        let here = SocketAddr::from(([0, 0, 0, 0], self.port));
        if bind(&fd, &here).is_ok() {
            self.udp(UdpSocket::from(fd));
        }
    }
}

/// `[::]` without IPv4, so that both can be listened on.
fn listen_v6_only(address: &str) -> Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
    let address: SocketAddr = address.parse()?;
    if address.is_ipv4() {
        return Ok(TcpListener::bind(address)?);
    }
    let fd = socket(AddressFamily::INET6, SocketType::STREAM, None)?;
    sockopt::set_ipv6_v6only(&fd, true)?;
    bind(&fd, &address)?;
    listen(&fd, 128)?;
    Ok(TcpListener::from(fd))
}
