//! All that one answer must not say: the credential that opened its action, and whatever its session captured, also what it captures while
//! the answer is on its way.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::{Patterns, Scrubber};
use crate::{Captures, Opened};

/// What is looked for in the answers to one action.
#[derive(Clone, Debug)]
pub struct Sought {
    own: Option<Arc<Patterns>>,
    captures: Arc<Captures>,
}

/// Removes all of it from one stream of bytes, and what comes to it from then on.
#[derive(Debug)]
pub struct Sweep {
    captures: Arc<Captures>,
    changes: u64,
    /// Each takes what the one before it let pass.
    scrubbers: Vec<Scrubber>,
}

impl Sought {
    /// The credential `opened`, where there is one, and `captures`.
    pub fn new(opened: Option<&Opened>, captures: Arc<Captures>) -> Self {
        Self { own: opened.map(|opened| Arc::clone(opened.patterns())), captures }
    }

    fn all(&self) -> impl Iterator<Item = Arc<Patterns>> {
        self.own.clone().into_iter().chain(self.captures.patterns())
    }

    /// Scrubs a head or trailers, see [`Patterns::scrub_headers`]. How often something was found.
    pub fn scrub_headers(&self, headers: &mut HeaderMap) -> u64 {
        self.all().map(|patterns| patterns.scrub_headers(headers)).sum()
    }

    /// Scrubs bytes that are complete in themselves. How often something was found.
    pub fn scrub_bytes(&self, bytes: &mut [u8]) -> u64 {
        self.all().map(|patterns| patterns.scrub_bytes(bytes)).sum()
    }

    /// For a stream that begins.
    pub fn sweep(&self) -> Sweep {
        // Read first: what comes in between is looked for twice, and not never.
        let changes = self.captures.changes();
        Sweep {
            captures: Arc::clone(&self.captures),
            changes,
            scrubbers: self.all().map(Scrubber::new).collect(),
        }
    }
}

impl Sweep {
    /// Takes the next bytes of the stream and returns those that can go on, see [`Scrubber::feed`].
    pub fn feed(&mut self, chunk: Bytes) -> Bytes {
        let changes = self.captures.changes();
        if changes != self.changes {
            self.changes = changes;
            self.scrubbers.extend(self.captures.patterns().map(Scrubber::new));
        }
        self.scrubbers.iter_mut().fold(chunk, |chunk, scrubber| scrubber.feed(chunk))
    }

    /// Returns what was held back, once the stream has ended.
    pub fn finish(&mut self) -> Bytes {
        let last = |held: Bytes, scrubber: &mut Scrubber| {
            let passed = scrubber.feed(held);
            let rest = scrubber.finish();
            match (passed.is_empty(), rest.is_empty()) {
                (true, _) => rest,
                (_, true) => passed,
                (false, false) => [passed, rest].concat().into(),
            }
        };
        self.scrubbers.iter_mut().fold(Bytes::new(), last)
    }

    /// How often something was found so far.
    pub fn hits(&self) -> u64 {
        self.scrubbers.iter().map(Scrubber::hits).sum()
    }
}
