//! One request, understood: method, host, path, query, and the head that will be forwarded.
//!
//! All that names the destination must agree: the address connected to, the TLS server name, `Host`, `:authority`, an absolute target.

use bailiwick_catalogue::{Host, HttpRequestView, Scheme};
use http::{HeaderMap, Method, Uri, header, request, uri::Authority};

use super::{fields, malformed::Malformed, target::Target};
use crate::{connect::LOOPBACK, sources::Meant};

/// A request's head, canonical.
#[derive(Clone, Debug)]
pub(crate) struct Canonical {
    /// The method.
    pub(crate) method: Method,
    /// Whether it came over TLS.
    pub(crate) scheme: Scheme,
    /// The host it is for.
    pub(crate) host: String,
    /// The port it is for.
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) target: Target,
    /// The end-to-end fields, without `host`.
    pub(crate) fields: HeaderMap,
    /// Whether it asks to become a WebSocket.
    pub(crate) websocket: bool,
    content_type: Option<String>,
}

impl Canonical {
    /// Understands a request that came in on a connection meant for `meant`.
    pub(crate) fn read(parts: &request::Parts, scheme: Scheme, meant: &Meant) -> Result<Self, Malformed> {
        let host = read_host(parts, scheme, meant)?;
        let target = Target::read(parts.uri.path(), parts.uri.query())?;
        let websocket = fields::asks_for_websocket(parts)?;
        let fields = fields::end_to_end(&parts.headers)?;
        let content_type = fields::content_type(&fields)?;
        Ok(Self {
            method: parts.method.clone(),
            scheme,
            host,
            port: meant.port(),
            target,
            fields,
            websocket,
            content_type,
        })
    }

    /// The head as it will be forwarded, in origin form; credentials are taken out of this one.
    pub(crate) fn head(&self) -> Result<request::Parts, Malformed> {
        let uri = self
            .target
            .text()
            .parse::<Uri>()
            .map_err(|_| Malformed::new("the request target is too long"))?;
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = uri;
        parts.headers = self.fields.clone();
        Ok(parts)
    }

    /// The same request with `head`'s path, query and fields.
    pub(crate) fn with_head(mut self, head: request::Parts) -> Result<Self, Malformed> {
        self.target = Target::read(head.uri.path(), head.uri.query())?;
        self.fields = head.headers;
        Ok(self)
    }

    /// Host and port as they are written in `Host` and `:authority`.
    pub(crate) fn authority(&self) -> String {
        if self.scheme.default_port() == Some(self.port) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// What it is addressed to, as it would be declared.
    pub(crate) fn address(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority())
    }

