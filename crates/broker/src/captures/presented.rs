//! Dummies that a request presents where credentials go, and the real values in their place.
//!
//! They are taken out before the request is decided, like everything that an agent brings; what is left is dealt with as anybody's. Only what
//! stands around a dummy as services want it is put back with the real value, from a list: free text beside it would be a place for a
//! credential of somebody else's.

use std::sync::Arc;

use bailiwick_catalogue::Pattern;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header, request};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::{Capture, Captures, Kind, Site};
use crate::{
    Fingerprint, InjectError, Position,
    brought::{self, SEPARATORS},
    inject::{self, parameter_name},
};

/// What may stand before a token in a header field.
const SCHEMES: [&str; 2] = ["bearer", "token"];
/// User names that say nothing but that a token follows.
const USERS: [&str; 6] = ["__token__", "git", "oauth2", "token", "x-access-token", "x-token-auth"];
/// What may stand behind a token that is the user name.
const PASSWORDS: [&str; 2] = ["", "x-oauth-basic"];

/// The captured values that a request presents the dummies of.
#[derive(Clone, Debug, Default)]
pub struct Presented(Vec<Standing>);

#[derive(Clone, Debug)]
struct Standing {
    capture: Arc<Capture>,
    place: Place,
}

/// Where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// In `Authorization`, in a pair of user name and password (RFC 7617): what is around it.
    Basic { before: String, after: String },
    /// Among the cookies.
    Cookie,
    /// In a header field, behind this.
    Header { name: HeaderName, before: String },
    /// In a query parameter.
    Query { name: String },
}

/// A dummy stands where its value cannot take its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request gives the dummy for a captured credential in {position}, where it cannot be exchanged")]
pub struct PresentError {
    /// Where.
    pub position: Position,
}

impl Captures {
    /// Takes the dummies of what was captured at the resource of `site` out of `request`, wherever credentials go. `own` says where the
    /// resource's own credential goes.
    ///
    /// # Errors
    /// If one stands in such a place and cannot be exchanged: written in an unknown way, or a cookie of another host.
    pub fn withdraw(
        &self,
        request: &mut request::Parts,
        site: Site<'_>,
        own: Option<&Pattern>,
    ) -> Result<Presented, PresentError> {
        let all = self.of(site.resource);
        if all.is_empty() {
            return Ok(Presented::default());
        }
        let fit: Vec<Arc<Capture>> = all.iter().filter(|one| site.secure || !one.secure).cloned().collect();
        let mut found = from_fields(&mut request.headers, &fit, own);
        found.extend(from_cookies(&mut request.headers, &fit, site.host));
        found.extend(from_query(request, &fit, own));
        match left(request, &all, own) {
            Some(position) => Err(PresentError { position }),
            None => Ok(Presented(found)),
        }
    }
}

fn from_fields(headers: &mut HeaderMap, all: &[Arc<Capture>], own: Option<&Pattern>) -> Vec<Standing> {
    let unfit = [header::COOKIE, header::PROXY_AUTHORIZATION, header::SEC_WEBSOCKET_PROTOCOL];
    let names: Vec<HeaderName> =
        brought::headers(headers, own).filter(|name| !unfit.contains(name)).cloned().collect();
    let mut found = Vec::new();
    for name in names {
        let mut values = headers.get_all(&name).iter();
        if let (Some(value), None) = (values.next(), values.next())
            && let Some(standing) = in_field(&name, value, all, own)
        {
            headers.remove(&name);
            found.push(standing);
        }
    }
    found
}

