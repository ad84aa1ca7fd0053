//! Tokens of the vault, renewed: what is asked of their issuer, what becomes of its answer, and what is known of tokens that did not work.
//!
//! What an issuer gave cannot be asked for again. It must be in the vault before it is used, and must not be lost while it cannot be.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use bailiwick_catalogue::CredentialSpec;
use bailiwick_core::Name;

use crate::{Broker, BrokerError, Opened, Refresh, RefreshError, Secret, oauth::Tokens};

/// What is known beside the vault, by secret.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    doubts: Mutex<HashMap<Name, Doubt>>,
    unkept: Mutex<HashMap<Name, Unkept>>,
}

/// What is known of one version of a set of tokens.
#[derive(Clone, Debug)]
enum Doubt {
    /// An upstream did not take its access token.
    Distrusted(u64),
    /// Its issuer said no.
    Refused(u64, String),
}

/// Tokens that are not in the vault yet.
#[derive(Debug)]
struct Unkept {
    /// The version they come after. Where there is another by now, that counts.
    replaces: u64,
    tokens: Secret,
}

impl Renewals {
    fn doubt(&self, name: &Name) -> Option<Doubt> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn note(&self, name: &Name, doubt: Doubt) {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), doubt);
    }

    fn note_unkept(&self, name: &Name, unkept: Unkept) {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), unkept);
    }
}

