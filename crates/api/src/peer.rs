//! Who is on the other side of a local socket, as the kernel recorded it when it connected (`SO_PEERCRED`, unix(7)).

use std::{io, os::fd::AsFd};

use bailiwick_core::Name;
use rustix::process::geteuid;

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Whom this daemon runs as. In single-user mode those are the user's own processes outside sandboxes: the socket lies where no sandbox
    /// can name it.
    Ourselves,
    /// The administrator, where that is somebody else.
    Root,
}

impl Peer {
    /// Who is on the other side of `socket`; `None` for anybody who has no business here.
    ///
    /// # Errors
    /// If the kernel does not say; the caller refuses.
    pub(crate) fn of(socket: impl AsFd) -> io::Result<Option<Self>> {
        let peer = rustix::net::sockopt::socket_peercred(socket)?.uid;
        Ok(match peer {
            peer if peer == geteuid() => Some(Self::Ourselves),
            peer if peer.is_root() => Some(Self::Root),
            _ => None,
        })
    }

    /// The account, where it is not that of this daemon.
    pub(crate) fn other(&self) -> Option<Name> {
        match self {
            Self::Ourselves => None,
            Self::Root => "root".parse().ok(),
        }
    }
}
