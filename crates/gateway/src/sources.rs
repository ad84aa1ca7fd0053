//! Which connections were announced: the supervisor names a source address before it lets the connection go, and only such a
//! connection is served, once.
//!
//! Where a connection was meant to go is known from here alone; nothing the connection says can change it. A source that was never
//! announced, was used already or took too long must never be served.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bailiwick_core::ProcessFacts;
use tokio::time::Instant;

/// Where a connection was meant to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// To an address that the process had from somewhere else than our resolver.
    Address(SocketAddr),
    /// To the name that a synthetic address stands for.
    Name {
        /// The name, canonical.
        name: Arc<str>,
        /// The port.
        port: u16,
    },
}

/// An announced connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Who opened it.
    pub(crate) process: ProcessFacts,
    /// Where to.
    pub(crate) meant: Meant,
}

/// The announced connections of one session that have not arrived yet.
#[derive(Debug)]
pub(crate) struct Sources {
    quota: usize,
    lifetime: Duration,
    expected: Mutex<HashMap<SocketAddr, (Expected, Instant)>>,
}

impl Sources {
    /// None announced; at most `quota` at a time, each good for `lifetime`.
    pub(crate) fn new(quota: usize, lifetime: Duration) -> Self {
        Self { quota, lifetime, expected: Mutex::default() }
    }

    /// Announces a connection from `source`. A later announcement of the same source replaces an earlier one: the supervisor binds a
    /// socket anew only when the kernel has let go of the old one. `false` if too many are waiting already.
    pub(crate) fn announce(&self, source: SocketAddr, expected: Expected, now: Instant) -> bool {
        let mut waiting = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= self.quota {
            waiting.retain(|_, (_, since)| now.duration_since(*since) < self.lifetime);
        }
        if waiting.len() >= self.quota && !waiting.contains_key(&source) {
            return false;
        }
        waiting.insert(source, (expected, now));
        true
    }

    /// What was announced of `source`. Asking again gives nothing.
    pub(crate) fn take(&self, source: SocketAddr, now: Instant) -> Option<Expected> {
        let taken = self.expected.lock().unwrap_or_else(PoisonError::into_inner).remove(&source);
        taken.filter(|(_, since)| now.duration_since(*since) < self.lifetime).map(|(expected, _)| expected)
    }
}

impl Meant {
    /// The port.
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Name { port, .. } => *port,
        }
    }

    /// The host, as it is written in an address.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Address(SocketAddr::V4(address)) => address.ip().to_string(),
            Self::Address(SocketAddr::V6(address)) => format!("[{}]", address.ip()),
            Self::Name { name, .. } => name.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(30);

    fn source(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn expected(port: u16) -> Expected {
        Expected {
            process: ProcessFacts { pid: u32::from(port), ..ProcessFacts::default() },
            meant: Meant::Name { name: "a.example".into(), port },
        }
    }

    #[test]
    fn a_source_is_good_once() {
        let sources = Sources::new(8, LIFE);
        let now = Instant::now();
        assert!(sources.announce(source(1), expected(443), now));
        assert_eq!(sources.take(source(2), now), None);
        assert_eq!(sources.take(source(1), now), Some(expected(443)));
        assert_eq!(sources.take(source(1), now), None);
    }

    #[test]
    fn a_source_that_took_too_long_is_not_served() {
        let sources = Sources::new(8, LIFE);
        let now = Instant::now();
        sources.announce(source(1), expected(443), now);
        assert_eq!(sources.take(source(1), now + LIFE), None);
        assert_eq!(sources.take(source(1), now), None);
    }

    #[test]
    fn a_later_announcement_replaces_an_earlier_one() {
        let sources = Sources::new(8, LIFE);
        let now = Instant::now();
        sources.announce(source(1), expected(443), now);
        sources.announce(source(1), expected(80), now);
        assert_eq!(sources.take(source(1), now), Some(expected(80)));
    }

    #[test]
    fn waiting_ones_are_bounded_and_old_ones_make_room() {
        let sources = Sources::new(2, LIFE);
        let now = Instant::now();
        assert!(sources.announce(source(1), expected(1), now));
        assert!(sources.announce(source(2), expected(2), now));
        assert!(!sources.announce(source(3), expected(3), now));
        assert!(sources.announce(source(3), expected(3), now + LIFE));
        assert_eq!(sources.take(source(3), now + LIFE), Some(expected(3)));
    }
}
