//! Who is on the other side of a local socket, as the kernel recorded it when it connected (`SO_PEERCRED`, unix(7)).

use std::{io, os::fd::AsFd};

/// Whether the peer of `socket` runs as this daemon does. In single-user mode those are the user's own processes outside sandboxes:
/// the socket lies where no sandbox can name it.
///
/// # Errors
/// If the kernel does not say; the caller refuses.
pub(crate) fn is_ours(socket: impl AsFd) -> io::Result<bool> {
    let peer = rustix::net::sockopt::socket_peercred(socket)?.uid;
    Ok(peer == rustix::process::geteuid() || peer.is_root())
}
