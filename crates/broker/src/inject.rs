//! The way of a secret into a request.
//!
//! A secret is data: whatever bytes it has, it must never add a header, a parameter or a path segment, and never end the one it is
//! in. Where it cannot be written so that the upstream reads exactly it, the request is refused, by an error that names the place
//! and never the secret. What the `http` types hold is not wiped when they are dropped; everything before it is.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bailiwick_catalogue::Pattern;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderName, HeaderValue, Uri,
    header::{self, HeaderMap},
    request,
    uri::PathAndQuery,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use zeroize::Zeroizing;

use crate::Secret;

/// A credential does not fit into a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InjectError {
    /// It has bytes that end or split a header field.
    #[error(
        "the secret cannot be sent in the header `{header}`: it has a line break, white space at an end, or a control character; \
         set it again, without what does not belong to it"
    )]
    NotAHeaderValue {
        /// Which header.
        header: String,
    },
    /// The header frames or routes the message.
    #[error("a credential cannot go into the header `{header}`")]
    ReservedHeader {
        /// Which header.
        header: String,
    },
    /// The user name would end early.
    #[error("the user name of a basic credential has a colon or a control character")]
    NotAUserName,
    /// The path does not say where.
    #[error("the path has no segment `{placeholder}` for the credential to stand in")]
    NoPlaceholder {
        /// What was looked for.
        placeholder: String,
    },
    /// The path says so more than once.
    #[error("the path has more than one segment `{placeholder}`")]
    ManyPlaceholders {
        /// What was looked for.
        placeholder: String,
    },
    /// The target would become too long, or is of a form without path and query.
    #[error("the request target has no room for the credential")]
    UnfitTarget,
}

/// What RFC 3986 §2.3 leaves unescaped everywhere.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What RFC 3986 §3.3 allows in a segment.
const SEGMENT: &AsciiSet = &QUERY
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Puts `secret` where `pattern` says.
pub(crate) fn apply(
    pattern: &Pattern,
    secret: &Secret,
    request: &mut request::Parts,
) -> Result<(), InjectError> {
    match pattern {
        Pattern::Bearer => set(&mut request.headers, header::AUTHORIZATION, b"Bearer ", secret.expose())?,
        Pattern::Basic { username } => set_basic(&mut request.headers, username, secret)?,
        Pattern::Header { name, prefix } => {
            let header = injectable(name)?;
            set(&mut request.headers, header, prefix.as_bytes(), secret.expose())?;
        }
        Pattern::Query { name } => {
            let query = with_parameter(request.uri.query(), name, secret);
            let target = Zeroizing::new(format!("{}?{}", request.uri.path(), &*query));
            retarget(&mut request.uri, &target)?;
        }
        Pattern::Path { placeholder } => {
            let path = with_segment(request.uri.path(), placeholder, secret)?;
            let target = match request.uri.query() {
                Some(query) => Zeroizing::new(format!("{}?{query}", &*path)),
                None => path,
            };
            retarget(&mut request.uri, &target)?;
        }
    }
    ask_for_plain_answers(&mut request.headers);
    Ok(())
}

/// Compressed bytes cannot be scrubbed.
pub(crate) fn ask_for_plain_answers(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if headers.contains_key(header::TE) {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
}

fn set_basic(headers: &mut HeaderMap, username: &str, secret: &Secret) -> Result<(), InjectError> {
    if username.chars().any(|c| c == ':' || c.is_control()) {
        return Err(InjectError::NotAUserName);
    }
    // RFC 7617 §2: a password has no control characters either.
    if secret.expose().iter().any(u8::is_ascii_control) {
        return Err(InjectError::NotAHeaderValue { header: header::AUTHORIZATION.to_string() });
    }
    let pair = Zeroizing::new([username.as_bytes(), b":", secret.expose()].concat());
    let encoded = Zeroizing::new(STANDARD.encode(&*pair));
    set(headers, header::AUTHORIZATION, b"Basic ", encoded.as_bytes())
}

/// Sets the header to `prefix value`, in place of all its values.
pub(crate) fn set(
    headers: &mut HeaderMap,
    header: HeaderName,
    prefix: &[u8],
    value: &[u8],
) -> Result<(), InjectError> {
    let unfit = || InjectError::NotAHeaderValue { header: header.to_string() };
    if value.trim_ascii() != value {
        return Err(unfit());
    }
    let whole = Zeroizing::new([prefix, value].concat());
    // Refuses every control character except the tab (RFC 9110 §5.5).
    let mut field = HeaderValue::from_bytes(&whole).map_err(|_| unfit())?;
    field.set_sensitive(true);
    headers.insert(header, field);
    Ok(())
}

/// The header called `name`, unless it says where the message goes or where it ends.
fn injectable(name: &str) -> Result<HeaderName, InjectError> {
    let reserved = || InjectError::ReservedHeader { header: name.to_owned() };
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| reserved())?;
    let framing = [
        header::ACCEPT_ENCODING,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::HOST,
        header::PROXY_AUTHORIZATION,
        header::SEC_WEBSOCKET_EXTENSIONS,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    let unnamed = ["keep-alive", "proxy-connection", "http2-settings"];
    if framing.contains(&header) || unnamed.contains(&header.as_str()) {
        return Err(reserved());
    }
    Ok(header)
}

/// `query` without any parameter called `name`, and then with the one that holds `secret`. The others stay as they are.
pub(crate) fn with_parameter(query: Option<&str>, name: &str, secret: &Secret) -> Zeroizing<String> {
    let kept = query.unwrap_or("").split('&').filter(|part| !part.is_empty() && parameter_name(part) != name);
    let mut parts: Vec<Cow<'_, str>> = kept.map(Cow::Borrowed).collect();
    let value = Zeroizing::new(percent_encode(secret.expose(), QUERY).to_string());
    let own = Zeroizing::new(format!("{}={}", percent_encode(name.as_bytes(), QUERY), &*value));
    parts.push(Cow::Borrowed(&own));
    Zeroizing::new(parts.join("&"))
}

/// The name of a query parameter as servers read it: `+` is a space, and escapes are undone.
pub(crate) fn parameter_name(part: &str) -> String {
    let name = part.split_once('=').map_or(part, |(name, _)| name).replace('+', " ");
    percent_decode_str(&name).decode_utf8_lossy().into_owned()
}

/// `path` with the secret in the place of the one segment that is `placeholder`.
fn with_segment(path: &str, placeholder: &str, secret: &Secret) -> Result<Zeroizing<String>, InjectError> {
    match path.split('/').filter(|segment| *segment == placeholder).count() {
        0 => return Err(InjectError::NoPlaceholder { placeholder: placeholder.to_owned() }),
        1 => {}
        _ => return Err(InjectError::ManyPlaceholders { placeholder: placeholder.to_owned() }),
    }
    let value = Zeroizing::new(percent_encode(secret.expose(), SEGMENT).to_string());
    let replace = |segment| if segment == placeholder { value.as_str() } else { segment };
    let segments: Vec<&str> = path.split('/').map(replace).collect();
    Ok(Zeroizing::new(segments.join("/")))
}

pub(crate) fn retarget(uri: &mut Uri, target: &str) -> Result<(), InjectError> {
    let unfit = || InjectError::UnfitTarget;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = match parts.path_and_query {
        Some(old) if old.path().starts_with('/') => {
            Some(PathAndQuery::try_from(target).map_err(|_| unfit())?)
        }
        _ => return Err(unfit()),
    };
    *uri = Uri::from_parts(parts).map_err(|_| unfit())?;
    Ok(())
}
