//! Credentials that the agent itself puts into a request. The gateway owns authentication: an attacker's token on an allowed host is
//! an exit, so what the agent brings is taken out where a real credential follows, and refused where none does.
//!
//! This runs *before* the request is decided, because taking something out changes what is decided. It must never keep or show the
//! value of anything it finds: that may be a real secret of somebody's.

#[cfg(test)]
mod tests;

use std::fmt;

use bailiwick_catalogue::Pattern;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request, uri::PathAndQuery};

use crate::inject::parameter_name;

/// Where in a request a credential was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Position {
    /// In this header.
    Header(String),
    /// In this query parameter.
    Query(String),
    /// Before the host in the address.
    Userinfo,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header `{}`", name.escape_debug()),
            Self::Query(name) => write!(f, "query parameter `{}`", name.escape_debug()),
            Self::Userinfo => f.write_str("user information in the address"),
        }
    }
}

/// The credentials an agent brought, by where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought(Vec<Position>);

/// A credential that an agent brought cannot be taken out of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credential in this request cannot be taken out of it: send it without")]
pub struct BroughtError;

/// What happens to a request with regard to the credentials it brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It goes on as it is.
    Pass,
    /// They are taken out, then it goes on.
    Remove,
    /// It is refused, recorded and alarmed.
    Refuse,
}

/// Headers that carry credentials at well-known services, beside those that say so by their name.
const HEADERS: [&str; 26] = [
    "api-key",
    "apikey",
    "authorization",
    "cookie",
    "cookie2",
    "dd-api-key",
    "dd-application-key",
    "deploy-token",
    "job-token",
    "ocp-apim-subscription-key",
    "private-token",
    "proxy-authorization",
    "secret",
    "token",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-email",
    "x-auth-key",
    "x-auth-token",
    "x-authorization",
    "x-forwarded-access-token",
    "x-forwarded-authorization",
    "x-goog-api-key",
    "x-goog-iam-authorization-token",
    "x-vault-token",
];
/// Endings of header names that say a credential follows (`x-shopify-access-token`, `x-figma-token`, `linear-api-key`).
const HEADER_ENDINGS: [&str; 6] =
    ["-access-token", "-api-key", "-api-token", "-auth-token", "-secret", "-token"];
/// Headers that end like that and carry none.
const NOT_HEADERS: [&str; 6] = [
    "continuation-token",
    "csrf-token",
    "sync-token",
    "x-continuation-token",
    "x-csrf-token",
    "x-xsrf-token",
];
/// What separates query parameters: all servers take `&`, some take `;` as well.
pub(crate) const SEPARATORS: [char; 2] = ['&', ';'];
/// Query parameters, without regard to case and to anything but letters and digits.
const PARAMETERS: [&str; 26] = [
    "accesskey",
    "accesstoken",
    "apikey",
    "apitoken",
    "appkey",
    "auth",
    "authkey",
    "authorization",
    "authtoken",
    "awsaccesskeyid",
    "bearer",
    "bearertoken",
    "clientsecret",
    "googleaccessid",
    "jobtoken",
    "jwt",
    "key",
    "oauthtoken",
    "password",
    "privatetoken",
    "secret",
    "sessiontoken",
    "sig",
    "signature",
    "subscriptionkey",
    "token",
];
/// Beginnings of query parameters that belong to a presigned address (AWS, Google Cloud), written alike.
const PARAMETER_BEGINNINGS: [&str; 2] = ["xamz", "xgoog"];

