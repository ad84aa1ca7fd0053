//! From the description of a credential to one that is ready for use.
//!
//! Every source yields the same material: plain text, and the patterns to find it by. The vault is the first source; one that mints
//! or exchanges credentials comes beside those of `fresh_material` and changes nothing after it. This module must never use plain text
//! longer than its version is current, and must forget all of it when told to.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use bailiwick_catalogue::{CredentialSpec, Pattern};
use bailiwick_core::Name;
use http::request;

use crate::{
    Captures, Fingerprint, InjectError, Patterns, RefreshError, Scrubber, Secret, Vault, VaultError, inject,
    oauth::Tokens, renewal::Renewals,
};

/// Opens credentials.
#[derive(Debug)]
pub struct Broker {
    vault: Arc<Vault>,
    /// What is in use, so that a request needs no decryption and builds no search.
    material: RwLock<HashMap<(Name, bool), Arc<Material>>>,
    pub(crate) renewals: Renewals,
}

/// A credential cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The vault does not give it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// It is not what its resource takes it for.
    #[error(transparent)]
    Tokens(#[from] RefreshError),
}

/// What a source yields.
struct Material {
    secret: Secret,
    version: u64,
    fingerprint: Fingerprint,
    patterns: Arc<Patterns>,
}

impl Broker {
    /// A broker whose static secrets are in `vault`.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault, material: RwLock::default(), renewals: Renewals::default() }
    }

    /// The vault.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// For what the answers of one session hand out; none yet.
    pub fn captures(&self) -> Captures {
        Captures::new(Arc::clone(&self.vault))
    }

    /// Opens the credential that `spec` describes, in its current version. Reads memory only.
    pub fn open(&self, spec: &CredentialSpec) -> Result<Opened, BrokerError> {
        let material = self.material(&spec.secret, spec.oauth.is_some())?;
        Ok(Opened { pattern: spec.pattern.clone(), material })
    }

    /// Keeps `secret` under `name`, and returns its version. An earlier one is wiped once no request uses it. Blocks on the store.
    pub fn put(&self, name: &Name, secret: &Secret) -> Result<u64, BrokerError> {
        let version = self.vault.put(name, secret)?;
        self.forget_outdated();
        Ok(version)
    }

    /// Forgets the secret `name`. Blocks on the store.
    pub fn remove(&self, name: &Name) -> Result<(), BrokerError> {
        self.vault.remove(name)?;
        self.forget_outdated();
        Ok(())
    }

    /// The fingerprint of the current version of the secret `name`, for lists of what there is.
    pub fn fingerprint(&self, name: &Name) -> Result<Fingerprint, BrokerError> {
        Ok(self.material(name, false)?.fingerprint)
    }

    /// Wipes all plain text that no request is using.
    pub fn forget(&self) {
        self.material.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn forget_outdated(&self) {
        let mut kept = self.material.write().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(name, _), material| self.vault.version(name) == Some(material.version));
    }

    fn material(&self, name: &Name, tokens: bool) -> Result<Arc<Material>, BrokerError> {
        let current = self.vault.version(name);
        let key = (name.clone(), tokens);
        let known = self.material.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(material) = known.filter(|material| Some(material.version) == current) {
            return Ok(material);
        }
        let fresh = self.fresh_material(name, tokens);
        let mut kept = self.material.write().unwrap_or_else(PoisonError::into_inner);
        match &fresh {
            Ok(material) => kept.insert(key, Arc::clone(material)),
            Err(_) => kept.remove(&key),
        };
        fresh
    }

    fn fresh_material(&self, name: &Name, tokens: bool) -> Result<Arc<Material>, BrokerError> {
        let (kept, version) = self.vault.reveal(name)?;
        let (secret, patterns) = if tokens {
            let tokens = Tokens::read(name, &kept)?;
            let (access, refresh) =
                (tokens.access().map_err(VaultError::from)?, tokens.refresh().map_err(VaultError::from)?);
            let patterns = Patterns::new([&access, &refresh]);
            (access, patterns)
        } else {
            let patterns = Patterns::new([&kept]);
            (kept, patterns)
        };
        let fingerprint = self.vault.fingerprint(&secret);
        Ok(Arc::new(Material { secret, version, fingerprint, patterns: Arc::new(patterns) }))
    }
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material").field("version", &self.version).finish_non_exhaustive()
    }
}

/// A credential, ready for one request.
#[derive(Debug)]
pub struct Opened {
    pattern: Pattern,
    material: Arc<Material>,
}

impl Opened {
    /// The same credential, to be put where `pattern` says: a resource may want it elsewhere in some of its parts.
    #[must_use]
    pub fn placed(self, pattern: Pattern) -> Self {
        Self { pattern, ..self }
    }

    /// Puts the credential where it goes, in place of anything that is there, and asks for an answer that can be scrubbed:
    /// `accept-encoding: identity`, no compressed trailers, no WebSocket extensions.
    ///
    /// The request must have been decided as it stands; nothing else in it changes. On an error it must not be sent.
    pub fn inject(&self, request: &mut request::Parts) -> Result<(), InjectError> {
        inject::apply(&self.pattern, &self.material.secret, request)
    }

    /// What the ledger may know of it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.material.fingerprint
    }

    /// Which version of the secret it is.
    pub fn version(&self) -> u64 {
        self.material.version
    }

    /// A scrubber for one stream of what answers the request.
    pub fn scrubber(&self) -> Scrubber {
        Scrubber::new(Arc::clone(&self.material.patterns))
    }

    /// What a scrubber looks for: for heads, trailers and whole messages.
    pub fn patterns(&self) -> &Arc<Patterns> {
        &self.material.patterns
    }
}
