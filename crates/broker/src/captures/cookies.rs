//! Cookies (RFC 6265): what an answer sets, and which of them belong to a request.

use http::{HeaderMap, HeaderValue, header};
use percent_encoding::percent_decode;

use super::{CaptureError, Captured, Captures, Kind, Site, Taken};
use crate::Secret;

/// To which hosts of its resource a cookie goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// This one and those below it.
    Domain(String),
    /// This one.
    Host(String),
}

impl Reach {
    /// Whether it goes to `host`.
    pub(super) fn covers(&self, host: &str) -> bool {
        match self {
            Self::Domain(domain) => is_below(host, domain),
            Self::Host(own) => own == host,
        }
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// One `Set-Cookie`, in its parts.
struct Setting<'a> {
    name: &'a [u8],
    /// Without quotes.
    value: &'a [u8],
    quoted: bool,
    /// All behind the value, from its `;` on.
    attributes: &'a [u8],
}

impl<'a> Setting<'a> {
    fn read(field: &'a [u8]) -> Option<Self> {
        let end = field.iter().position(|byte| *byte == b';').unwrap_or(field.len());
        let (pair, attributes) = field.split_at(end);
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        let inner = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        let value = inner.unwrap_or(value);
        (!name.is_empty()).then_some(Self { name, value, quoted: inner.is_some(), attributes })
    }

    /// The last attribute of this name counts (RFC 6265 §5.3).
    fn attribute(&self, name: &str) -> Option<String> {
        let attributes = self.attributes.split(|byte| *byte == b';');
        let pairs = attributes.map(|one| String::from_utf8_lossy(one).trim().to_ascii_lowercase());
        let mut values = pairs.filter_map(|one| match one.split_once('=') {
            Some((found, value)) => (found.trim() == name).then(|| value.trim().to_owned()),
            None => (one == name).then(String::new),
        });
        values.next_back()
    }

    /// Whether it takes a cookie away: then its value is nothing to anybody.
    fn deletes(&self) -> bool {
        let age = self.attribute("max-age").and_then(|age| age.parse::<i64>().ok());
        let epoch = self.attribute("expires").is_some_and(|at| at.contains("1970"));
        self.value.is_empty() || age.map_or(epoch, |age| age <= 0)
    }

    /// The host that it says, if that may say so; else the one that it came from.
    fn reach(&self, host: &str) -> Reach {
        let said = self.attribute("domain").map(|domain| domain.trim_start_matches('.').to_owned());
        match said {
            Some(domain) if domain.contains('.') && is_below(host, &domain) => Reach::Domain(domain),
            Some(_) | None => Reach::Host(host.to_owned()),
        }
    }

    /// The field with another value.
    fn with(&self, value: &[u8]) -> Option<HeaderValue> {
        HeaderValue::from_bytes(&[self.name, b"=", value, self.attributes].concat()).ok()
    }
}

impl Captures {
    /// Captures what `headers`, of an answer of `from`, set as cookies, and puts dummies in their place. What takes a cookie away stays; what is
    /// too short to be kept goes. `source` is what the record calls them.
    ///
    /// # Errors
    /// If there are more than can be kept. The answer must not go on then.
    pub fn take_cookies(
        &self,
        headers: &mut HeaderMap,
        from: Site<'_>,
        source: &str,
    ) -> Result<Captured, CaptureError> {
        let fields: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
        headers.remove(header::SET_COOKIE);
        let (mut settings, mut secrets) = (Vec::new(), Vec::new());
        for setting in fields.iter().filter_map(|field| Setting::read(field.as_bytes())) {
            if setting.deletes() {
                settings.push((setting, None));
                continue;
            }
            let Ok(secret) = Secret::new(setting.value.to_vec()) else { continue };
            let decoded: Vec<u8> = percent_decode(setting.value).collect();
            let also = if decoded == setting.value { None } else { Secret::new(decoded).ok() };
            let (name, quoted) = (setting.name.to_vec(), setting.quoted);
            let kind = Kind::Cookie { name, quoted, reach: setting.reach(from.host) };
            settings.push((setting, Some(secrets.len())));
            secrets.push(Taken { kind, secret, also, over: None });
        }
        let dummies = self.keep(secrets, from, source)?;
        let value = |at: Option<usize>| at.and_then(|at| dummies.get(at)).map_or("", String::as_str);
        let next: Vec<HeaderValue> =
            settings.iter().filter_map(|(setting, at)| setting.with(value(*at).as_bytes())).collect();
        for field in next {
            headers.append(header::SET_COOKIE, field);
        }
        Ok(Captured { dummies })
    }
}
