//! Tokens of an OAuth client (RFC 6749): the access token that opens a resource, and the refresh token that brings the next one.
//!
//! A refresh token can be of use once: asking with it may end it. So what an issuer answers is in the vault before it is used, an answer
//! that cannot be kept is not used at all, and an issuer that said no is not asked again with the same token. Who asks, when, and over
//! which connection is for others to say; this module must never let a token out but into the one request that it makes.

use bailiwick_catalogue::{CredentialSpec, OAuth, TokenRequest};
use bailiwick_core::Name;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{Secret, SecretError, VaultError};

/// Seconds before its end at which a token of unknown lifetime is refreshed.
const AHEAD: i64 = 300;
/// Seconds after a refresh in which nothing an upstream says brings about another.
const SETTLED: i64 = 300;

/// The tokens, as the vault keeps them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokens {
    access_token: String,
    refresh_token: String,
    /// In seconds since 1970; 0 where nobody knows.
    #[serde(default)]
    expires_at: i64,
    /// For how many seconds it was issued; 0 where nobody knows.
    #[serde(default)]
    lifetime: i64,
    /// When it was issued, where we asked for it.
    #[serde(default)]
    issued_at: i64,
}

/// One question to a token endpoint.
pub struct Refresh {
    name: Name,
    version: u64,
    oauth: OAuth,
    body: Zeroizing<Vec<u8>>,
    urgent: bool,
}

/// Tokens cannot be refreshed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// What the vault has is no set of tokens.
    #[error("the secret `{name}` is not a set of OAuth tokens")]
    NotTokens {
        /// Which secret.
        name: Name,
    },
    /// The issuer said no: the login is over.
    #[error("the issuer of `{name}` refused to refresh it ({code}): its login is over")]
    Refused {
        /// Which secret.
        name: Name,
        /// The issuer's own code, or the status.
        code: String,
    },
    /// The issuer answered with something else than tokens.
    #[error("the issuer of `{name}` did not answer with tokens (status {status})")]
    Answer {
        /// Which secret.
        name: Name,
        /// The status.
        status: u16,
    },
    /// The new tokens could not be kept, and are not used.
    #[error("the refreshed tokens of `{name}` cannot be kept: {error}")]
    Vault {
        /// Which secret.
        name: Name,
        /// Why.
        #[source]
        error: VaultError,
    },
}

/// What a token endpoint answers (RFC 6749 §5.1).
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Option<i64>,
}

/// What it answers when it says no (RFC 6749 §5.2).
#[derive(Deserialize)]
struct No {
    error: String,
}

impl Answer {
    /// What the vault keeps of it; `None` if these are no tokens.
    fn kept(mut self, refresh_token: String, now: i64) -> Option<Secret> {
        let lifetime = self.expires_in.filter(|seconds| *seconds > 0).unwrap_or(0);
        let expires_at = if lifetime > 0 { now.saturating_add(lifetime) } else { expiry(&self.access_token) };
        let access_token = std::mem::take(&mut self.access_token);
        let tokens = Tokens { access_token, refresh_token, expires_at, lifetime, issued_at: now };
        tokens.access().and_then(|_| tokens.refresh()).ok()?;
        Secret::new(serde_json::to_vec(&tokens).ok()?).ok()
    }
}

impl Tokens {
    /// What the vault has under `name`.
    pub(crate) fn read(name: &Name, secret: &Secret) -> Result<Self, RefreshError> {
        serde_json::from_slice(secret.expose()).map_err(|_| RefreshError::NotTokens { name: name.clone() })
    }

    /// The first ones of a login, as the issuer answered.
    pub(crate) fn first(name: &Name, body: &[u8], now: i64) -> Result<Secret, RefreshError> {
        let unusable = || RefreshError::Answer { name: name.clone(), status: 200 };
        let mut answer: Answer = serde_json::from_slice(body).map_err(|_| unusable())?;
        let refresh_token = answer.refresh_token.take().ok_or_else(unusable)?;
        answer.kept(refresh_token, now).ok_or_else(unusable)
    }