impl Broker {
    /// What is asked of the issuer now so that the tokens of `spec` work; `None` if they are no tokens, or work as they are.
    ///
    /// # Errors
    /// If they are not what they should be, or their issuer has said no to them already.
    pub fn refresh(&self, spec: &CredentialSpec, now: i64) -> Result<Option<Refresh>, BrokerError> {
        if spec.oauth.is_none() {
            return Ok(None);
        }
        let kept = self.keep_what_was_not(&spec.secret);
        let (secret, version) = self.vault().reveal(&spec.secret)?;
        let tokens = Tokens::read(&spec.secret, &secret)?;
        let next = match self.renewals.doubt(&spec.secret) {
            Some(Doubt::Refused(refused, code)) if refused == version => {
                return Err(RefreshError::Refused { name: spec.secret.clone(), code }.into());
            }
            Some(Doubt::Distrusted(doubted)) => tokens.next(spec, version, now, doubted == version),
            Some(Doubt::Refused(..)) | None => tokens.next(spec, version, now, false),
        };
        match kept {
            Ok(()) => Ok(next),
            // Asking again would be asking with a token that has been used. What the vault has may work for a while.
            Err(error) if next.is_some_and(|next| next.is_urgent()) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// Puts tokens into the vault that it could not take when they came. Blocks on the store where there are some.
    fn keep_what_was_not(&self, name: &Name) -> Result<(), RefreshError> {
        let mut unkept = self.renewals.unkept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Unkept { replaces, tokens }) = unkept.get(name) else { return Ok(()) };
        if self.vault().version(name) == Some(*replaces) {
            let put = self.vault().put(name, tokens);
            put.map_err(|error| RefreshError::Vault { name: name.clone(), error })?;
            self.forget_outdated();
        }
        unkept.remove(name);
        Ok(())
    }

    /// Keeps what the issuer answered to `refresh`. Once this returns, the new tokens are in the vault, and used. Blocks on the store.
    ///
    /// # Errors
    /// If the answer is a no or no answer, or cannot be kept. The tokens there are stay; new ones that could not be kept are in memory, and
    /// kept before the issuer is asked again.
    pub fn refreshed(
        &self,
        refresh: &Refresh,
        status: u16,
        body: &[u8],
        now: i64,
    ) -> Result<(), RefreshError> {
        let name = refresh.name();
        let kept = |error| RefreshError::Vault { name: name.clone(), error };
        let (secret, version) = self.vault().reveal(name).map_err(kept)?;
        if version != refresh.version() {
            // Somebody set other ones meanwhile, and those count.
            return Ok(());
        }
        match Tokens::read(name, &secret)?.after(refresh, status, body, now) {
            Ok(tokens) => {
                self.renewals.note_unkept(name, Unkept { replaces: version, tokens });
                self.keep_what_was_not(name)
            }
            Err(error) => {
                if let RefreshError::Refused { code, .. } = &error {
                    self.renewals.note(name, Doubt::Refused(version, code.clone()));
                }
                Err(error)
            }
        }
    }

    /// Keeps what the issuer answered to a login, in the place of any tokens before. Once this returns, they are in the vault, and used.
    /// Blocks on the store.
    ///
    /// # Errors
    /// If these are no tokens that can be refreshed, or they cannot be kept.
    pub fn log_in(&self, spec: &CredentialSpec, body: &[u8], now: i64) -> Result<(), RefreshError> {
        let name = &spec.secret;
        let tokens = Tokens::first(name, body, now)?;
        self.put(name, &tokens).map_err(|error| match error {
            BrokerError::Vault(error) => RefreshError::Vault { name: name.clone(), error },
            BrokerError::Tokens(error) => error,
        })?;
        Ok(())
    }

    /// Notes that an upstream did not take `opened`, so that its tokens are refreshed before they are used again.
    pub fn distrust(&self, spec: &CredentialSpec, opened: &Opened) {
        if spec.oauth.is_some() {
            self.renewals.note(&spec.secret, Doubt::Distrusted(opened.version()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use bailiwick_catalogue::{OAuth, Pattern, TokenRequest};

    use super::*;
    use crate::{Change, KeyFile, Place, Sealed, SealedStore, StoreFault, Unlock, Vault};

    const NOW: i64 = 1_000_000;

    /// A store whose disk may be full.
    #[derive(Default)]
    struct Disk {
        full: AtomicBool,
        rows: Mutex<BTreeMap<Place, Sealed>>,
    }

    impl SealedStore for Disk {
        fn list(&self) -> Result<Vec<Sealed>, StoreFault> {
            Ok(self.rows.lock().unwrap().values().cloned().collect())
        }
        fn write(&self, changes: &[Change]) -> Result<(), StoreFault> {
            if self.full.load(Ordering::Relaxed) {
                return Err("the disk is full".into());
            }
            let mut rows = self.rows.lock().unwrap();
            for change in changes {
                match change {
                    Change::Put(row) => rows.insert(row.place.clone(), row.clone()),
                    Change::Delete(place) => rows.remove(place),
                };
            }
            Ok(())
        }
    }

    struct Bench {
        disk: Arc<Disk>,
        broker: Broker,
        spec: CredentialSpec,
        _home: tempfile::TempDir,
    }

    impl Bench {
        /// Tokens that expire at `expires_at`.
        fn new(expires_at: i64) -> Self {
            let home = tempfile::tempdir().unwrap();
            let disk = Arc::new(Disk::default());
            let unlock = Unlock::KeyFile(KeyFile::at(home.path().join("vault.key")));
            let broker = Broker::new(Arc::new(Vault::open(unlock, Arc::clone(&disk) as _).unwrap()));
            let oauth = OAuth {
                token_url: "https://issuer.example/token".to_owned(),
                client_id: "x".to_owned(),
                request: TokenRequest::Json,
            };
            let secret: Name = "login".parse().unwrap();
            let spec = CredentialSpec { pattern: Pattern::Bearer, secret, oauth: Some(oauth) };
            let tokens = format!(
                r#"{{"access_token": "MARKER-old", "refresh_token": "MARKER-first", "expires_at": {expires_at}}}"#
            );
            broker.put(&spec.secret, &Secret::new(tokens.into_bytes()).unwrap()).unwrap();
            Self { disk, broker, spec, _home: home }
        }

        fn disk_is_full(&self, full: bool) {
            self.disk.full.store(full, Ordering::Relaxed);
        }

        fn answered(&self, refresh: &Refresh) -> Result<(), RefreshError> {
            let answer =
                br#"{"access_token": "MARKER-new", "refresh_token": "MARKER-second", "expires_in": 3600}"#;
            self.broker.refreshed(refresh, 200, answer, NOW)
        }

        fn access(&self) -> String {
            let (secret, _) = self.broker.vault().reveal(&self.spec.secret).unwrap();
            let tokens: serde_json::Value = serde_json::from_slice(secret.expose()).unwrap();
            tokens["access_token"].as_str().unwrap().to_owned()
        }
    }

    #[test]
    fn what_could_not_be_kept_is_kept_before_anybody_is_asked_again() {
        let bench = Bench::new(NOW);
        let refresh = bench.broker.refresh(&bench.spec, NOW).unwrap().unwrap();
        bench.disk_is_full(true);
        assert!(matches!(bench.answered(&refresh), Err(RefreshError::Vault { .. })));
        assert_eq!(bench.access(), "MARKER-old", "it is used before it is kept");
        let again = bench.broker.refresh(&bench.spec, NOW);
        assert!(matches!(again, Err(BrokerError::Tokens(RefreshError::Vault { .. }))), "{again:?}");
        bench.disk_is_full(false);
        assert!(bench.broker.refresh(&bench.spec, NOW).unwrap().is_none(), "the used token is shown again");
        assert_eq!(bench.access(), "MARKER-new");
    }

    #[test]
    fn what_still_works_is_used_while_the_new_cannot_be_kept() {
        let bench = Bench::new(NOW + 200);
        let refresh = bench.broker.refresh(&bench.spec, NOW).unwrap().unwrap();
        bench.disk_is_full(true);
        bench.answered(&refresh).unwrap_err();
        assert!(bench.broker.refresh(&bench.spec, NOW).unwrap().is_none());
        assert_eq!(bench.access(), "MARKER-old");
    }

    #[test]
    fn what_a_person_set_meanwhile_counts() {
        let bench = Bench::new(NOW);
        let refresh = bench.broker.refresh(&bench.spec, NOW).unwrap().unwrap();
        bench.disk_is_full(true);
        bench.answered(&refresh).unwrap_err();
        bench.disk_is_full(false);
        let own = br#"{"access_token": "MARKER-own", "refresh_token": "MARKER-o", "expires_at": 0}"#.to_vec();
        bench.broker.put(&bench.spec.secret, &Secret::new(own).unwrap()).unwrap();
        assert!(bench.broker.refresh(&bench.spec, NOW).unwrap().is_none());
        assert_eq!(bench.access(), "MARKER-own");
    }
}
