//! Addresses: scheme, host and port, parsed strictly.
//!
//! A host has exactly one spelling here, so that what is looked up, decided and dialled cannot be three different things. This
//! module must never resolve a name, and never accept a spelling that some resolver reads as an address and another as a name.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The domain that is the gateway's own: asked for inside a sandbox only, resolved and dialled by nobody. `.internal` is reserved for
/// private use (ICANN board resolution 2024.07.29.06).
pub const RESERVED: &str = "bailiwick.internal";

/// What is spoken at an address.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// HTTP in clear text.
    Http,
    /// HTTP over TLS.
    Https,
    /// Bytes that are not looked into.
    Tcp,
}

/// The protocol of a resource, which its addresses' schemes must fit.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2, with or without TLS.
    #[default]
    Http,
    /// Opaque bytes: decided per connection, nothing is injected.
    Tcp,
}

/// A host in its one canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An address literal. Matches only requests for that literal.
    Ip(IpAddr),
    /// A DNS name: lower-case, ASCII (`xn--` for others), no final dot.
    Name(Box<str>),
    /// Exactly one label in front of this name.
    Wildcard(Box<str>),
}

/// Where a resource is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// What is spoken there.
    pub scheme: Scheme,
    /// On which host.
    pub host: Host,
    /// At which port.
    pub port: u16,
}

/// A text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an address: {problem}", .text.escape_debug())]
pub struct ParseAddressError {
    pub(crate) text: String,
    pub(crate) problem: &'static str,
}

impl Scheme {
    /// The scheme as it is written before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
        }
    }

    /// The port that goes without saying.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Tcp => None,
        }
    }

    /// The protocol that this scheme carries.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Http | Self::Https => Protocol::Http,
            Self::Tcp => Protocol::Tcp,
        }
    }
}

impl Host {
    /// Whether this is the machine itself or a private network, by its spelling: an address literal from such a range, `localhost`
    /// or a name below it. Says nothing about what a public name resolves to.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Ip(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            Self::Ip(IpAddr::V6(ip)) => {
                ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
            }
            Self::Name(name) | Self::Wildcard(name) => is_localhost(name),
        }
    }

    /// Whether this is the machine's own loopback, by its spelling.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.is_loopback(),
            Self::Name(name) | Self::Wildcard(name) => is_localhost(name),
        }
    }

    /// Whether this is a name that only the gateway answers to: nothing can be declared there.
    pub fn is_reserved(&self) -> bool {
        match self {
            Self::Ip(_) => false,
            Self::Name(name) | Self::Wildcard(name) => {
                **name == *RESERVED || name.strip_suffix(RESERVED).is_some_and(|below| below.ends_with('.'))
            }
        }
    }

    /// Whether a request for `host`, already canonical, is a request for this.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Ip(_) => host.parse::<Self>().is_ok_and(|host| host == *self),
            Self::Name(name) => **name == *host,
            Self::Wildcard(parent) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == &**parent)
            }
        }
    }
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

impl FromStr for Host {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        host(text).map_err(|problem| ParseAddressError { text: text.to_owned(), problem })
    }
}

fn host(text: &str) -> Result<Host, &'static str> {
    if let Some(inner) = text.strip_prefix('[') {
        let literal = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return v6(literal.ok_or("the IPv6 literal in brackets cannot be read")?);
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return v6(ip);
    }
    if !text.is_ascii() {
        return Err("write the name in its ASCII form (`xn--…`)");
    }
    let lower = text.to_ascii_lowercase();
    let Some(parent) = lower.strip_prefix("*.") else {
        return name(&lower).map(|()| Host::Name(lower.into()));
    };
    name(parent)?;
    if !parent.contains('.') && parent != "localhost" {
        return Err("a wildcard needs at least two labels behind it, like `*.example.com`");
    }
    Ok(Host::Wildcard(parent.into()))
}

/// IPv4 addresses have one spelling, the dotted one.
fn v6(ip: Ipv6Addr) -> Result<Host, &'static str> {
    match ip.to_ipv4_mapped() {
        Some(_) => Err("write an IPv4 address as IPv4, not mapped into IPv6"),
        None => Ok(Host::Ip(ip.into())),
    }
}

/// RFC 1123 names, plus `_`, which service names use. The last label must not look like a number: resolvers read `127.1`, `0x7f.1`
/// and `2130706433` as addresses.
fn name(text: &str) -> Result<(), &'static str> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    if text.is_empty() || text.len() > 253 || !text.split('.').all(label) {
        return Err("the host is neither a DNS name nor an address literal");
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    if numeric { Err("an address literal must be written as four decimal numbers") } else { Ok(()) }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Name(name) => f.write_str(name),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

