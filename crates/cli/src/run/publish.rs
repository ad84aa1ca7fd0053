//! `run --publish`: ports of this machine's loopback that lead to the loopback inside.
//!
//! One way only. It must never listen where another machine could connect, and never connect anywhere but inside.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use bailiwick_sandbox::Inward;

use super::{OURS, ours};
use crate::output::Failure;

/// Connections to all published ports at a time. More wait.
const MOST: usize = 256;
const EXAMPLE: &str = "name a port, as in `--publish 3000` or `--publish 127.0.0.1:3000`";

/// Ports that are bound on this machine.
#[derive(Debug, Default)]
pub(crate) struct Published(Vec<(TcpListener, SocketAddr)>);

impl Published {
    /// Binds what `--publish` names: before the agent runs, so that what cannot be had is said in time.
    pub(crate) fn bind(wanted: &[String]) -> Result<Self, Failure> {
        let mut bound = Vec::new();
        for wanted in wanted {
            let (host, port) = parse(wanted)?;
            let hosts = host.map_or_else(
                || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
                |host| vec![host],
            );
            for address in hosts.iter().map(|host: &IpAddr| SocketAddr::new(*host, port)) {
                match TcpListener::bind(address) {
                    Ok(listener) => bound.push((listener, address)),
                    // A machine without IPv6 is reached over IPv4.
                    Err(error) if address.is_ipv6() && host.is_none() && is_absent(&error) => {}
                    Err(error) => return Err(unbound(address, &error)),
                }
            }
        }
        Ok(Self(bound))
    }

    /// Where they are bound.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.0.iter().map(|(_, address)| address.to_string()).collect()
    }

    /// Their ports.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.0.iter().map(|(_, address)| address.port()).collect()
    }

    /// Carries connections until this process ends.
    pub(crate) fn serve(self, inward: Inward) -> Result<(), Failure> {
        let inside = Arc::new(Inside { inward, open: AtomicUsize::new(0) });
        for (listener, address) in self.0 {
            let inside = Arc::clone(&inside);
            start(move || inside.accept(&listener, address.port()))
                .map_err(|error| ours("publish", error))?;
        }
        Ok(())
    }
}

fn parse(wanted: &str) -> Result<(Option<IpAddr>, u16), Failure> {
    let wrong = |detail: String| Failure::usage(detail).fix(EXAMPLE);
    let (host, port) = match wanted.rsplit_once(':') {
        Some((host, port)) => (Some(host), port),
        None => (None, wanted),
    };
    let port = port.parse::<u16>().ok().filter(|port| *port != 0);
    let port = port.ok_or_else(|| wrong(format!("`--publish {wanted}` does not name a port")))?;
    let Some(host) = host else { return Ok((None, port)) };
    let address = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host) {
        "localhost" => return Ok((None, port)),
        host => host.parse::<IpAddr>().map_err(|_| wrong(format!("`{host}` is not an address")))?,
    };
    if !address.is_loopback() {
        let detail = format!(
            "`--publish {wanted}` would let other machines reach what an agent serves; only the loopback of this machine can be named"
        );
        return Err(Failure::usage(detail).fix(format!("--publish {port}")));
    }
    Ok((Some(address), port))
}

fn is_absent(error: &io::Error) -> bool {
    let absent = [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::ADDRNOTAVAIL];
    absent.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn unbound(address: SocketAddr, error: &io::Error) -> Failure {
    let failure = Failure::new(OURS, "publish", format!("cannot publish on {address}: {error}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => failure.fix(format!(
            "end what listens on port {} of this machine, or publish another port",
            address.port()
        )),
        _ => failure.fix(EXAMPLE),
    }
}

struct Inside {
    inward: Inward,
    open: AtomicUsize,
}

impl Inside {
    fn accept(self: Arc<Self>, listener: &TcpListener, port: u16) {
        for client in listener.incoming() {
            match client {
                Ok(client) if self.open.fetch_add(1, Ordering::Relaxed) < MOST => {
                    let inside = Arc::clone(&self);
                    let carried = start(move || {
                        // Nobody may listen inside yet: the client sees the connection end.
                        if let Ok(server) = inside.inward.connect(port) {
                            carry(&client, &server);
                        }
                        inside.open.fetch_sub(1, Ordering::Relaxed);
                    });
                    if carried.is_err() {
                        self.open.fetch_sub(1, Ordering::Relaxed);
                    }
                }
                Ok(_) => drop(self.open.fetch_sub(1, Ordering::Relaxed)),
                // Out of descriptors, most likely: some will be free again.
                Err(_) => thread::sleep(std::time::Duration::from_millis(50)),
            }
        }
    }
}

fn start(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("published".to_owned()).spawn(run).map(drop)
}

/// Copies in both directions, until both have ended.
fn carry(client: &TcpStream, server: &TcpStream) {
    thread::scope(|scope| {
        scope.spawn(|| copy(client, server));
        copy(server, client);
    });
}

/// Copies to the end of `from`, and says so to `to`.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) if to.write_all(buffer.get(..length).unwrap_or_default()).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => {
                // One side is gone: nothing more goes either way.
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_can_be_named() {
        for (wanted, expected) in [
            ("3000", (None, 3000)),
            ("localhost:3000", (None, 3000)),
            ("127.0.0.1:80", (Some(Ipv4Addr::LOCALHOST.into()), 80)),
            ("127.1.2.3:80", (Some(Ipv4Addr::new(127, 1, 2, 3).into()), 80)),
            ("[::1]:80", (Some(Ipv6Addr::LOCALHOST.into()), 80)),
        ] {
            assert_eq!(parse(wanted).unwrap(), expected, "{wanted}");
        }
        for (wanted, why) in [
            ("", "does not name a port"),
            ("0", "does not name a port"),
            ("70000", "does not name a port"),
            ("127.0.0.1:", "does not name a port"),
            ("0.0.0.0:3000", "other machines"),
            ("[::]:3000", "other machines"),
            ("192.168.1.2:3000", "other machines"),
            ("[::ffff:10.0.0.1]:3000", "other machines"),
            ("example.com:3000", "is not an address"),
        ] {
            let failure = parse(wanted).unwrap_err();
            assert!(failure.problem.to_string().contains(why), "{wanted}: {}", failure.problem);
        }
    }
}
