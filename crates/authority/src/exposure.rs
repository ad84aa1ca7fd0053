//! What workspaces have been exposed to. What one session read may lie in its workspace for the next: all sessions that work in the same
//! directory, in one above it or in one below it, share what any of them has been exposed to, for as long as a person does not say that it
//! is gone.
//!
//! It only rises. In memory it rises first, so that whoever decides sees it; whoever caused it waits until it is on stable storage.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use arc_swap::ArcSwap;
use bailiwick_core::Labels;
use bailiwick_store::{ExposureStore, StoreError};

use crate::{
    LiveSession,
    kept::{self, Unkept},
};

/// What all workspaces have been exposed to.
#[derive(Debug)]
pub(crate) struct Exposures {
    store: Arc<dyn ExposureStore>,
    places: Mutex<BTreeMap<String, Arc<Place>>>,
    /// One at a time writes.
    writing: tokio::sync::Mutex<()>,
}

/// A workspace, and what it has been exposed to.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its directory; `None` for a session without one, of which nothing is left once it has ended.
    workspace: Option<String>,
    seen: ArcSwap<Labels>,
    /// What of it is on stable storage.
    kept: ArcSwap<Labels>,
    /// The sessions that work here, or below one that does.
    sessions: Mutex<Vec<Weak<LiveSession>>>,
}

impl Exposures {
    /// As it was kept.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub(crate) fn load(store: Arc<dyn ExposureStore>) -> Result<Self, StoreError> {
        let places = store.exposures()?.into_iter().map(|(workspace, labels)| {
            let place = Place::new(Some(workspace.clone()), labels);
            (workspace, Arc::new(place))
        });
        let places = Mutex::new(places.collect());
        Ok(Self { store, places, writing: tokio::sync::Mutex::default() })
    }

    /// The place of a session that works in `workspace`.
    pub(crate) fn place(&self, workspace: Option<&str>) -> Arc<Place> {
        let Some(workspace) = workspace else { return Arc::new(Place::new(None, Labels::CLEAN)) };
        let mut places = self.lock();
        if let Some(place) = places.get(workspace) {
            return Arc::clone(place);
        }
        let around = places.values().filter(|place| place.overlaps(workspace));
        let seen = around.fold(Labels::CLEAN, |seen, place| seen.join(&place.seen.load()));
        let place = Arc::new(Place::new(Some(workspace.to_owned()), seen));
        places.insert(workspace.to_owned(), Arc::clone(&place));
        place
    }

    /// Raises what `place`, and every place around it, has been exposed to. The sessions for which it rose, none as a rule, are handed to
    /// `risen` before anybody finds that there is nothing left to raise. Returns whether anything rose.
    ///
    /// # Errors
    /// If it cannot be made durable. It has risen all the same.
    pub(crate) async fn raise(
        &self,
        place: &Arc<Place>,
        labels: &Labels,
        risen: impl FnOnce(Vec<Arc<LiveSession>>),
    ) -> Result<bool, Unkept> {
        if labels.at_most(&place.kept.load()) {
            return Ok(false);
        }
        let _alone = self.writing.lock().await;
        let mut rising = self.around(place);
        rising.retain(|place| !labels.at_most(&place.kept.load()));
        for place in &rising {
            place.seen.store(Arc::new(place.seen.load().join(labels)));
        }
        self.keep(&rising).await?;
        risen(rising.iter().flat_map(|place| place.sessions()).collect());
        for place in &rising {
            // Nothing else writes: what was seen when the rows were made is what is kept.
            place.kept.store(place.seen.load_full());
        }
        Ok(!rising.is_empty())
    }

    async fn keep(&self, places: &[Arc<Place>]) -> Result<(), Unkept> {
        let mut rows: BTreeMap<String, Labels> = BTreeMap::new();
        for (workspace, labels) in places.iter().filter_map(|place| place.row()) {
            let row = rows.entry(workspace).or_insert(Labels::CLEAN);
            *row = row.join(&labels);
        }
        let rows: Vec<_> = rows.into_iter().collect();
        kept::keep(&self.store, move |store| store.put_exposures(&rows)).await
    }

    /// `place`, and the directories that hold it or lie in it.
    fn around(&self, place: &Arc<Place>) -> Vec<Arc<Place>> {
        // Itself in any case: it may have been forgotten while a session was about to begin there.
        let mut around = vec![Arc::clone(place)];
        if let Some(workspace) = &place.workspace {
            let places = self.lock();
            let others = places.values().filter(|other| !Arc::ptr_eq(other, place));
            around.extend(others.filter(|other| other.overlaps(workspace)).cloned());
        }
        around
    }

    /// What each workspace has been exposed to, where that is anything.
    pub(crate) fn list(&self) -> Vec<(String, Labels)> {
        let places = self.lock();
        let rows = places.values().filter_map(|place| place.row());
        rows.filter(|(_, labels)| *labels != Labels::CLEAN).collect()
    }

    /// Whether a session works in this directory, above or below it.
    pub(crate) fn is_in_use(&self, workspace: &str) -> bool {
        let places = self.lock();
        places.values().any(|place| place.overlaps(workspace) && !place.sessions().is_empty())
    }

    /// Forgets what this directory and those below it have been exposed to. Returns what was forgotten.
    ///
    /// # Errors
    /// If that cannot be made durable: then nothing is forgotten.
    pub(crate) async fn forget(&self, workspace: &str) -> Result<Vec<(String, Labels)>, Unkept> {
        let _alone = self.writing.lock().await;
        let below = |path: &str| Path::new(path).starts_with(workspace);
        let forgotten: Vec<_> = self.list().into_iter().filter(|(path, _)| below(path)).collect();
        let paths: Vec<_> = forgotten.iter().map(|(path, _)| path.clone()).collect();
        kept::keep(&self.store, move |store| store.remove_exposures(&paths)).await?;
        self.lock().retain(|path, _| !below(path));
        Ok(forgotten)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn new(workspace: Option<String>, seen: Labels) -> Self {
        let kept = ArcSwap::from_pointee(seen.clone());
        Self { workspace, seen: ArcSwap::from_pointee(seen), kept, sessions: Mutex::default() }
    }

    /// What was seen here.
    pub(crate) fn seen(&self) -> Arc<Labels> {
        self.seen.load_full()
    }

    /// Notes that `session` decides with what is seen here.
    pub(crate) fn enter(&self, session: &Arc<LiveSession>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(Arc::downgrade(session));
    }

    fn sessions(&self) -> Vec<Arc<LiveSession>> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().filter_map(Weak::upgrade).filter(|session| session.ended().is_none()).collect()
    }

    fn row(&self) -> Option<(String, Labels)> {
        self.workspace.clone().map(|workspace| (workspace, Labels::clone(&self.seen.load())))
    }

    fn overlaps(&self, workspace: &str) -> bool {
        let (own, other) = (self.workspace.as_deref().map(Path::new), Path::new(workspace));
        own.is_some_and(|own| own.starts_with(other) || other.starts_with(own))
    }
}
