//! Where branches are, as the forges told this session. What a push would change is told by comparing with these.
//!
//! Only an answer that came from the forge itself counts; what a branch was at earlier in the session still does, since it stood there.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use bailiwick_git::{Heads, Id};

/// The most repositories that are remembered.
const REPOSITORIES: usize = 64;
/// The most commits of one that are remembered.
const TIPS: usize = 8192;

/// What forges told.
#[derive(Debug, Default)]
pub(crate) struct Forges {
    told: Mutex<HashMap<String, Vec<Id>>>,
}

impl Forges {
    /// Remembers the branches of `repository`, the latest first. Beyond the limit of repositories nothing is: their pushes are not compared.
    pub(crate) fn note(&self, repository: &str, heads: Heads) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REPOSITORIES && !told.contains_key(repository) {
            return;
        }
        let before = told.entry(repository.to_owned()).or_default();
        let mut seen = HashSet::new();
        let all: Vec<Id> = heads
            .tips
            .into_iter()
            .chain(before.drain(..))
            .filter(|tip| seen.insert(tip.clone()))
            .take(TIPS)
            .collect();
        *before = all;
    }

    /// Where its branches are, or were; `None` if nobody told. Without any it is empty.
    pub(crate) fn tips(&self, repository: &str) -> Option<Vec<Id>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).get(repository).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: &str) -> Id {
        Id::parse(&digit.repeat(40)).unwrap()
    }

    #[test]
    fn the_latest_comes_first_and_what_was_is_kept() {
        let forges = Forges::default();
        assert_eq!(forges.tips("a"), None);
        forges.note("a", Heads { tips: vec![id("1"), id("2")] });
        forges.note("a", Heads { tips: vec![id("3"), id("2")] });
        assert_eq!(forges.tips("a"), Some(vec![id("3"), id("2"), id("1")]));
        assert_eq!(forges.tips("b"), None);
    }
}
