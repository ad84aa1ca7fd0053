//! What answers hand out that is a credential itself, kept for one session: the real value stays here, and a dummy of its form goes
//! inside in its place.
//!
//! A dummy opens nothing. Where it comes back in a place for credentials, on the resource whose answer it stood in, the request is opened
//! with the real value; and no answer of the session may say the real value again. This module must never give a value away but into the
//! one request that it opens, never write it anywhere, and must forget all of it with its session.

mod cookies;
mod fields;
mod likeness;
mod presented;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bailiwick_core::Name;

pub use self::fields::stand_in;
pub use self::presented::{PresentError, Presented};
use self::{cookies::Reach, likeness::dummy_like};
use crate::{Fingerprint, Patterns, Secret, SecretError, Vault};

/// The most values that are kept for one session: each is looked for in every answer.
const MOST: usize = 64;

/// What was captured in one session.
pub struct Captures {
    /// For fingerprints.
    vault: Arc<Vault>,
    kept: RwLock<Kept>,
    /// How often something came to it, so that answers under way notice.
    changes: AtomicU64,
}

#[derive(Default)]
struct Kept {
    all: Vec<Arc<Capture>>,
    /// What finds all of them.
    patterns: Option<Arc<Patterns>>,
}

/// One value.
struct Capture {
    resource: Name,
    /// Whether it came over TLS, and so never goes without.
    secure: bool,
    kind: Kind,
    /// What the record calls it.
    source: String,
    dummy: String,
    secret: Secret,
    /// Another way in which the service may write it.
    also: Option<Secret>,
    fingerprint: Fingerprint,
    /// When it will be of no use any more, where the answer said so.
    over: Option<Instant>,
}

/// A value that an answer hands out.
struct Taken {
    kind: Kind,
    secret: Secret,
    /// Another way in which the service may write it.
    also: Option<Secret>,
    /// When it will be of no use any more, where the answer said so.
    over: Option<Instant>,
}

/// What a value was in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A cookie.
    Cookie {
        name: Vec<u8>,
        /// Whether it was written in quotes.
        quoted: bool,
        reach: Reach,
    },
    /// A field of its body.
    Field,
}

/// Where a request goes, or an answer comes from.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The resource.
    pub resource: &'a Name,
    /// The host, canonical.
    pub host: &'a str,
    /// Whether over TLS.
    pub secure: bool,
}

/// What was captured of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The dummies that stand in it now.
    pub dummies: Vec<String>,
}

/// An answer hands out something that cannot be captured, and must not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// It is not what its route says.
    #[error("the answer is not JSON with one reading, so that the credential in it cannot be captured")]
    NotJson,
    /// It lacks what its route names.
    #[error(
        "the answer has no `{field}`, which its route says is a credential: it may stand elsewhere in it"
    )]
    NoField {
        /// The field.
        field: String,
    },
    /// What stands there is no text.
    #[error("the answer has something else than a text as `{field}`, which its route says is a credential")]
    NotText {
        /// The field.
        field: String,
    },
    /// What stands there cannot be kept apart from ordinary text.
    #[error("what the answer hands out as `{what}` cannot be kept: {error}")]
    NotSecret {
        /// The field or the cookie.
        what: String,
        /// Why.
        #[source]
        error: SecretError,
    },
    /// There are too many already.
    #[error("a session keeps at most {MOST} credentials that answers handed out, and has them")]
    TooMany,
    /// The system gives no random bytes.
    #[error("no dummy can be made: the system gives no random bytes")]
    NoRandomness,
}

impl Captures {
    /// None yet; fingerprints are those of `vault`.
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        Self { vault, kept: RwLock::default(), changes: AtomicU64::new(0) }
    }

    /// Whether an answer of `resource` may say something that was captured there.
    pub fn has(&self, resource: &Name) -> bool {
        self.kept
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .all
            .iter()
            .any(|one| one.resource == *resource)
    }

    /// Wipes all of them: the session is over.
    pub fn forget(&self) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Kept::default();
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// What finds all of them; `None` where there are none.
    pub(crate) fn patterns(&self) -> Option<Arc<Patterns>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).patterns.clone()
    }

    /// Grows whenever there is something new to be found.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Those of `resource`.
    fn of(&self, resource: &Name) -> Vec<Arc<Capture>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.all.iter().filter(|one| one.resource == *resource).cloned().collect()
    }

    /// Keeps `found`, all or none, and returns their dummies. What is kept already keeps its dummy.
    fn keep(&self, found: Vec<Taken>, from: Site<'_>, source: &str) -> Result<Vec<String>, CaptureError> {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let (mut all, mut dummies) = (kept.all.clone(), Vec::new());
        let (now, mut new) = (Instant::now(), false);
        for Taken { kind, secret, also, over } in found {
            let same = |one: &&Arc<Capture>| {
                one.resource == *from.resource && one.kind == kind && one.secret == secret
            };
            if let Some(known) = all.iter().find(same) {
                dummies.push(known.dummy.clone());
                continue;
            }
            if all.len() >= MOST {
                // What is of no use any more makes room: the one that has been so for longest.
                let gone = all.iter().enumerate().filter(|(_, one)| one.over.is_some_and(|over| over <= now));
                let oldest = gone.min_by_key(|(_, one)| one.over).map(|(at, _)| at);
                all.remove(oldest.ok_or(CaptureError::TooMany)?);
            }
            let dummy = dummy_like(&secret).ok_or(CaptureError::NoRandomness)?;
            dummies.push(dummy.clone());
            let fingerprint = self.vault.fingerprint(&secret);
            let (resource, source) = (from.resource.clone(), source.to_owned());
            all.push(Arc::new(Capture {
                resource,
                secure: from.secure,
                kind,
                source,
                dummy,
                secret,
                also,
                fingerprint,
                over,
            }));
            new = true;
        }
        if new {
            let secrets = all.iter().flat_map(|one| std::iter::once(&one.secret).chain(&one.also));
            kept.patterns = Some(Arc::new(Patterns::new(secrets)));
            kept.all = all;
            self.changes.fetch_add(1, Ordering::Release);
        }
        Ok(dummies)
    }
}

impl std::fmt::Debug for Captures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Captures").field("changes", &self.changes()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture")
            .field("resource", &self.resource)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
