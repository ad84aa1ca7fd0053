//! Where secrets rest: sealed rows in a store that may be read and copied by anyone, and a key that may not.
//!
//! An index, sealed like any secret, says which version of which secret is the current one, so that rows cannot be exchanged,
//! dropped or rolled back one by one without being noticed. Rolling back *everything* looks like an older vault:
//! [`Vault::generation`] is for the ledger, which remembers. This module must never write plain text anywhere, never hold a lock
//! that readers need while the store works, and never make a new key where an old one is missing.

mod keepsake;
mod key_file;
mod seal;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use bailiwick_core::Name;
use zeroize::Zeroizing;

use self::seal::{KEY_LENGTH, VaultKey, random_key};
pub use self::{
    key_file::{KeyFile, KeyFileError},
    seal::{KeyId, Place, Purpose, Sealed},
};
use crate::{Fingerprint, Secret, SecretError};

/// A store of sealed rows. It sees no plain text and needs not be trusted with more than keeping them.
pub trait SealedStore: Send + Sync {
    /// All rows.
    ///
    /// # Errors
    /// If they cannot all be read.
    fn list(&self) -> Result<Vec<Sealed>, StoreFault>;

    /// Makes all of `changes`, or none, durably, before it returns. Putting at an occupied place replaces.
    ///
    /// # Errors
    /// If that is not certain.
    fn write(&self, changes: &[Change]) -> Result<(), StoreFault>;
}

/// A change to the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This row is to be there.
    Put(Sealed),
    /// No row is to be at this place.
    Delete(Place),
}

/// What went wrong in the store, in its own words.
pub type StoreFault = Box<dyn std::error::Error + Send + Sync>;

/// How the vault is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unlock {
    /// With a key file. It is created with the vault.
    KeyFile(KeyFile),
}

/// The vault, unlocked.
pub struct Vault {
    store: Arc<dyn SealedStore>,
    unlock: Unlock,
    state: ArcSwap<State>,
    /// Held by who changes the vault, for as long as the store takes. Readers never wait for it. Inside: whether the last write
    /// failed, so that nobody knows which rows the store has.
    uncertain: Mutex<bool>,
}

/// What readers see: one consistent generation.
struct State {
    key: Arc<VaultKey>,
    index: Index,
    /// Every row of the store. Those that the index does not know are not used, and go with the next change.
    rows: HashMap<Place, Sealed>,
}

/// What the vault holds.
#[derive(Clone)]
struct Index {
    generation: u64,
    /// The key of [`Fingerprint`]s. It stays when the vault's key is rotated, so that the ledger stays comparable.
    fingerprint_key: Zeroizing<[u8; KEY_LENGTH]>,
    versions: BTreeMap<Name, u64>,
}

