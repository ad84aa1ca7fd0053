//! Takes injected secrets out of what comes back, while it streams.
//!
//! An upstream that echoes a request (an error page, a debug route, a redirect) would hand the agent what the gateway just
//! injected. Every occurrence, in every encoding listed in [`Scrubber`], is overwritten with as many `*`, so that no
//! `content-length`, chunk or frame changes its size. This module must never hold back more than the true beginning of an
//! occurrence or an unfinished escape (a server-sent event must not wait for the next one), never hold back without bound, and
//! never give up on an error.

mod body;
mod candidate;
mod form;
mod head;
mod patterns;
mod reading;
mod sought;
#[cfg(test)]
mod tests;

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use zeroize::Zeroizing;

use self::candidate::{Candidate, Verdict};
pub use self::{
    body::ScrubbedBody,
    patterns::Patterns,
    sought::{Sought, Sweep},
};

/// Removes secrets from one stream of bytes.
///
/// Found, in any mixture and split anywhere between chunks: the bytes themselves; hexadecimal in either case, also with
/// separators; base64 in both alphabets, with and without padding, at every alignment (so also inside `user:secret`), also broken
/// into lines; and each of these percent-encoded in part or whole, escaped as in JSON or program text, written with HTML character
/// references, read as Latin-1 and written as UTF-8, interleaved with zeros as in UTF-16; escapes also when escaped again.
///
/// Not found: compressed or encrypted bytes (a request with an injected secret asks for `identity`), another case, reversed, and a
/// part of a secret on its own, except one cut off by the end of the stream in its second half.
pub struct Scrubber {
    patterns: Arc<Patterns>,
    /// The beginning of a possible occurrence, as it came.
    held: Zeroizing<Vec<u8>>,
    /// The occurrence that may begin with the first byte held.
    candidate: Candidate,
    /// How many of the bytes held belong to an occurrence that began before them.
    masked: usize,
    hits: u64,
}

impl Scrubber {
    /// A scrubber at the start of a stream.
    pub fn new(patterns: Arc<Patterns>) -> Self {
        Self { patterns, held: Zeroizing::default(), candidate: Candidate::default(), masked: 0, hits: 0 }
    }

    /// Takes the next bytes of the stream and returns those that can go on, possibly none. Where nothing is found and nothing was
    /// held, they are the same memory.
    pub fn feed(&mut self, chunk: Bytes) -> Bytes {
        if chunk.is_empty() {
            return chunk;
        }
        let resuming = !self.held.is_empty();
        let input = if resuming {
            let mut joined = BytesMut::with_capacity(self.held.len() + chunk.len());
            joined.extend_from_slice(&self.held);
            joined.extend_from_slice(&chunk);
            joined.freeze()
        } else {
            chunk
        };
        let mut found = Found::new(self.masked);
        let hold_from = self.scan(&input, resuming, &mut found);
        self.held.clear();
        self.held.extend_from_slice(&input[hold_from..]);
        self.masked = found.masked_until().saturating_sub(hold_from);
        self.hits += found.hits;
        overwrite(input.slice(..hold_from), &found.ranges)
    }

    /// Returns what was held back, once the stream has ended.
    pub fn finish(&mut self) -> Bytes {
        let input = Bytes::from(std::mem::take(&mut *self.held));
        let mut found = Found::new(self.masked);
        if !input.is_empty() {
            let forms = self.patterns.forms();
            if let Verdict::Found(length) = self.candidate.end(forms, input.len()) {
                found.push(0..length);
            }
            for range in self.patterns.find_in(&input[1..]) {
                found.push(range.start + 1..range.end + 1);
            }
        }
        self.masked = 0;
        self.hits += found.hits;
        overwrite(input, &found.ranges)
    }

    /// How many occurrences were overwritten so far.
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    /// Scrubs a head or the trailers that belong to this stream; see [`Patterns::scrub_headers`].
    pub fn scrub_headers(&mut self, headers: &mut http::HeaderMap) {
        self.hits += self.patterns.scrub_headers(headers);
    }

    /// How many bytes are held back.
    fn held(&self) -> usize {
        self.held.len()
    }

    /// Collects the occurrences in `input` and returns from where on it must be held back.
    fn scan(&mut self, input: &[u8], resuming: bool, found: &mut Found) -> usize {
        let patterns = Arc::clone(&self.patterns);
        let forms = patterns.forms();
        let mut from = 0;
        if resuming {
            match self.candidate.resume(forms, input) {
                Verdict::Unknown => return 0,
                Verdict::Found(length) => found.push(0..length),
                Verdict::Nothing => {}
            }
            from = 1;
        }
        while let Some(start) = patterns.next_start(input, from) {
            match self.candidate.begin(forms, &input[start..]) {
                Verdict::Unknown => return start,
                Verdict::Found(length) => found.push(start..start + length),
                Verdict::Nothing => {}
            }
            from = start + 1;
        }
        input.len()
    }
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrubber")
            .field("held", &self.held.len())
            .field("hits", &self.hits)
            .finish_non_exhaustive()
    }
}

/// Occurrences in one buffer, by where they begin.
struct Found {
    ranges: Vec<Range<usize>>,
    hits: u64,
}

impl Found {
    fn new(masked: usize) -> Self {
        let ranges = (masked > 0).then_some(0..masked).into_iter().collect();
        Self { ranges, hits: 0 }
    }

    fn push(&mut self, range: Range<usize>) {
        self.ranges.push(range);
        self.hits += 1;
    }

    fn masked_until(&self) -> usize {
        self.ranges.iter().map(|range| range.end).max().unwrap_or(0)
    }
}

/// `bytes` with each of `ranges`, as far as it lies inside, made of `*`.
fn overwrite(bytes: Bytes, ranges: &[Range<usize>]) -> Bytes {
    if ranges.is_empty() {
        return bytes;
    }
    let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
    for range in ranges {
        let end = range.end.min(bytes.len());
        if range.start < end {
            bytes[range.start..end].fill(b'*');
        }
    }
    bytes.freeze()
}
