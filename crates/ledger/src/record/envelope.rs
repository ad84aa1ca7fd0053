//! The part of a record that the ledger itself needs: written first, so that a verifier reads no further than it must.

use std::borrow::Cow;

use bailiwick_core::{Digest, RecordId, SessionId, Timestamp};
use serde::Deserialize;

use super::AttemptRef;

/// Bytes of a record at most. C2SP bundles could take 65 535.
pub const MAX_RECORD: usize = 60 * 1024;

/// The facts that order and join records, read from any kind of record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Envelope {
    /// The version of the form.
    pub v: u32,
    /// The record.
    pub id: RecordId,
    /// The leaf hash of the session's record before.
    #[serde(default)]
    pub prev: Option<Digest>,
    /// When.
    pub at: Timestamp,
    /// Its session.
    #[serde(default)]
    pub session: Option<SessionId>,
    /// What kind of record it is.
    pub kind: String,
}

/// What joins a record to those before it.
#[derive(Debug, Deserialize)]
pub(crate) struct Pairing<'a> {
    pub(crate) v: u32,
    #[serde(default)]
    pub(crate) prev: Option<Digest>,
    #[serde(default)]
    pub(crate) session: Option<SessionId>,
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(default)]
    pub(crate) attempt: Option<AttemptRef>,
    #[serde(default, borrow)]
    pub(crate) decision: Option<Word<'a>>,
}

/// A decision's word.
#[derive(Debug, Deserialize)]
pub(crate) struct Word<'a> {
    #[serde(borrow)]
    pub(crate) decision: Cow<'a, str>,
}

/// What the ledger writes before an author's fields; `body` is the JSON object of those.
pub(crate) fn prefix(id: RecordId, prev: Option<Digest>, body: &[u8]) -> Vec<u8> {
    let mut leaf = match prev {
        Some(prev) => format!("{{\"v\":1,\"id\":\"{id}\",\"prev\":\"{prev}\","),
        None => format!("{{\"v\":1,\"id\":\"{id}\","),
    }
    .into_bytes();
    leaf.extend_from_slice(body.strip_prefix(b"{").unwrap_or(body));
    leaf
}