/// The vault cannot do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// There is no such secret.
    #[error("there is no secret `{name}`: add it with `bailiwick secret set {name}`")]
    Unknown {
        /// Which.
        name: Name,
    },
    /// A row is gone, or was replaced by an earlier one.
    #[error(
        "the vault's row for {place} is missing: the database was changed by something else; restore it from a backup, or set the \
         secret again with `bailiwick secret set {}`", place.name
    )]
    Missing {
        /// Where it should be.
        place: Place,
    },
    /// A row does not open in its place.
    #[error(
        "the vault's row for {place} does not open: it was damaged, or moved here from another place; restore the database from a \
         backup, or set the secret again with `bailiwick secret set {}`", place.name
    )]
    Damaged {
        /// Where it is.
        place: Place,
    },
    /// There are secrets, but not the list of them.
    #[error(
        "the vault has secrets but no index: the database was changed by something else; restore it from a backup"
    )]
    IndexMissing,
    /// Another key sealed it.
    #[error(
        "the key file {} holds key {found}, but the vault is sealed with key {needed}: put back the file that belongs to this \
         database", path.display()
    )]
    WrongKey {
        /// Which file.
        path: PathBuf,
        /// The key the rows are sealed with.
        needed: KeyId,
        /// The key in the file.
        found: KeyId,
    },
    /// The key is gone.
    #[error(
        "the vault is sealed with key {needed}, and its key file {} is gone: restore it from a backup; without it the secrets \
         cannot be read and have to be entered again in a new home", path.display()
    )]
    KeyMissing {
        /// Where it should be.
        path: PathBuf,
        /// The key the rows are sealed with.
        needed: KeyId,
    },
    /// The key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The store failed.
    #[error("the vault's store failed: {0}")]
    Store(#[source] StoreFault),
    /// What was opened is not a secret.
    #[error("the vault holds something that is not a secret: {0}")]
    NotASecret(#[from] SecretError),
    /// The cryptography provider failed: no random bytes, or no memory.
    #[error("the cryptography library failed")]
    Cryptography,
}

impl Vault {
    /// Unlocks the vault in `store`; creates it, and its key, where there is none. Blocks on the store.
    pub fn open(unlock: Unlock, store: Arc<dyn SealedStore>) -> Result<Self, VaultError> {
        let state = load(&unlock, store.as_ref())?;
        Ok(Self { store, unlock, state: ArcSwap::from_pointee(state), uncertain: Mutex::new(false) })
    }

    /// Keeps `secret` under `name`, in place of an earlier one, and returns its version. Blocks on the store.
    pub fn put(&self, name: &Name, secret: &Secret) -> Result<u64, VaultError> {
        self.change(|state, index| {
            index.versions.insert(name.clone(), index.generation);
            let place =
                Place { purpose: Purpose::Credential, name: name.to_string(), version: index.generation };
            Ok(vec![state.key.seal(place, secret.expose())?])
        })
    }

    /// Forgets the secret `name`. Blocks on the store.
    pub fn remove(&self, name: &Name) -> Result<(), VaultError> {
        self.change(|_, index| match index.versions.remove(name) {
            Some(_) => Ok(Vec::new()),
            None => Err(VaultError::Unknown { name: name.clone() }),
        })?;
        Ok(())
    }

    /// The names of all secrets, with their versions.
    pub fn names(&self) -> BTreeMap<Name, u64> {
        self.state.load().index.versions.clone()
    }

    /// The current version of the secret `name`.
    pub fn version(&self, name: &Name) -> Option<u64> {
        self.state.load().index.versions.get(name).copied()
    }

    /// How often the vault was changed. It only grows; a smaller number than one seen before means that an old copy was put back.
    pub fn generation(&self) -> u64 {
        self.state.load().index.generation
    }

    /// Which key the vault is sealed with.
    pub fn key(&self) -> KeyId {
        self.state.load().key.id()
    }

    /// Seals the vault with a new key, and puts that in the place of the old one. Blocks on the store.
    pub fn rotate_key(&self) -> Result<KeyId, VaultError> {
        let mut uncertain = self.uncertain.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.certain_state(&mut uncertain)?;
        let Unlock::KeyFile(key_file) = &self.unlock;
        // Completes a rotation that was cut off, whose key is still the staged one.
        key_file.load_matching(state.key.id())?;
        let next = key_file.stage()?;
        let mut index = state.index.clone();
        index.generation += 1;
        let mut rows = HashMap::new();
        for place in state.index.places() {
            let row = state.rows.get(&place).ok_or_else(|| VaultError::Missing { place: place.clone() })?;
            rows.insert(place, state.key.rewrap(row, &next)?);
        }
        let sealed_index = next.seal(index.place(), &index.to_bytes())?;
        rows.insert(index.place(), sealed_index);
        self.write(&mut uncertain, &state, State { key: Arc::new(next), index, rows })?;
        key_file.promote()?;
        Ok(self.key())
    }

    /// The secret `name`, and its version. Reads memory only.
    pub(crate) fn reveal(&self, name: &Name) -> Result<(Secret, u64), VaultError> {
        let state = self.state.load();
        let version =
            *state.index.versions.get(name).ok_or_else(|| VaultError::Unknown { name: name.clone() })?;
        let place = Place { purpose: Purpose::Credential, name: name.to_string(), version };
        let row = state.rows.get(&place).ok_or(VaultError::Missing { place })?;
        let mut plain = state.key.open(row)?;
        Ok((Secret::new(std::mem::take(&mut *plain))?, version))
    }

    /// The fingerprint of `secret` in this vault.
    pub(crate) fn fingerprint(&self, secret: &Secret) -> Fingerprint {
        let state = self.state.load();
        let key = hmac::Key::new(hmac::HMAC_SHA256, state.index.fingerprint_key.as_slice());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hmac::sign(&key, secret.expose()).as_ref()[..16]);
        Fingerprint(bytes)
    }

    /// Makes the next generation: `alter` changes the index and returns the rows that come with it.
    fn change(
        &self,
        alter: impl FnOnce(&State, &mut Index) -> Result<Vec<Sealed>, VaultError>,
    ) -> Result<u64, VaultError> {
        let mut uncertain = self.uncertain.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.certain_state(&mut uncertain)?;
        let mut index = state.index.clone();
        index.generation += 1;
        let added = alter(&state, &mut index)?;
        let generation = index.generation;
        let sealed_index = state.key.seal(index.place(), &index.to_bytes())?;
        let kept = index.places().filter_map(|place| Some((place.clone(), state.rows.get(&place)?.clone())));
        let rows =
            kept.chain(added.into_iter().chain([sealed_index]).map(|row| (row.place.clone(), row))).collect();
        self.write(&mut uncertain, &state, State { key: Arc::clone(&state.key), index, rows })?;
        Ok(generation)
    }

    /// The state to build upon: what is in memory, unless a write failed; then what the store turns out to have.
    fn certain_state(&self, uncertain: &mut bool) -> Result<Arc<State>, VaultError> {
        if *uncertain {
            self.state.store(Arc::new(load(&self.unlock, self.store.as_ref())?));
            *uncertain = false;
        }
        Ok(self.state.load_full())
    }

    /// Makes the store's rows those of `next`, and only then shows them.
    fn write(&self, uncertain: &mut bool, now: &State, next: State) -> Result<(), VaultError> {
        let puts =
            next.rows.values().filter(|row| now.rows.get(&row.place) != Some(*row)).cloned().map(Change::Put);
        let gone =
            now.rows.keys().filter(|place| !next.rows.contains_key(place)).cloned().map(Change::Delete);
        let changes: Vec<Change> = puts.chain(gone).collect();
        *uncertain = true;
        self.store.write(&changes).map_err(VaultError::Store)?;
        *uncertain = false;
        self.state.store(Arc::new(next));
        Ok(())
    }
}