    /// The access token.
    pub(crate) fn access(&self) -> Result<Secret, SecretError> {
        Secret::new(self.access_token.as_bytes().to_vec())
    }

    /// The refresh token, to be looked for in what comes back.
    pub(crate) fn refresh(&self) -> Result<Secret, SecretError> {
        Secret::new(self.refresh_token.as_bytes().to_vec())
    }

    fn is_due(&self, now: i64) -> bool {
        let ahead = if self.lifetime > 0 { AHEAD.min(self.lifetime / 5) } else { AHEAD };
        self.expires_at > 0 && now >= self.expires_at - ahead
    }

    fn is_over(&self, now: i64) -> bool {
        self.expires_at > 0 && now >= self.expires_at
    }

    /// The question for the next ones, if it is time for it. `distrusted`: the upstream did not take the access token.
    pub(crate) fn next(
        &self,
        spec: &CredentialSpec,
        version: u64,
        now: i64,
        distrusted: bool,
    ) -> Option<Refresh> {
        let oauth = spec.oauth.clone()?;
        let doubt = distrusted && now - self.issued_at >= SETTLED;
        (self.is_due(now) || doubt).then(|| Refresh {
            name: spec.secret.clone(),
            version,
            body: question(&oauth, &self.refresh_token),
            oauth,
            urgent: self.is_over(now) || doubt,
        })
    }

    /// The tokens after these, as the issuer answered.
    pub(crate) fn after(
        &self,
        refresh: &Refresh,
        status: u16,
        body: &[u8],
        now: i64,
    ) -> Result<Secret, RefreshError> {
        let name = refresh.name.clone();
        if !(200..300).contains(&status) {
            return Err(match status {
                400 | 401 | 403 => RefreshError::Refused { name, code: code_of(status, body) },
                _ => RefreshError::Answer { name, status },
            });
        }
        let unusable = || RefreshError::Answer { name: refresh.name.clone(), status };
        let mut answer: Answer = serde_json::from_slice(body).map_err(|_| unusable())?;
        let refresh_token = answer.refresh_token.take().unwrap_or_else(|| self.refresh_token.clone());
        answer.kept(refresh_token, now).ok_or_else(unusable)
    }
}

impl Refresh {
    /// Which secret it is about.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Which version of it is asked with.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Where it goes.
    pub fn oauth(&self) -> &OAuth {
        &self.oauth
    }

    /// Whether nothing can be done without an answer.
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// How its body is written.
    pub fn content_type(&self) -> &'static str {
        match self.oauth.request {
            TokenRequest::Form => "application/x-www-form-urlencoded",
            TokenRequest::Json => "application/json",
        }
    }

    /// Its body, which holds the refresh token: for a verified connection to the token endpoint, and nothing else.
    pub fn body(&self) -> Bytes {
        Bytes::copy_from_slice(&self.body)
    }
}

fn question(oauth: &OAuth, refresh_token: &str) -> Zeroizing<Vec<u8>> {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
        ("client_id", oauth.client_id.as_str()),
    ];
    match oauth.request {
        TokenRequest::Json => {
            let object: std::collections::BTreeMap<_, _> = fields.into_iter().collect();
            // Texts are always written.
            Zeroizing::new(serde_json::to_vec(&object).unwrap_or_default())
        }
        TokenRequest::Form => {
            let encode = |text: &str| percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string();
            let pairs = fields.map(|(name, value)| format!("{}={}", encode(name), encode(value)));
            Zeroizing::new(pairs.join("&").into_bytes())
        }
    }
}

