//! How much of everything one session may have, so that one agent cannot starve another or the daemon.

use std::time::Duration;

/// Limits of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Names it may ask for, over its life.
    pub names: usize,
    /// Connections from it at the same time. More wait in the kernel's queue.
    pub connections: usize,
    /// Announced connections that have not arrived yet.
    pub announced: usize,
    /// How long an announced connection may take to arrive.
    pub announced_for: Duration,
    /// Name queries being answered at the same time. More are dropped; resolvers ask again.
    pub queries: usize,
    /// How long a TLS handshake or a request head may take; also how long a connection may stand idle between requests.
    pub head: Duration,
    /// How long a client may accept no bytes at all before its connection is cut.
    pub stall: Duration,
    /// Bytes of one request head.
    pub head_bytes: usize,
    /// Fields of one request head.
    pub head_fields: usize,
    /// KiB of bodies that were read for a decision and are not sent yet. More wait.
    pub body_kib: u32,
    /// Pushes that are kept aside at the same time, until they are sent or refused. More wait.
    pub pushes: usize,
    /// How long reaching an upstream may take: each address, and the TLS handshake.
    pub dial: Duration,
    /// How long an upstream connection is kept for the next request.
    pub keep: Duration,
    /// Repeats of one refused destination or resolved name within this time are one record.
    pub fold: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            names: 4096,
            connections: 1024,
            announced: 1024,
            announced_for: Duration::from_secs(30),
            queries: 64,
            head: Duration::from_secs(60),
            stall: Duration::from_secs(600),
            head_bytes: 64 << 10,
            head_fields: 100,
            // Four of the largest.
            body_kib: 128 << 10,
            pushes: 2,
            dial: Duration::from_secs(10),
            keep: Duration::from_secs(60),
            fold: Duration::from_secs(60),
        }
    }
}
