//! Heads and trailers. A header value keeps its length; a header whose *name* carries a secret is dropped, names being
//! case-insensitive and so compared without regard to case.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Patterns, overwrite};

impl Patterns {
    /// Overwrites every occurrence in the values of `headers`, drops headers whose name holds one, and returns how many there were.
    pub fn scrub_headers(&self, headers: &mut HeaderMap) -> u64 {
        let mut hits = 0;
        for value in headers.values_mut() {
            let found = self.find_in(value.as_bytes());
            if found.is_empty() {
                continue;
            }
            hits += found.len() as u64;
            let scrubbed = overwrite(bytes::Bytes::copy_from_slice(value.as_bytes()), &found);
            // Asterisks are always a valid value; should it not be taken, nothing of the old one may stay.
            *value = HeaderValue::from_maybe_shared(scrubbed).unwrap_or(HeaderValue::from_static("*"));
        }
        let named: Vec<HeaderName> =
            headers.keys().filter(|name| self.is_in_name(name.as_str())).cloned().collect();
        hits += named.len() as u64;
        for name in named {
            headers.remove(name);
        }
        hits
    }

    /// Overwrites every occurrence in `bytes`, complete in itself (a reason phrase, a message), and returns how many there were.
    pub fn scrub_bytes(&self, bytes: &mut [u8]) -> u64 {
        let found = self.find_in(bytes);
        for range in &found {
            bytes[range.clone()].fill(b'*');
        }
        found.len() as u64
    }

    fn is_in_name(&self, name: &str) -> bool {
        self.forms().iter().any(|form| form.is_in_ignoring_case(name.as_bytes()))
    }
}