fn in_field(
    name: &HeaderName,
    value: &HeaderValue,
    all: &[Arc<Capture>],
    own: Option<&Pattern>,
) -> Option<Standing> {
    let text = value.to_str().ok()?.trim();
    if *name == header::AUTHORIZATION
        && let Some(pair) = basic_pair(text)
    {
        return in_pair(&pair, all, own);
    }
    let (before, dummy) = match own {
        Some(Pattern::Header { name: its, prefix })
            if its.eq_ignore_ascii_case(name.as_str()) && !prefix.is_empty() =>
        {
            text.strip_prefix(prefix.as_str()).map_or(("", text), |rest| (prefix.as_str(), rest))
        }
        _ => ("", text),
    };
    let (before, dummy) = match dummy.split_once(' ') {
        Some((scheme, rest)) if before.is_empty() && SCHEMES.contains(&&*scheme.to_ascii_lowercase()) => {
            (&dummy[..=scheme.len()], rest.trim_start())
        }
        _ => (before, dummy),
    };
    let capture = all.iter().find(|one| one.kind == Kind::Field && one.dummy == dummy)?;
    let place = Place::Header { name: name.clone(), before: before.to_owned() };
    Some(Standing { capture: Arc::clone(capture), place })
}

/// User name and password, if that is what it is.
fn basic_pair(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(' ')?;
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest.trim()).ok()).flatten()?;
    String::from_utf8(pair).ok()
}

fn in_pair(pair: &str, all: &[Arc<Capture>], own: Option<&Pattern>) -> Option<Standing> {
    let (user, password) = pair.split_once(':')?;
    let knows = |user: &str| match own {
        Some(Pattern::Basic { username }) if username == user => true,
        _ => user.is_empty() || USERS.contains(&user),
    };
    let is = |text: &str| all.iter().find(|one| one.kind == Kind::Field && one.dummy == text);
    let (capture, place) = match (is(user), is(password)) {
        (None, Some(capture)) if knows(user) => {
            (capture, Place::Basic { before: format!("{user}:"), after: String::new() })
        }
        (Some(capture), None) if PASSWORDS.contains(&password) => {
            (capture, Place::Basic { before: String::new(), after: format!(":{password}") })
        }
        _ => return None,
    };
    Some(Standing { capture: Arc::clone(capture), place })
}

/// Takes those cookies out whose dummies were set here; the agent's own stay.
fn from_cookies(headers: &mut HeaderMap, all: &[Arc<Capture>], host: &str) -> Vec<Standing> {
    let fields: Vec<Vec<u8>> =
        headers.get_all(header::COOKIE).iter().map(|field| field.as_bytes().to_vec()).collect();
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for pair in fields.iter().flat_map(|field| field.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii) {
        match all.iter().find(|one| one.is_cookie(pair, host)) {
            Some(capture) => found.push(Standing { capture: Arc::clone(capture), place: Place::Cookie }),
            None if pair.is_empty() => {}
            None => others.push(pair),
        }
    }
    if found.is_empty() {
        return found;
    }
    headers.remove(header::COOKIE);
    // It was a part of a field before.
    if !others.is_empty()
        && let Ok(field) = HeaderValue::from_bytes(&others.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, field);
    }
    found
}

impl Capture {
    /// Whether `pair` is this cookie, as a client at `host` sends it back.
    fn is_cookie(&self, pair: &[u8], host: &str) -> bool {
        let Kind::Cookie { name, reach, .. } = &self.kind else { return false };
        let value = pair.strip_prefix(name.as_slice()).and_then(|rest| rest.strip_prefix(b"="));
        reach.covers(host) && value == Some(self.dummy.as_bytes())
    }

    /// The cookie as its service wants it back.
    fn cookie(&self) -> Option<Zeroizing<Vec<u8>>> {
        let Kind::Cookie { name, quoted, .. } = &self.kind else { return None };
        let quote: &[u8] = if *quoted { b"\"" } else { b"" };
        Some(Zeroizing::new([name.as_slice(), b"=", quote, self.secret.expose(), quote].concat()))
    }
}