    /// Calls `with` with the view that routes are matched against.
    pub(crate) fn view<T>(&self, with: impl FnOnce(&HttpRequestView<'_>) -> T) -> T {
        let segments: Vec<&str> = self.target.segments.iter().map(String::as_str).collect();
        with(&HttpRequestView {
            method: self.method.as_str(),
            host: &self.host,
            port: self.port,
            segments: &segments,
            path: &self.target.path,
            query: &self.target.pairs,
            websocket: self.websocket,
            content_type: self.content_type.as_deref(),
        })
    }
}

fn read_host(parts: &request::Parts, scheme: Scheme, meant: &Meant) -> Result<String, Malformed> {
    if let Some(claimed) = parts.uri.scheme_str()
        && claimed != scheme.as_str()
    {
        return Err(Malformed::new(format!(
            "the request says it came over `{}`, and did not",
            claimed.escape_debug()
        )));
    }
    let mut claims = Vec::new();
    if let Some(authority) = parts.uri.authority() {
        claims.push(authority.as_str().to_owned());
    }
    for value in parts.headers.get_all(header::HOST) {
        let value = value.to_str().map_err(|_| Malformed::new("the `host` is not ASCII"))?;
        claims.push(value.to_owned());
    }
    let hosts =
        claims.iter().map(|claim| canonical(claim, scheme, meant.port())).collect::<Result<Vec<_>, _>>()?;
    let Some((host, others)) = hosts.split_first() else {
        return Err(Malformed::new("the request names no host"));
    };
    if others.iter().any(|other| other != host) {
        return Err(Malformed::new("the request names more than one host"));
    }
    if !agrees(host, meant) {
        let detail =
            format!("the request is for `{host}`, and its connection was made to `{}`", meant.host());
        return Err(Malformed::new(detail));
    }
    Ok(host.clone())
}

/// The host of an authority, if its port is the one connected to.
fn canonical(claim: &str, scheme: Scheme, port: u16) -> Result<String, Malformed> {
    if claim.contains('@') {
        return Err(Malformed::credential("the host has user information in front of it"));
    }
    let unreadable = || Malformed::new("the host cannot be read in exactly one way");
    let authority: Authority = claim.parse().map_err(|_| unreadable())?;
    let host: Host = authority.host().parse().map_err(|_| unreadable())?;
    if matches!(host, Host::Wildcard(_)) {
        return Err(unreadable());
    }
    let claimed = match authority.port() {
        None if claim.ends_with(':') => return Err(unreadable()),
        None => scheme.default_port(),
        Some(port) => Some(port.as_str().parse().map_err(|_| unreadable())?),
    };
    if claimed != Some(port) {
        return Err(Malformed::new(format!(
            "the request names another port than the one it came to, {port}"
        )));
    }
    Ok(host.to_string())
}

fn agrees(host: &str, meant: &Meant) -> bool {
    match meant {
        Meant::Name { name, .. } => **name == *host,
        Meant::Address(address) if address.ip().is_loopback() => {
            LOOPBACK.contains(&host) || meant.host() == host
        }
        Meant::Address(_) => meant.host() == host,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(uri: &str, hosts: &[&str], scheme: Scheme, meant: &Meant) -> Result<String, Malformed> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Canonical::read(&parts, scheme, meant).map(|canonical| canonical.address())
    }

    #[test]
    fn everything_that_names_the_destination_agrees() {
        let name = Meant::Name { name: "a.example".into(), port: 443 };
        let odd = Meant::Name { name: "a.example".into(), port: 8443 };
        let good = |uri, hosts: &[&str], meant| read(uri, hosts, Scheme::Https, meant).unwrap();
        assert_eq!(good("/", &["a.example"], &name), "https://a.example");
        assert_eq!(good("/", &["A.Example:443"], &name), "https://a.example");
        assert_eq!(good("/", &["a.example:8443"], &odd), "https://a.example:8443");
        assert_eq!(good("https://a.example/", &["a.example"], &name), "https://a.example");
        assert_eq!(good("https://a.example/", &[], &name), "https://a.example");
        let bad: [(&str, &[&str], &Meant); 15] = [
            ("/", &[], &name),
            ("/", &["b.example"], &name),
            ("/", &["a.example", "a.example.evil.example"], &name),
            ("https://b.example/", &["a.example"], &name),
            ("https://a.example/", &["b.example"], &name),
            ("http://a.example/", &["a.example"], &name),
            ("/", &["a.example:8443"], &name),
            ("/", &["a.example"], &odd),
            ("/", &["a.example:"], &name),
            ("/", &["a.example."], &name),
            ("/", &["a.example:0443"], &odd),
            ("/", &["user@a.example"], &name),
            ("https://user:pw@a.example/", &["a.example"], &name),
            ("/", &["*.example"], &name),
            ("/", &["127.0.0.1"], &name),
        ];
        for (uri, hosts, meant) in bad {
            assert!(read(uri, hosts, Scheme::Https, meant).is_err(), "{uri} {hosts:?}");
        }
    }

    #[test]
    fn a_literal_agrees_with_itself_and_loopback_with_its_names() {
        let literal = Meant::Address("192.0.2.7:80".parse().unwrap());
        let loopback = Meant::Address("[::1]:8080".parse().unwrap());
        assert!(read("/", &["192.0.2.7"], Scheme::Http, &literal).is_ok());
        for bad in ["a.example", "192.0.2.8", "0xc0000207", "3221225991", "192.0.2.07"] {
            assert!(read("/", &[bad], Scheme::Http, &literal).is_err(), "{bad}");
        }
        for good in ["localhost:8080", "[::1]:8080", "127.0.0.1:8080"] {
            assert!(read("/", &[good], Scheme::Http, &loopback).is_ok(), "{good}");
        }
        assert!(read("/", &["a.example:8080"], Scheme::Http, &loopback).is_err());
    }
}