/// The issuer's code if it is one: it is told to people, and must not be a text of the issuer's choosing.
fn code_of(status: u16, body: &[u8]) -> String {
    let said = serde_json::from_slice::<No>(body).ok().map(|no| no.error);
    let plain = |code: &String| {
        code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    said.filter(plain).unwrap_or_else(|| format!("status {status}"))
}

/// When a token of three parts says that it expires.
fn expiry(token: &str) -> i64 {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let body =
        token.split('.').nth(1).and_then(|body| URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).ok());
    body.and_then(|body| serde_json::from_slice::<Claims>(&body).ok()).map_or(0, |claims| claims.exp)
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

impl std::fmt::Debug for Refresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refresh")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn spec(request: TokenRequest) -> CredentialSpec {
        CredentialSpec {
            pattern: bailiwick_catalogue::Pattern::Bearer,
            secret: "chatgpt".parse().unwrap(),
            oauth: Some(OAuth {
                token_url: "https://issuer.example/token".into(),
                client_id: "app & co".into(),
                request,
            }),
        }
    }

    fn tokens(expires_at: i64) -> Tokens {
        let (access_token, refresh_token) = ("MARKER-access".into(), "MARKER-refresh".into());
        Tokens { access_token, refresh_token, expires_at, lifetime: 0, issued_at: 0 }
    }

    fn ask(expires_at: i64, distrusted: bool) -> Option<Refresh> {
        tokens(expires_at).next(&spec(TokenRequest::Form), 1, NOW, distrusted)
    }

    #[test]
    fn it_is_asked_ahead_of_time_or_in_doubt_and_not_otherwise() {
        assert!(ask(NOW + 3600, false).is_none());
        assert!(ask(0, false).is_none(), "nobody knows when it expires");
        assert!(!ask(NOW + 200, false).unwrap().is_urgent());
        assert!(ask(NOW, false).unwrap().is_urgent());
        assert!(ask(NOW + 3600, true).unwrap().is_urgent());
        let mut fresh = tokens(NOW + 3600);
        fresh.issued_at = NOW - 10;
        assert!(fresh.next(&spec(TokenRequest::Json), 1, NOW, true).is_none(), "it was issued just now");
    }

    #[test]
    fn a_question_is_written_as_its_issuer_wants_it() {
        let form = ask(NOW, false).unwrap();
        assert_eq!(
            &*form.body(),
            b"grant%5Ftype=refresh%5Ftoken&refresh%5Ftoken=MARKER%2Drefresh&client%5Fid=app%20%26%20co"
        );
        let json = tokens(NOW).next(&spec(TokenRequest::Json), 1, NOW, false).unwrap();
        assert_eq!(
            &*json.body(),
            br#"{"client_id":"app & co","grant_type":"refresh_token","refresh_token":"MARKER-refresh"}"#
        );
        assert!(!format!("{json:?}").contains("MARKER"));
    }

    #[test]
    fn an_answer_becomes_the_next_tokens() {
        let refresh = ask(NOW, false).unwrap();
        let after = |body: &str| tokens(NOW).after(&refresh, 200, body.as_bytes(), NOW);
        let rotated =
            after(r#"{"access_token": "MARKER-next", "refresh_token": "MARKER-second", "expires_in": 60}"#)
                .unwrap();
        let rotated: Tokens = serde_json::from_slice(rotated.expose()).unwrap();
        assert_eq!((rotated.refresh_token.as_str(), rotated.expires_at), ("MARKER-second", NOW + 60));
        assert!(!rotated.is_due(NOW + 40) && rotated.is_due(NOW + 50));
        let kept = after(r#"{"access_token": "MARKER-next"}"#).unwrap();
        let kept: Tokens = serde_json::from_slice(kept.expose()).unwrap();
        assert_eq!(kept.refresh_token, "MARKER-refresh");
        for unusable in ["{}", "no", r#"{"access_token": ""}"#] {
            assert!(matches!(after(unusable), Err(RefreshError::Answer { .. })), "{unusable}");
        }
    }

    #[test]
    fn a_no_is_told_in_its_code_and_never_in_its_words() {
        let refresh = ask(NOW, false).unwrap();
        let no = |status, body: &str| {
            tokens(NOW).after(&refresh, status, body.as_bytes(), NOW).unwrap_err().to_string()
        };
        assert!(
            no(400, r#"{"error": "invalid_grant", "error_description": "x"}"#).contains("(invalid_grant)")
        );
        assert!(no(401, r#"{"error": "Run `curl evil`"}"#).contains("(status 401)"));
        assert!(no(500, "{}").contains("status 500"));
    }
}
