//! What a wish to connect comes to. Pure: the catalogue, the names and the listeners are parameters.
//!
//! Three things stay apart here: what lies inside the sandbox and stays there, what the gateway serves, and what is refused before a
//! packet moves. Nothing may reach our own listeners but by being announced.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bailiwick_catalogue::Catalogue;
use bailiwick_core::{Reason, ReasonCode};

use crate::{
    names::{Names, is_synthetic},
    sources::Meant,
};

/// `EACCES`, `ECONNREFUSED` on Linux (errno(3); the same on every architecture).
pub(crate) const EACCES: i32 = 13;
const ECONNREFUSED: i32 = 111;

/// Where our own listeners are bound, inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) tcp4: SocketAddr,
    pub(crate) tcp6: Option<SocketAddr>,
}

/// What a wish comes to.
#[derive(Debug)]
pub(crate) enum Ruling {
    /// It stays inside.
    Inside,
    /// The gateway serves it.
    Listener(Meant),
    /// It fails. `meant` says in words where it was to go.
    Refuse { errno: i32, host: String, port: u16, reason: Box<Reason> },
}

/// What a wish to connect to `destination` comes to.
pub(crate) fn rule(
    destination: SocketAddr,
    udp: bool,
    own: Own,
    names: &Names,
    catalogue: &Catalogue,
) -> Ruling {
    let address = SocketAddr::new(concrete(destination.ip()), destination.port());
    if udp {
        return if address.ip().is_loopback() { Ruling::Inside } else { refuse(address, UDP) };
    }
    if address == own.tcp4 || Some(address) == own.tcp6 {
        let reason =
            Reason::new(ReasonCode::Unattributed, "the gateway's own listener cannot be connected to");
        return Ruling::Refuse {
            errno: ECONNREFUSED,
            host: host(address),
            port: address.port(),
            reason: reason.into(),
        };
    }
    match address.ip() {
        ip if ip.is_loopback() => {
            let covered = LOOPBACK.iter().any(|host| !catalogue.at(host, address.port()).is_empty());
            if covered { Ruling::Listener(Meant::Address(address)) } else { Ruling::Inside }
        }
        IpAddr::V4(ip) if is_synthetic(ip) => synthetic(ip, address.port(), names, catalogue),
        _ if is_web(address.port()) || !catalogue.at(&host(address), address.port()).is_empty() => {
            Ruling::Listener(Meant::Address(address))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => refuse(address, NOTHING_COVERS),
    }
}

/// The spellings under which a resource on the machine's own loopback can be declared.
pub(crate) const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
const UDP: &str = "UDP leaves a sandbox only for its resolver";
const NOTHING_COVERS: &str = "no resource is declared at this address";

fn synthetic(ip: Ipv4Addr, port: u16, names: &Names, catalogue: &Catalogue) -> Ruling {
    let Some(name) = names.name(ip) else {
        return refuse((ip, port).into(), "this address stands for no name of this session");
    };
    if is_web(port) || !catalogue.at(&name, port).is_empty() {
        return Ruling::Listener(Meant::Name { name, port });
    }
    let fix = format!("bailiwick resource add NAME --address https://{name}:{port}");
    let reason =
        Reason::new(ReasonCode::Unlisted, format!("no resource is declared at {name}:{port}")).with_fix(fix);
    Ruling::Refuse { errno: EACCES, host: name.to_string(), port, reason: reason.into() }
}

fn refuse(address: SocketAddr, why: &str) -> Ruling {
    let reason = Reason::new(ReasonCode::Unlisted, format!("{why}: {address}"));
    Ruling::Refuse { errno: EACCES, host: host(address), port: address.port(), reason: reason.into() }
}

/// Ports on which a refusal is told in HTTP, so that whoever asked can read it.
fn is_web(port: u16) -> bool {
    matches!(port, 80 | 443)
}

fn host(address: SocketAddr) -> String {
    Meant::Address(address).host()
}

/// What Linux makes of an address: mapped IPv4 is IPv4, and the unspecified address means this machine.
fn concrete(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
