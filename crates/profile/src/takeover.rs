//! From what a person has to what the daemon keeps: the credential, and what is known about the account.
//!
//! What is found here is a real secret; it goes to the daemon and nowhere else, and is wiped when dropped.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use crate::Source;

/// Beyond this, a number is milliseconds since 1970 and not seconds.
const MILLISECONDS: i64 = 100_000_000_000;

/// Tokens of an OAuth client (RFC 6749), as the vault keeps them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// What opens the resource.
    pub access_token: String,
    /// What the next one is asked for with.
    pub refresh_token: String,
    /// When the access token expires, in seconds since 1970; 0 where nobody knows.
    #[serde(default)]
    pub expires_at: i64,
}

/// What a source gave.
#[derive(Clone)]
pub struct Found {
    /// What goes into the vault.
    secret: Zeroizing<String>,
    /// What is known about the account.
    pub facts: BTreeMap<String, String>,
}

/// A source has something that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TakeoverError {
    /// It is not JSON.
    #[error("it is not JSON")]
    NotJson,
    /// It has an access token, but nothing to refresh it with.
    #[error("it has no refresh token")]
    NoRefreshToken,
}

impl Found {
    /// What a variable or a program gave, if it gave anything.
    #[must_use]
    pub fn plain(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty())
            .then(|| Self { secret: Zeroizing::new(text.to_owned()), facts: BTreeMap::default() })
    }

    /// What the content of a file gives; `None` if there is no credential in it.
    ///
    /// # Errors
    /// If it cannot be read as what it should be.
    pub fn in_file(text: &str, source: &Source) -> Result<Option<Self>, TakeoverError> {
        let file: Value = serde_json::from_str(text).map_err(|_| TakeoverError::NotJson)?;
        let text_at = |pointer: &Option<String>| {
            let text = file.pointer(pointer.as_deref()?)?.as_str()?.trim();
            (!text.is_empty()).then_some(text)
        };
        let Some(access) = text_at(&source.access) else { return Ok(None) };
        let facts = source.facts.iter().filter_map(|(name, place)| {
            let found = file.pointer(&place.at)?;
            let claims = place.claim.as_ref().map(|claim| (claim, found.as_str().and_then(claims)));
            let value = match &claims {
                Some((claim, claims)) => claims.as_ref()?.pointer(claim)?,
                None => found,
            };
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            plain_fact(&text).then(|| (name.clone(), text))
        });
        let facts = facts.collect();
        let secret = match (&source.refresh, text_at(&source.refresh)) {
            (None, _) => Zeroizing::new(access.to_owned()),
            (Some(_), None) => return Err(TakeoverError::NoRefreshToken),
            (Some(_), Some(refresh)) => {
                let expires = source.expires.as_deref().and_then(|pointer| file.pointer(pointer)?.as_i64());
                let tokens = Tokens {
                    access_token: access.to_owned(),
                    refresh_token: refresh.to_owned(),
                    expires_at: expires.map_or_else(|| expiry(access), seconds),
                };
                Zeroizing::new(serde_json::to_string(&tokens).map_err(|_| TakeoverError::NotJson)?)
            }
        };
        Ok(Some(Self { secret, facts }))
    }

    /// What goes to the daemon, and nowhere else.
    #[must_use]
    pub fn into_secret(self) -> Zeroizing<String> {
        self.secret
    }
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A fact stands in files inside: short, and nothing that would end the text it stands in.
fn plain_fact(text: &str) -> bool {
    text.len() <= 256 && !text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\' | '$'))
}

fn seconds(number: i64) -> i64 {
    if number > MILLISECONDS { number / 1000 } else { number }
}

/// When a token of three parts says that it expires.
fn expiry(token: &str) -> i64 {
    claims(token).and_then(|claims| claims.get("exp")?.as_i64()).unwrap_or(0)
}

fn claims(token: &str) -> Option<Value> {
    let body = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FactSource;

    fn source() -> Source {
        Source {
            file: Some(".codex/auth.json".into()),
            access: Some("/tokens/access_token".into()),
            refresh: Some("/tokens/refresh_token".into()),
            facts: BTreeMap::from([
                ("account".into(), FactSource { at: "/tokens/account_id".into(), claim: None }),
                (
                    "plan".into(),
                    FactSource { at: "/tokens/id_token".into(), claim: Some("/auth/plan".into()) },
                ),
            ]),
            ..Source::default()
        }
    }

    fn token(claims: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn tokens_and_facts_are_found() {
        let file = serde_json::json!({"tokens": {
            "access_token": token(r#"{"exp": 1700000000}"#),
            "refresh_token": "MARKER-refresh",
            "id_token": token(r#"{"auth": {"plan": "pro"}}"#),
            "account_id": "acc-1",
        }});
        let found = Found::in_file(&file.to_string(), &source()).unwrap().unwrap();
        assert_eq!(
            found.facts,
            BTreeMap::from([("account".into(), "acc-1".into()), ("plan".into(), "pro".into())])
        );
        assert!(!format!("{found:?}").contains("MARKER"));
        let tokens: Tokens = serde_json::from_str(&found.into_secret()).unwrap();
        assert_eq!((tokens.expires_at, tokens.refresh_token.as_str()), (1_700_000_000, "MARKER-refresh"));
    }

    #[test]
    fn what_is_not_there_is_not_guessed() {
        assert!(Found::plain("  \n").is_none());
        assert!(Found::in_file("{}", &source()).unwrap().is_none());
        assert_eq!(Found::in_file("nonsense", &source()).unwrap_err(), TakeoverError::NotJson);
        let half = r#"{"tokens": {"access_token": "MARKER-only"}}"#;
        assert_eq!(Found::in_file(half, &source()).unwrap_err(), TakeoverError::NoRefreshToken);
    }

    #[test]
    fn a_fact_cannot_break_out_of_the_text_it_stands_in() {
        let file =
            r#"{"tokens": {"access_token": "a", "refresh_token": "b", "account_id": "x\", \"y\": \""}}"#;
        let found = Found::in_file(file, &source()).unwrap().unwrap();
        assert!(found.facts.is_empty());
    }

    #[test]
    fn milliseconds_are_told_from_seconds() {
        assert_eq!(seconds(1_700_000_000_000), 1_700_000_000);
        assert_eq!(seconds(1_700_000_000), 1_700_000_000);
    }
}
