//! What reached a double, so that a test can say what was forwarded and, more often, what was not.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, Method, Version};
use serde::Serialize;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// As in the request line or `:method`.
    pub method: Method,
    /// Path and query, not normalised in any way.
    pub target: String,
    /// HTTP version of the connection to the double.
    pub version: Version,
    /// `Host`, or `:authority` on HTTP/2.
    pub authority: String,
    /// Every header field, in order of arrival.
    pub headers: HeaderMap,
    /// Length and digest of the body once all of it was read; `None` when it was not read to its end.
    pub body: Option<BodySeen>,
}

/// A body that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BodySeen {
    /// In bytes.
    pub length: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Seen {
    /// A header field as text; empty when it is absent.
    pub fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default()
    }

    /// The path without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Does any part that this record keeps (target or header values) contain the text?
    pub fn mentions(&self, text: &str) -> bool {
        let in_headers =
            self.headers.values().any(|value| String::from_utf8_lossy(value.as_bytes()).contains(text));
        self.target.contains(text) || in_headers
    }
}

/// The requests of one double, shared with its connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal {
    shared: Arc<(Mutex<Vec<Seen>>, Condvar)>,
}

impl Journal {
    /// Records a request head; the number is for [`Journal::finish`].
    pub(crate) fn open(&self, parts: &Parts) -> usize {
        let from_uri = parts.uri.authority().map(ToString::to_string);
        let from_host = parts
            .headers
            .get(http::header::HOST)
            .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        let mut seen = self.lock();
        seen.push(Seen {
            method: parts.method.clone(),
            target: parts.uri.path_and_query().map_or_else(|| parts.uri.to_string(), ToString::to_string),
            version: parts.version,
            authority: from_uri.or(from_host).unwrap_or_default(),
            headers: parts.headers.clone(),
            body: None,
        });
        self.shared.1.notify_all();
        seen.len() - 1
    }

    /// Records that the body of that request was read to its end.
    pub(crate) fn finish(&self, number: usize, body: BodySeen) {
        if let Some(seen) = self.lock().get_mut(number) {
            seen.body = Some(body);
        }
        self.shared.1.notify_all();
    }

    /// A copy of all that was seen so far.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    /// Waits until something seen satisfies `wanted`, at most that long.
    pub(crate) fn wait(&self, limit: Duration, wanted: impl Fn(&Seen) -> bool) -> Option<Seen> {
        let deadline = Instant::now() + limit;
        let mut seen = self.lock();
        loop {
            if let Some(found) = seen.iter().find(|request| wanted(request)) {
                return Some(found.clone());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            seen = self.shared.1.wait_timeout(seen, left).unwrap().0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.shared.0.lock().unwrap()
    }
}
