//! The requests that give the sandbox's loopback interface its addresses (rtnetlink(7)).
//!
//! `lo` carries an address of each family beside 127.0.0.1 and ::1: resolvers that ask for `AI_ADDRCONFIG` find no family
//! otherwise, and the listeners stand there without taking a port of loopback away.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Where the listeners stand: of the benchmarking range, which is never routed (RFC 2544).
pub const INSIDE_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The same for IPv6: a unique local address (RFC 4193).
pub const INSIDE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xba11, 0, 0, 0, 0, 0, 1);

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const REQUEST_ACKNOWLEDGE: u16 = 1 | 4;
const CREATE_EXCLUSIVE: u16 = 0x400 | 0x200;
const LOOPBACK_INDEX: i32 = 1;
const IFF_UP: u32 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// No duplicate address detection: the address is usable at once.
const IFA_F_NODAD: u8 = 2;

/// Brings the interface up.
pub(crate) fn link_up() -> Vec<u8> {
    let mut body = vec![libc::AF_UNSPEC as u8, 0];
    body.extend_from_slice(&0u16.to_ne_bytes());
    body.extend_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    body.extend_from_slice(&IFF_UP.to_ne_bytes());
    body.extend_from_slice(&IFF_UP.to_ne_bytes());
    message(NEW_LINK, REQUEST_ACKNOWLEDGE, &body)
}

/// Adds [`INSIDE_V4`], alone in its network.
pub(crate) fn add_v4() -> Vec<u8> {
    let octets = INSIDE_V4.octets();
    let mut body = address_header(libc::AF_INET as u8, 32, 0, 0);
    body.extend(attribute(IFA_LOCAL, &octets));
    body.extend(attribute(IFA_ADDRESS, &octets));
    message(NEW_ADDRESS, REQUEST_ACKNOWLEDGE | CREATE_EXCLUSIVE, &body)
}

/// Adds [`INSIDE_V6`], alone in its network.
pub(crate) fn add_v6() -> Vec<u8> {
    let octets = INSIDE_V6.octets();
    let mut body = address_header(libc::AF_INET6 as u8, 128, IFA_F_NODAD, 0);
    body.extend(attribute(IFA_LOCAL, &octets));
    body.extend(attribute(IFA_ADDRESS, &octets));
    message(NEW_ADDRESS, REQUEST_ACKNOWLEDGE | CREATE_EXCLUSIVE, &body)
}

/// `struct ifaddrmsg`.
fn address_header(family: u8, prefix: u8, flags: u8, scope: u8) -> Vec<u8> {
    let mut header = vec![family, prefix, flags, scope];
    header.extend_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    header
}

/// `struct rtattr`; the payloads used here keep the alignment of four.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap_or(u16::MAX);
    let mut attribute = Vec::from(length.to_ne_bytes());
    attribute.extend_from_slice(&kind.to_ne_bytes());
    attribute.extend_from_slice(payload);
    attribute
}

/// `struct nlmsghdr` and what follows.
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let mut message = Vec::from(length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&[0; 8]); // sequence number, port id
    message.extend_from_slice(body);
    message
}
