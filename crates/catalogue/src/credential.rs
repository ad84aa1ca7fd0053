//! Where in a request the real credential goes, and where in the vault it is. Never the credential itself.

use bailiwick_core::Name;
use serde::{Deserialize, Serialize};

use crate::{Address, Host, ParseAddressError, Protocol, Scheme};

/// How a resource is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialSpec {
    /// Where it goes.
    pub pattern: Pattern,
    /// The secret's name in the vault.
    pub secret: Name,
    /// If the secret is an OAuth client's tokens: how they are refreshed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuth>,
}

/// How an OAuth client gets its next access token (RFC 6749 §6). The tokens themselves are in the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// The token endpoint: `https://host/path`.
    pub token_url: String,
    /// The client's public identifier.
    pub client_id: String,
    /// How the request is written.
    #[serde(default)]
    pub request: TokenRequest,
}

/// How a request to a token endpoint is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenRequest {
    /// As a form, as the standard has it.
    Form,
    /// As a JSON object, as many issuers have it.
    #[default]
    Json,
}

impl OAuth {
    /// The endpoint's address and its path.
    ///
    /// # Errors
    /// If it is not an `https` address of a host with a path, and nothing else.
    pub fn endpoint(&self) -> Result<(Address, &str), ParseAddressError> {
        let (place, rest) = self.token_url.split_once("://").unwrap_or(("", &self.token_url));
        let cut = place.len() + 3 + rest.find('/').unwrap_or(rest.len());
        let (origin, path) = self.token_url.split_at(cut.min(self.token_url.len()));
        let address = Address::parse(origin, Protocol::Http)?;
        let plain = path.starts_with('/')
            && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"".contains(&byte));
        if address.scheme == Scheme::Https && plain && !matches!(address.host, Host::Wildcard(_)) {
            Ok((address, path))
        } else {
            Err(ParseAddressError {
                text: self.token_url.clone(),
                problem: "a token endpoint is `https://host/path`",
            })
        }
    }
}

/// Where in a request a credential goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "pattern", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pattern {
    /// `Authorization: Basic base64(username:secret)` (RFC 7617).
    Basic {
        /// The user name, which is not secret.
        username: String,
    },
    /// `Authorization: Bearer secret` (RFC 6750).
    Bearer,
    /// `name: prefix secret`.
    Header {
        /// The field's name, lower-case.
        name: String,
        /// What stands before the secret, space included.
        prefix: String,
    },
    /// A path segment that is exactly this placeholder is replaced by the secret.
    Path {
        /// The segment to replace: unreserved characters only, and at least one `_`.
        placeholder: String,
    },
    /// A query parameter.
    Query {
        /// The parameter's name.
        name: String,
    },
}
