//! Secrets: kept, replaced, forgotten; never given back.

use bailiwick_broker::Secret;
use bailiwick_core::{Name, Problem};
use bailiwick_wire::SecretView;

use super::Authority;

impl Authority {
    /// Keeps a secret, or replaces it: the next action uses the new one.
    ///
    /// # Errors
    /// If it cannot be a secret, or cannot be sealed and stored.
    pub async fn put_secret(&self, name: &Name, value: String) -> Result<(), Problem> {
        let secret = Secret::new(value.into_bytes()).map_err(|error| {
            Problem::new(400, "secret", error.to_string()).with_fix("pipe in the secret, and nothing else")
        })?;
        let kept = self.gate.broker().put(name, &secret);
        kept.map_err(|error| Problem::new(500, "vault", error.to_string()))?;
        self.count(name, self.times_set(name) + 1);
        Ok(())
    }

    /// Forgets a secret.
    ///
    /// # Errors
    /// If there is none, or that cannot be stored.
    pub async fn delete_secret(&self, name: &Name) -> Result<(), Problem> {
        let broker = self.gate.broker();
        if broker.vault().version(name).is_none() {
            return Err(super::not_found("secret", name.as_str()));
        }
        broker.remove(name).map_err(|error| Problem::new(500, "vault", error.to_string()))?;
        self.count(name, 0);
        Ok(())
    }

    /// The names of the secrets, and how often each was set.
    ///
    /// # Errors
    /// Never yet; a vault elsewhere may fail to answer.
    pub async fn secrets(&self) -> Result<Vec<SecretView>, Problem> {
        let names = self.gate.broker().vault().names().into_keys();
        Ok(names.map(|name| SecretView { version: self.times_set(&name).max(1), name }).collect())
    }

    /// For people. The vault's own versions are those of the vault as a whole.
    fn times_set(&self, name: &Name) -> u64 {
        let kept = self.state.setting(&times_set(name)).ok().flatten();
        kept.and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    fn count(&self, name: &Name, times: u64) {
        if let Err(error) = self.state.put_setting(&times_set(name), &times.to_string()) {
            tracing::warn!(%error, secret = %name, "how often a secret was set could not be kept");
        }
    }
}

/// The setting that keeps how often a secret was set.
fn times_set(name: &Name) -> String {
    format!("secret.{name}.times_set")
}
