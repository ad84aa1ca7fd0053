//! Many equal events in a short time are one record: the first is always written, and the next one says how many were not.
//!
//! It must never lose count and never grow without bound: what an agent repeats, it can also vary. Beyond its capacity all further keys
//! share one place.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Different keys within one window that are told apart.
const CAPACITY: usize = 4096;

/// Which events of the kind `K` have been recorded lately.
#[derive(Debug)]
pub(crate) struct Folds<K> {
    window: Duration,
    seen: Mutex<HashMap<Option<K>, Seen>>,
}

#[derive(Debug)]
struct Seen {
    recorded: Instant,
    since: u64,
}

impl<K: Eq + Hash> Folds<K> {
    /// Nothing seen yet; repeats within `window` fold.
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, seen: Mutex::default() }
    }

    /// Notes an event. `Some(n)`: it is to be recorded, and stands for `n` others that were not; `None`: it is one of those.
    pub(crate) fn note(&self, key: K, now: Instant) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = Some(key);
        if seen.len() >= CAPACITY && !seen.contains_key(&key) {
            // What still has a count to report stays until it reported.
            seen.retain(|_, seen| seen.since > 0 || now.duration_since(seen.recorded) < self.window);
            if seen.len() >= CAPACITY {
                key = None;
            }
        }
        match seen.get_mut(&key) {
            Some(seen) if now.duration_since(seen.recorded) < self.window => {
                seen.since += 1;
                None
            }
            Some(seen) => {
                seen.recorded = now;
                Some(std::mem::take(&mut seen.since))
            }
            None => {
                seen.insert(key, Seen { recorded: now, since: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_first_is_recorded_and_the_next_says_how_many_were_not() {
        let folds = Folds::new(MINUTE);
        let start = Instant::now();
        assert_eq!(folds.note("a", start), Some(0));
        assert_eq!(folds.note("a", start), None);
        assert_eq!(folds.note("a", start + MINUTE / 2), None);
        assert_eq!(folds.note("b", start), Some(0));
        assert_eq!(folds.note("a", start + MINUTE), Some(2));
        assert_eq!(folds.note("a", start + MINUTE * 2), Some(0));
    }

    #[test]
    fn variation_does_not_grow_it_and_is_counted() {
        let folds = Folds::new(MINUTE);
        let start = Instant::now();
        let recorded = (0..CAPACITY * 2).filter(|key| folds.note(*key, start).is_some()).count();
        assert_eq!(recorded, CAPACITY + 1);
        assert_eq!(folds.note(CAPACITY * 3, start + MINUTE / 2), None);
        assert!(folds.seen.lock().unwrap().len() <= CAPACITY + 1);
    }
}
