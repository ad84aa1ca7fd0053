//! The sandbox's own network: a loopback interface, two addresses, the listeners. Nothing else ever exists in it.

use std::os::fd::RawFd;

use super::{At, Outcome, say};
use crate::program::NetworkProgram;
use crate::raw::{self, Errno};
use crate::socket::{self, Address};
use crate::wire::{Report, Step};

const BACKLOG: i32 = 4096;
const DNS: u16 = 53;

pub(super) fn set_up(network: &NetworkProgram) -> Outcome<()> {
    let route = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).at(Step::Loopback, 0)?;
    for (index, request) in network.required.iter().enumerate() {
        exchange(route, request).at(Step::Loopback, index + 1)?;
    }
    // A host without IPv6 refuses these, and then has no IPv6 listener either.
    let v6 = network.optional.iter().all(|request| exchange(route, request).is_ok());
    raw::close(route);

    let v4 = Address::V4(network.v4);
    let tcp4 = listener(v4, libc::SOCK_STREAM, 0).at(Step::Listen, 0)?;
    let dns_udp = listener(v4, libc::SOCK_DGRAM, DNS).at(Step::Listen, 1)?;
    let dns_tcp = listener(v4, libc::SOCK_STREAM, DNS).at(Step::Listen, 2)?;
    let tcp6 = if v6 { listener(Address::V6(network.v6), libc::SOCK_STREAM, 0).ok() } else { None };
    // Tells which local sockets listen in this namespace. A kernel without it has fewer of them that can be reached.
    let diagnosis = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_SOCK_DIAG).ok();
    let mut present = [tcp4, dns_udp, dns_tcp, -1, -1];
    let mut count = 3;
    for (slot, fd) in present.iter_mut().skip(3).zip(tcp6.into_iter().chain(diagnosis)) {
        *slot = fd;
        count += 1;
    }
    let present = present.get(..count).unwrap_or_default();
    say(Report::Listening, present)?;
    for fd in present {
        raw::close(*fd);
    }
    Ok(())
}

fn listener(address: Address, kind: i32, port: u16) -> Result<RawFd, Errno> {
    let fd = socket::open(address.family(), kind, 0)?;
    socket::bind_raw(fd, address, port)?;
    if kind == libc::SOCK_STREAM {
        socket::listen(fd, BACKLOG)?;
    }
    Ok(fd)
}

/// Sends one request and reads its acknowledgement (netlink(7), NLMSG_ERROR).
fn exchange(route: RawFd, request: &[u8]) -> Result<(), Errno> {
    const ERROR: u16 = 2;
    raw::write_all(route, request)?;
    let mut reply = [0; 1024];
    let length = raw::read(route, &mut reply)?;
    let kind = reply.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let errno = reply.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, errno) {
        (Some(ERROR), Some(0)) if length >= 20 => Ok(()),
        (Some(ERROR), Some(errno)) if length >= 20 => Err(-errno),
        _ => Err(libc::EPROTO),
    }
}