fn from_query(request: &mut request::Parts, all: &[Arc<Capture>], own: Option<&Pattern>) -> Vec<Standing> {
    let Some(query) = request.uri.query().map(str::to_owned) else { return Vec::new() };
    let (mut found, mut kept) = (Vec::new(), Vec::new());
    for part in query.split('&') {
        let name = parameter_name(part);
        let value = part.split_once('=').map(|(_, value)| percent_decode_str(value).collect::<Vec<u8>>());
        let is_it =
            |one: &&Arc<Capture>| one.kind == Kind::Field && value.as_deref() == Some(one.dummy.as_bytes());
        match all.iter().find(is_it).filter(|_| brought::is_parameter(&name, own)) {
            Some(capture) => {
                found.push(Standing { capture: Arc::clone(capture), place: Place::Query { name } });
            }
            None => kept.push(part),
        }
    }
    if found.is_empty() {
        return found;
    }
    let path = request.uri.path();
    let target = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    match inject::retarget(&mut request.uri, &target) {
        Ok(()) => found,
        // It stays where it is, and is found there.
        Err(_) => Vec::new(),
    }
}

/// Where in a place for credentials a dummy of `all` is left.
fn left(request: &request::Parts, all: &[Arc<Capture>], own: Option<&Pattern>) -> Option<Position> {
    let holds = |text: &[u8]| {
        let is_in = |dummy: &str| text.windows(dummy.len()).any(|window| window == dummy.as_bytes());
        all.iter().any(|one| is_in(&one.dummy))
    };
    let in_fields = brought::headers(&request.headers, own).find(|name| {
        request.headers.get_all(*name).iter().any(|value| {
            holds(value.as_bytes())
                || value.to_str().ok().and_then(basic_pair).is_some_and(|pair| holds(pair.as_bytes()))
        })
    });
    let in_query = request.uri.query().unwrap_or_default().split(SEPARATORS).find(|part| {
        brought::is_parameter(&parameter_name(part), own)
            && holds(&percent_decode_str(part).collect::<Vec<u8>>())
    });
    let in_fields = in_fields.map(|name| Position::Header(name.to_string()));
    in_fields.or_else(|| in_query.map(|part| Position::Query(parameter_name(part))))
}

impl Presented {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The dummies, which are nobody's secret: what tells one request from another with other ones.
    pub fn dummies(&self) -> Vec<&str> {
        self.0.iter().map(|one| one.capture.dummy.as_str()).collect()
    }

    /// What the ledger may know of them: where they came from, each once.
    pub fn source(&self) -> String {
        let mut sources: Vec<&str> = self.0.iter().map(|one| one.capture.source.as_str()).collect();
        sources.dedup();
        sources.join(", ")
    }

    /// The fingerprint of the first.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.0.first().map(|one| one.capture.fingerprint)
    }

    /// Puts the real values where their dummies were. What answers must be searched, see [`crate::ask_for_plain`].
    ///
    /// # Errors
    /// If one cannot be sent there. The request must not be sent then.
    pub fn inject(&self, request: &mut request::Parts) -> Result<(), InjectError> {
        for standing in &self.0 {
            standing.inject(request)?;
        }
        Ok(())
    }
}

impl Standing {
    fn inject(&self, request: &mut request::Parts) -> Result<(), InjectError> {
        let (secret, headers) = (&self.capture.secret, &mut request.headers);
        match &self.place {
            Place::Header { name, before } => {
                inject::set(headers, name.clone(), before.as_bytes(), secret.expose())
            }
            Place::Basic { before, after } => {
                let pair = Zeroizing::new([before.as_bytes(), secret.expose(), after.as_bytes()].concat());
                let encoded = Zeroizing::new(STANDARD.encode(&*pair));
                inject::set(headers, header::AUTHORIZATION, b"Basic ", encoded.as_bytes())
            }
            Place::Cookie => {
                let own = self.capture.cookie().unwrap_or_default();
                let before = headers.get(header::COOKIE).map(|field| [field.as_bytes(), b"; "].concat());
                let before = Zeroizing::new(before.unwrap_or_default());
                inject::set(headers, header::COOKIE, &before, &own)
            }
            Place::Query { name } => {
                let query = inject::with_parameter(request.uri.query(), name, secret);
                let target = Zeroizing::new(format!("{}?{}", request.uri.path(), &*query));
                inject::retarget(&mut request.uri, &target)
            }
        }
    }
}