impl Address {
    /// Parses `scheme://host:port`, or, where `protocol` is [`Protocol::Tcp`], also `host:port`.
    ///
    /// # Errors
    /// If the scheme is unknown or missing, the host or port cannot be read in exactly one way, or there is anything more (user
    /// information, a path, a query, a fragment).
    pub fn parse(text: &str, protocol: Protocol) -> Result<Self, ParseAddressError> {
        address(text, protocol).map_err(|problem| ParseAddressError { text: text.to_owned(), problem })
    }
}

fn address(text: &str, protocol: Protocol) -> Result<Address, &'static str> {
    let (scheme, rest) = match text.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("tcp", rest)) => (Scheme::Tcp, rest),
        Some(_) => return Err("the scheme must be `https`, `http` or `tcp`"),
        None if protocol == Protocol::Tcp => (Scheme::Tcp, text),
        None => return Err("write it with its scheme, like `https://host:port`"),
    };
    let authority = match scheme {
        Scheme::Http | Scheme::Https => rest.strip_suffix('/').unwrap_or(rest),
        Scheme::Tcp => rest,
    };
    if authority.contains(['/', '?', '#', '\\']) {
        return Err("it ends after the port; a path belongs in a route");
    }
    if authority.contains('@') {
        return Err(
            "it must not carry a user or password; store the secret with `bailiwick secret set NAME`",
        );
    }
    let (host_text, port) = split_port(authority)?;
    let port = port.or(scheme.default_port()).ok_or("`tcp` needs a port, like `tcp://host:5432`")?;
    let host = host(host_text)?;
    if host.is_reserved() {
        return Err("names below `bailiwick.internal` are the gateway's own");
    }
    Ok(Address { scheme, host, port })
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority.get(bracket..).and_then(|rest| rest.find(':')).map(|at| at + bracket) else {
        return Ok((authority, None));
    };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    let canonical = !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if canonical => Ok((host, Some(port))),
        Ok(_) | Err(_) => Err("the port must be a number from 1 to 65535"),
    }
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, Protocol::Http)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.scheme.default_port() == Some(self.port) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Address {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(https?|tcp)://[^/?#@]+$" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        for (text, canonical) in [
            ("https://LocalHost:8443", "https://localhost:8443"),
            ("https://example.com/", "https://example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:8080", "http://example.com:8080"),
            ("https://[::1]:8443", "https://[::1]:8443"),
            ("https://*.example.com", "https://*.example.com"),
            ("tcp://127.0.0.1:5432", "tcp://127.0.0.1:5432"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), canonical);
        }
        assert_eq!(
            Address::parse("127.0.0.1:5432", Protocol::Tcp).unwrap().to_string(),
            "tcp://127.0.0.1:5432"
        );
    }

    #[test]
    fn what_can_be_read_two_ways_is_refused() {
        for bad in [
            "example.com",
            "ftp://example.com",
            "https://",
            "https://user@example.com",
            "https://example.com/path",
            "https://example.com?x",
            "https://example.com#x",
            "https://example.com\\@evil.example",
            "https://example.com:0",
            "https://example.com:065",
            "https://example.com:+80",
            "https://example.com:65536",
            "https://example.com:",
            "https://example.com.",
            "https://exa mple.com",
            "https://127.1",
            "https://0x7f.1",
            "https://0x7f000001",
            "https://2130706433",
            "https://127.0.0.01",
            "https://[::ffff:127.0.0.1]",
            "https://[::1",
            "https://::1:80x",
            "https://*",
            "https://*.com",
            "https://a.*.com",
            "https://bücher.example",
            "https://-a.example",
            "tcp://example.com",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_gateways_own_names_cannot_be_declared() {
        for own in [
            "http://hook.bailiwick.internal",
            "https://HOOK.bailiwick.internal",
            "http://bailiwick.internal:8080",
            "tcp://a.b.bailiwick.internal:80",
            "http://*.bailiwick.internal",
            "http://*.hook.bailiwick.internal",
        ] {
            let error = Address::parse(own, Protocol::Http).unwrap_err().to_string();
            assert!(error.contains("the gateway's own"), "{own}: {error}");
        }
        for other in
            ["http://bailiwick.internal.example", "http://notbailiwick.internal", "http://a.internal"]
        {
            assert!(Address::parse(other, Protocol::Http).is_ok(), "{other}");
        }
    }

    #[test]
    fn a_wildcard_is_one_label() {
        let host: Host = "*.example.com".parse().unwrap();
        assert!(host.matches("a.example.com"));
        for no in ["example.com", ".example.com", "a.b.example.com", "aexample.com"] {
            assert!(!host.matches(no), "{no}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_printing_round_trips(text in "(https|http|tcp)://[a-z0-9.:\\[\\]*@/-]{0,20}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
            }
        }
    }
}