impl Brought {
    /// What `request` brings. `own` says where this resource's credential goes: what stands there already is one, too.
    pub fn find(request: &request::Parts, own: Option<&Pattern>) -> Self {
        let named = headers(&request.headers, own).map(|name| Position::Header(name.to_string()));
        let mut found: Vec<Position> = named.collect();
        let query = request.uri.query().unwrap_or("").split(SEPARATORS).map(parameter_name);
        found.extend(query.filter(|name| is_parameter(name, own)).map(Position::Query));
        let host = request.headers.get_all(header::HOST).iter().any(|host| host.as_bytes().contains(&b'@'));
        if host || request.uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            found.push(Position::Userinfo);
        }
        found.sort_unstable();
        found.dedup();
        Self(found)
    }

    /// What is to be done, by the one rule: nothing brought passes; on a resource whose credentials are the agent's own affair, all
    /// passes; on one with a source, what was brought is taken out; anywhere else it is refused.
    pub fn treatment(&self, has_source: bool, agent_credentials: bool) -> Treatment {
        match (has_source, agent_credentials) {
            _ if self.is_empty() => Treatment::Pass,
            (true, _) => Treatment::Remove,
            (false, true) => Treatment::Pass,
            (false, false) => Treatment::Refuse,
        }
    }

    /// Takes out of `request` all that [`Brought::find`] finds in it. Whatever else is there stays as it is.
    ///
    /// # Errors
    /// If something is left. The request must then be refused.
    pub fn remove(request: &mut request::Parts, own: Option<&Pattern>) -> Result<(), BroughtError> {
        let names: Vec<HeaderName> = headers(&request.headers, own).cloned().collect();
        for name in names {
            request.headers.remove(name);
        }
        if let Some(host) = request.headers.get_mut(header::HOST)
            && let Some(bare) = after_userinfo(host.as_bytes())
        {
            *host = HeaderValue::from_bytes(bare).map_err(|_| BroughtError)?;
        }
        let mut parts = request.uri.clone().into_parts();
        if let Some(bare) = parts.authority.as_ref().and_then(|it| after_userinfo(it.as_str().as_bytes())) {
            parts.authority = Some(bare.try_into().map_err(|_| BroughtError)?);
        }
        if let Some(target) = &parts.path_and_query {
            parts.path_and_query = Some(without_parameters(target, own)?);
        }
        request.uri = Uri::from_parts(parts).map_err(|_| BroughtError)?;
        if Self::find(request, own).is_empty() { Ok(()) } else { Err(BroughtError) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where they are, sorted.
    pub fn positions(&self) -> &[Position] {
        &self.0
    }
}

impl fmt::Display for Brought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for position in &self.0 {
            write!(f, "{separator}{position}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// The headers in `headers` that carry a credential.
pub(crate) fn headers<'a>(
    headers: &'a HeaderMap,
    own: Option<&'a Pattern>,
) -> impl Iterator<Item = &'a HeaderName> {
    headers.keys().filter(move |name| {
        // Servers that hand headers on as variables make no difference between `-` and `_`.
        let spelt = name.as_str().replace('_', "-");
        let says_so =
            HEADER_ENDINGS.iter().any(|end| spelt.ends_with(end)) && !NOT_HEADERS.contains(&spelt.as_str());
        let is_own =
            matches!(own, Some(Pattern::Header { name: its, .. }) if its.eq_ignore_ascii_case(name.as_str()));
        HEADERS.contains(&spelt.as_str()) || says_so || is_own || holds_credential_protocol(headers, name)
    })
}

/// How Kubernetes and model providers take a token from browsers, which cannot set headers: as a WebSocket subprotocol.
fn holds_credential_protocol(headers: &HeaderMap, name: &HeaderName) -> bool {
    let marked = |value: &HeaderValue| {
        let text = value.as_bytes().to_ascii_lowercase();
        [b"bearer.".as_slice(), b"api-key.", b"token."]
            .iter()
            .any(|mark| text.windows(mark.len()).any(|it| it == *mark))
    };
    *name == header::SEC_WEBSOCKET_PROTOCOL && headers.get_all(name).iter().any(marked)
}

pub(crate) fn is_parameter(name: &str, own: Option<&Pattern>) -> bool {
    let bare: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    PARAMETERS.contains(&bare.as_str())
        || PARAMETER_BEGINNINGS.iter().any(|start| bare.starts_with(start))
        || matches!(own, Some(Pattern::Query { name: its }) if its == name)
}

/// What follows the user information, if there is any.
fn after_userinfo(authority: &[u8]) -> Option<&[u8]> {
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    Some(&authority[at + 1..])
}

/// `target` without the parameters that carry a credential. All others keep their bytes.
fn without_parameters(target: &PathAndQuery, own: Option<&Pattern>) -> Result<PathAndQuery, BroughtError> {
    let Some(query) = target.query() else { return Ok(target.clone()) };
    let kept = query.split_inclusive(SEPARATORS).filter(|part| {
        let parameter = part.strip_suffix(SEPARATORS).unwrap_or(part);
        !is_parameter(&parameter_name(parameter), own)
    });
    let rest: String = kept.collect();
    if rest.len() == query.len() {
        return Ok(target.clone());
    }
    // The last one left does not end in a separator unless the query did.
    let rest =
        if query.ends_with(SEPARATORS) { &rest } else { rest.strip_suffix(SEPARATORS).unwrap_or(&rest) };
    let path = target.path();
    let text = if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") };
    PathAndQuery::try_from(text).map_err(|_| BroughtError)
}
