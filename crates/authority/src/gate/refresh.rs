//! Refreshing tokens before they are used: one question at a time for each secret, on record before it is asked, its answer in the vault
//! before it counts.
//!
//! The question is asked beside the action that needs it: whoever made that action may leave at any moment, and with it an answer would
//! be lost that cannot be asked for again.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use bailiwick_broker::{BrokerError, Opened, Refresh};
use bailiwick_catalogue::{CredentialSpec, Resource};
use bailiwick_core::{Name, Reason, ReasonCode};
use bailiwick_ledger::{CredentialRefresh, Event, RefreshPhase};

use super::Gate;

/// Status and body of an answer.
pub type TokenAnswer<'a> = Pin<Box<dyn Future<Output = Result<(u16, Vec<u8>), String>> + Send + 'a>>;

/// Asks issuers for tokens. A trait, because connections upstream are the data plane's.
pub trait TokenEndpoint: Send + Sync {
    /// Asks the issuer of the resource's credential. The connection is verified as for the resource itself.
    fn ask<'a>(&'a self, resource: &'a Resource, refresh: &'a Refresh) -> TokenAnswer<'a>;
}

/// Which secrets are being refreshed.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Name, Arc<tokio::sync::Mutex<()>>>>);

impl Flights {
    fn of(&self, name: &Name) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.clone()).or_default())
    }
}

impl Gate {
    /// Sees to it that the resource's tokens work, if it has some. Returns at once as a rule.
    ///
    /// # Errors
    /// If they do not, and cannot be refreshed.
    pub async fn freshen(
        &self,
        resource: &Arc<Resource>,
        endpoint: &Arc<dyn TokenEndpoint>,
    ) -> Result<(), Reason> {
        let Some(spec) = resource.credential.as_ref().filter(|spec| spec.oauth.is_some()) else {
            return Ok(());
        };
        if self.due(spec, resource)?.is_none() {
            return Ok(());
        }
        let (gate, resource, endpoint) = (self.clone(), Arc::clone(resource), Arc::clone(endpoint));
        let refreshing = tokio::spawn(async move { gate.refresh(&resource, endpoint.as_ref()).await });
        refreshing.await.unwrap_or_else(|error| Err(missing(error.to_string(), "the resource")))
    }

    /// Notes that the upstream did not take the credential.
    pub fn distrust(&self, resource: &Resource, opened: &Opened) {
        if let Some(spec) = &resource.credential {
            self.shared.broker.distrust(spec, opened);
        }
    }

    /// Keeps what a token endpoint answered to a login inside as the resource's tokens, for every session: nothing of the answer may go on
    /// before.
    ///
    /// # Errors
    /// If these are no tokens, or they cannot be kept or put on record.
    pub async fn log_in(&self, resource: &Resource, answer: &[u8]) -> Result<(), Reason> {
        let spec = resource.credential.as_ref();
        let Some((spec, oauth)) = spec.and_then(|spec| Some((spec, spec.oauth.as_ref()?))) else {
            return Err(missing("there is nothing to keep a login as".to_owned(), resource.name.as_str()));
        };
        let flight = self.shared.flights.of(&spec.secret);
        let _alone = flight.lock().await;
        let kept = self.shared.broker.log_in(spec, answer, self.seconds());
        let (phase, error) = match &kept {
            Ok(()) => (RefreshPhase::Kept, None),
            Err(error) => (RefreshPhase::Failed, Some(error.to_string())),
        };
        let (source, endpoint) = (spec.secret.to_string(), oauth.token_url.clone());
        let event = Event::CredentialRefresh(CredentialRefresh { source, endpoint, phase, error });
        self.shared.journal.daemon(event).await?;
        kept.map_err(|error| missing(error.to_string(), resource.name.as_str()))
    }

    fn due(&self, spec: &CredentialSpec, resource: &Resource) -> Result<Option<Refresh>, Reason> {
        match self.shared.broker.refresh(spec, self.seconds()) {
            Ok(refresh) => Ok(refresh),
            // That there is none is told by whoever opens it.
            Err(BrokerError::Vault(_)) => Ok(None),
            Err(error) => Err(missing(error.to_string(), resource.name.as_str())),
        }
    }

    async fn refresh(&self, resource: &Resource, endpoint: &dyn TokenEndpoint) -> Result<(), Reason> {
        let Some(spec) = &resource.credential else { return Ok(()) };
        let flight = self.shared.flights.of(&spec.secret);
        let _alone = flight.lock().await;
        // Whoever was before us may have done it.
        let Some(refresh) = self.due(spec, resource)? else { return Ok(()) };
        let record = |phase, error| {
            Event::CredentialRefresh(CredentialRefresh {
                source: refresh.name().to_string(),
                endpoint: refresh.oauth().token_url.clone(),
                phase,
                error,
            })
        };
        self.shared.journal.daemon(record(RefreshPhase::Attempt, None)).await?;
        let asked = self.ask(resource, endpoint, &refresh).await;
        let (phase, error) = match &asked {
            Ok(()) => (RefreshPhase::Kept, None),
            Err(error) => (RefreshPhase::Failed, Some(error.clone())),
        };
        self.shared.journal.daemon(record(phase, error)).await?;
        match asked {
            Err(error) if refresh.is_urgent() => Err(missing(error, resource.name.as_str())),
            // What is there still works for a while.
            Err(error) => {
                tracing::warn!(%error, resource = %resource.name, "tokens could not be refreshed ahead of time");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn ask(
        &self,
        resource: &Resource,
        endpoint: &dyn TokenEndpoint,
        refresh: &Refresh,
    ) -> Result<(), String> {
        let (status, body) = endpoint.ask(resource, refresh).await?;
        let body = zeroize::Zeroizing::new(body);
        let kept = self.shared.broker.refreshed(refresh, status, &body, self.seconds());
        kept.map_err(|error| error.to_string())
    }

    fn seconds(&self) -> i64 {
        self.shared.clock.now().as_micros() / 1_000_000
    }
}

fn missing(detail: String, resource: &str) -> Reason {
    Reason::new(ReasonCode::CredentialMissing, detail).with_fix(format!(
        "log in again outside, then `bailiwick run --import -- …` takes that over for `{resource}`"
    ))
}
