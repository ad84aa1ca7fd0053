//! Sessions: authority delegated to one instance of an agent for one task, until a time. They form a tree; the tree is the authority.

use serde::{Deserialize, Serialize};

use crate::{
    Action, Digest, Grant, GrantShortfall, Initiator, InstanceId, Labels, LockTarget, Name, SessionId, Task,
    Timestamp,
};

/// A node of the session tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// This session.
    pub id: SessionId,
    /// The session that delegated this one. A root has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// Who initiated the work. The same along a whole path.
    pub initiator: Initiator,
    /// Which agent acts.
    pub agent: Name,
    /// Which run of it.
    pub instance: InstanceId,
    /// What for.
    pub task: Task,
    /// What it may do, before everything above it has its say.
    pub grant: Grant,
    /// What it starts having seen.
    pub labels: Labels,
    /// Delegations between the root and this; a root has 0.
    pub depth: u16,
    /// When it began.
    pub opened_at: Timestamp,
    /// When it ends at the latest. The effective end is the earliest on the path to the root.
    pub expires_at: Timestamp,
    /// The digest of the evidence that its instance was started with, once measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Digest>,
    /// Whether it is there to find out what its agent needs: it only reads, without any credential, and also what is not listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// The directory it works in, as its launcher resolved it. What one session was exposed to may lie there for the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// Its agent exited.
    Exited,
    /// Its time was up.
    Expired,
    /// Nothing happened for too long.
    Idle,
    /// A lock stopped it.
    Locked,
    /// What it depended on went away: its launcher, the daemon, or the session that delegated it.
    Lost,
}

/// The path from a root session to the acting one, root first. Never empty, and each is the parent of the next.
#[derive(Clone, Debug)]
pub struct Chain<'a> {
    path: Vec<&'a Session>,
    seen: Labels,
    ends: Option<Timestamp>,
}

/// Sessions do not form a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// There is no session at all.
    #[error("an empty chain has no authority")]
    Empty,
    /// A session is not the child of the one before it.
    #[error("session `{child}` is not a child of the one before it")]
    Broken {
        /// The session that does not fit.
        child: SessionId,
    },
}

impl<'a> Chain<'a> {
    /// The path through `sessions`, root first.
    ///
    /// # Errors
    /// If it is empty, does not start at a root, or has a session that is not the child of the one before, with the same initiator.
    pub fn new(sessions: Vec<&'a Session>) -> Result<Self, ChainError> {
        let root = sessions.first().ok_or(ChainError::Empty)?;
        if root.parent.is_some() {
            return Err(ChainError::Broken { child: root.id });
        }
        for pair in sessions.windows(2) {
            if let [parent, child] = pair
                && (child.parent != Some(parent.id) || child.initiator != parent.initiator)
            {
                return Err(ChainError::Broken { child: child.id });
            }
        }
        Ok(Self { path: sessions, seen: Labels::CLEAN, ends: None })
    }

    /// The same path, whose sessions have been exposed to this as well since they began.
    #[must_use]
    pub fn having_seen(self, seen: &Labels) -> Self {
        Self { seen: self.seen.join(seen), ..self }
    }

    /// The same path, whose sessions have been given other ends since they began, of which this is the earliest.
    #[must_use]
    pub fn ending_at(self, ends: Timestamp) -> Self {
        Self { ends: Some(ends), ..self }
    }

    /// The acting session.
    pub fn acting(&self) -> &'a Session {
        // A chain is never empty; if it were, the root would be the acting session as well.
        self.path[self.path.len() - 1]
    }

    /// From the root to the acting session.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a Session> + '_ {
        self.path.iter().copied()
    }

    /// When authority ends: the earliest expiry on the path.
    pub fn expires_at(&self) -> Timestamp {
        let stated = || self.iter().map(|session| session.expires_at).min().unwrap_or_default();
        self.ends.unwrap_or_else(stated)
    }

    /// The labels to decide with: what they began with, and everything above has been seen.
    pub fn labels(&self) -> Labels {
        self.iter().fold(self.seen.clone(), |labels, session| labels.join(&session.labels))
    }

    /// Whether any session on the path is observed: the acting one then only reads, and without credentials.
    pub fn is_observed(&self) -> bool {
        self.iter().any(|session| session.observed)
    }

    /// Whether the acting session may read what is not listed: every session on the path is observed.
    pub fn reads_unlisted(&self) -> bool {
        self.iter().all(|session| session.observed)
    }

    /// Whether the task of *every* session on the path names this page, word for word.
    pub fn names_page(&self, page: &str) -> bool {
        self.iter().all(|session| session.task.pages.contains(page))
    }

    /// Whether the task of *every* session on the path names a page at this address, `https://host[:port]`.
    pub fn names_page_at(&self, address: &str) -> bool {
        let there = |page: &String| page.strip_prefix(address).is_some_and(|path| path.starts_with('/'));
        self.iter().all(|session| session.task.pages.iter().any(there))
    }

    /// The first of `locks` that stops any session on the path.
    pub fn stopped_by<'l>(&self, locks: impl IntoIterator<Item = &'l LockTarget>) -> Option<&'l LockTarget> {
        locks.into_iter().find(|lock| self.iter().any(|session| lock.stops(session)))
    }

    /// Whether *every* grant on the path covers `action`.
    ///
    /// # Errors
    /// The session nearest the root whose grant does not, and what it lacks.
    pub fn covers(&self, action: &Action) -> Result<(), (SessionId, GrantShortfall)> {
        self.links().try_for_each(|(session, below)| {
            session.grant.covers(action, below).map_err(|shortfall| (session.id, shortfall))
        })
    }

    /// What may be done in all: what every grant on the path allows, as one grant. For people; deciding is [`Chain::covers`].
    pub fn effective(&self) -> Grant {
        let mut links = self.links();
        let root = links.next().map(|(root, below)| root.grant.usable(below)).unwrap_or_default();
        links.fold(root, |above, (session, below)| above.meet(&session.grant.usable(below)))
    }

    /// Each session with those below it.
    fn links(&self) -> impl Iterator<Item = (&'a Session, &[&'a Session])> {
        self.path.iter().enumerate().map(|(at, session)| (*session, &self.path[at + 1..]))
    }
}

#[cfg(test)]
mod tests;