/// The vault as it is in `store`.
fn load(unlock: &Unlock, store: &dyn SealedStore) -> Result<State, VaultError> {
    let rows = store.list().map_err(VaultError::Store)?;
    let Unlock::KeyFile(key_file) = unlock;
    let newest =
        rows.iter().filter(|row| row.place.purpose == Purpose::Index).max_by_key(|row| row.place.version);
    let Some(sealed) = newest else {
        return if rows.is_empty() { found(key_file, store) } else { Err(VaultError::IndexMissing) };
    };
    let key = key_file.load_matching(sealed.key)?;
    let index = Index::from_bytes(sealed.place.version, &key.open(sealed)?)
        .ok_or_else(|| VaultError::Damaged { place: sealed.place.clone() })?;
    let rows = rows.into_iter().map(|row| (row.place.clone(), row)).collect();
    Ok(State { key: Arc::new(key), index, rows })
}

/// A new vault, with nothing in it.
fn found(key_file: &KeyFile, store: &dyn SealedStore) -> Result<State, VaultError> {
    // A key file without a vault is what a first start leaves that was cut off after making it.
    let key = match key_file.load()? {
        Some(key) => key,
        None => key_file.create()?,
    };
    let index = Index { generation: 1, fingerprint_key: random_key()?, versions: BTreeMap::new() };
    let sealed = key.seal(index.place(), &index.to_bytes())?;
    store.write(&[Change::Put(sealed.clone())]).map_err(VaultError::Store)?;
    Ok(State { key: Arc::new(key), index, rows: HashMap::from([(sealed.place.clone(), sealed)]) })
}

impl Index {
    fn place(&self) -> Place {
        Place { purpose: Purpose::Index, name: Purpose::Index.as_str().into(), version: self.generation }
    }

    /// The places of all secrets.
    fn places(&self) -> impl Iterator<Item = Place> {
        self.versions.iter().map(|(name, version)| Place {
            purpose: Purpose::Credential,
            name: name.to_string(),
            version: *version,
        })
    }

    /// The fingerprint key, then for each secret its version and its name, preceded by its length.
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let entries = self.versions.keys().map(|name| 9 + name.as_str().len()).sum::<usize>();
        // The whole capacity at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_LENGTH + entries));
        bytes.extend_from_slice(self.fingerprint_key.as_slice());
        for (name, version) in &self.versions {
            bytes.extend_from_slice(&version.to_be_bytes());
            bytes.push(name.as_str().len() as u8);
            bytes.extend_from_slice(name.as_str().as_bytes());
        }
        bytes
    }

    fn from_bytes(generation: u64, bytes: &[u8]) -> Option<Self> {
        let (key, mut rest) = bytes.split_at_checked(KEY_LENGTH)?;
        let mut fingerprint_key = Zeroizing::new([0; KEY_LENGTH]);
        fingerprint_key.copy_from_slice(key);
        let mut versions = BTreeMap::new();
        while !rest.is_empty() {
            let (version, after) = rest.split_first_chunk::<8>()?;
            let (length, after) = after.split_first()?;
            let (name, after) = after.split_at_checked(usize::from(*length))?;
            versions.insert(std::str::from_utf8(name).ok()?.parse().ok()?, u64::from_be_bytes(*version));
            rest = after;
        }
        Some(Self { generation, fingerprint_key, versions })
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("key", &self.key())
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
