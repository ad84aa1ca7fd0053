//! A new connection to an upstream: resolved once, judged, dialled at the judged address, verified.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bailiwick_catalogue::{Host, Resource, Scheme};
use rustls::{CertificateError, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Resolve, Trust,
    guard::{self, GuardError},
    trust::TrustError,
};

/// What an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A connection to an upstream, verified.
pub(super) enum Dialled {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>, Protocol),
}

/// Where to dial.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) scheme: Scheme,
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) private: bool,
    /// Where to dial instead of what the name resolves to.
    pub(super) at: Option<SocketAddr>,
    pub(super) anchor: Option<PathBuf>,
    /// Offer HTTP/1.1 alone.
    pub(super) http1: bool,
}

/// An upstream cannot be reached, or is not who it should be. The text is ours alone, never the upstream's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Where the name leads is out of bounds.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The name cannot be resolved.
    #[error("`{name}` cannot be resolved: {error}")]
    Resolve { name: String, error: io::Error },
    /// No address answers.
    #[error("{address} cannot be reached: {error}")]
    Connect { address: SocketAddr, error: io::Error },
    /// It is not who it should be.
    #[error("the certificate of `{name}` {problem}")]
    Certificate { name: String, problem: &'static str },
    /// It does not speak TLS as we do.
    #[error("the TLS handshake with `{name}` failed: {problem}")]
    Tls { name: String, problem: String },
    /// It does not speak HTTP as we do.
    #[error("`{name}` does not speak HTTP: {error}")]
    Http { name: String, error: hyper::Error },
    /// Whom to believe cannot be told.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// It does not answer in time.
    #[error("`{name}` did not answer within {} s", .limit.as_secs())]
    Timeout { name: String, limit: Duration },
}

impl Destination {
    /// Where `resource` is, asked for as `scheme://host:port`.
    pub(super) fn new(resource: &Resource, scheme: Scheme, host: Host, port: u16, http1: bool) -> Self {
        Self {
            scheme,
            host,
            port,
            private: resource.private,
            at: resource.dial,
            anchor: resource.ca.clone(),
            http1,
        }
    }
}

/// Dials `to`.
pub(super) async fn dial(
    to: &Destination,
    resolver: &dyn Resolve,
    trust: &Arc<Trust>,
    limit: Duration,
) -> Result<Dialled, DialError> {
    let addresses = addresses(to, resolver, limit).await?;
    let stream = connect(to, &addresses, limit).await?;
    // A lost request is worse than a small packet.
    let _ = stream.set_nodelay(true);
    match to.scheme {
        Scheme::Http | Scheme::Tcp => Ok(Dialled::Plain(stream)),
        Scheme::Https => secure(to, stream, trust, limit).await,
    }
}

/// Every address that may be dialled.
async fn addresses(
    to: &Destination,
    resolver: &dyn Resolve,
    limit: Duration,
) -> Result<Vec<IpAddr>, DialError> {
    if let Some(at) = to.at {
        guard::check_literal(at.ip())?;
        return Ok(vec![at.ip()]);
    }
    let name = match &to.host {
        Host::Ip(ip) => {
            guard::check_literal(*ip)?;
            return Ok(vec![*ip]);
        }
        Host::Name(name) | Host::Wildcard(name) => name,
    };
    let late = || DialError::Timeout { name: name.to_string(), limit };
    let found = timeout(limit, resolver.resolve(name)).await.map_err(|_| late())?;
    let found = found.map_err(|error| DialError::Resolve { name: name.to_string(), error })?;
    guard::check(name, &found, to.private)?;
    Ok(found)
}

async fn connect(to: &Destination, addresses: &[IpAddr], limit: Duration) -> Result<TcpStream, DialError> {
    let mut last = DialError::Guard(GuardError::NoAddress { name: to.host.to_string() });
    for ip in addresses {
        let address = SocketAddr::new(*ip, to.at.map_or(to.port, |at| at.port()));
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = DialError::Connect { address, error },
            Err(_) => last = DialError::Timeout { name: address.to_string(), limit },
        }
    }
    Err(last)
}

async fn secure(
    to: &Destination,
    stream: TcpStream,
    trust: &Arc<Trust>,
    limit: Duration,
) -> Result<Dialled, DialError> {
    let (trust, anchor, http1) = (Arc::clone(trust), to.anchor.clone(), to.http1);
    let config = tokio::task::spawn_blocking(move || trust.config(anchor.as_deref(), http1)).await;
    let config = config
        .map_err(|error| DialError::Tls { name: to.host.to_string(), problem: error.to_string() })??;
    let name = match &to.host {
        Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
        Host::Name(name) | Host::Wildcard(name) => ServerName::try_from(name.to_string())
            .map_err(|error| DialError::Tls { name: to.host.to_string(), problem: error.to_string() })?,
    };
    let handshake = TlsConnector::from(config).connect(name, stream);
    let late = |_| DialError::Timeout { name: to.host.to_string(), limit };
    let stream = timeout(limit, handshake).await.map_err(late)?.map_err(|error| refused(to, &error))?;
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        Some(_) | None => Protocol::Http1,
    };
    Ok(Dialled::Tls(Box::new(stream), protocol))
}

/// What was wrong, in our own words: a certificate can carry text.
fn refused(to: &Destination, error: &io::Error) -> DialError {
    let name = to.host.to_string();
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(problem)) => {
            DialError::Certificate { name, problem: describe(problem) }
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            DialError::Tls { name, problem: format!("it answered with the alert {alert:?}") }
        }
        Some(_) => {
            DialError::Tls { name, problem: "it does not speak TLS 1.2 or 1.3 as expected".to_owned() }
        }
        None => DialError::Tls { name, problem: error.kind().to_string() },
    }
}

fn describe(problem: &CertificateError) -> &'static str {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another name"
        }
        CertificateError::UnknownIssuer => {
            "is by an authority that neither this host nor the resource's `ca` trusts"
        }
        CertificateError::Revoked => "was revoked",
        _ => "cannot be accepted",
    }
}

#[cfg(test)]
mod tests {
    use bailiwick_catalogue::Definition;
    use tokio::net::TcpListener;

    use super::*;
    use crate::Resolved;

    /// A zone that leads every name to one address.
    struct Zone(IpAddr);

    impl Resolve for Zone {
        fn resolve<'a>(&'a self, _name: &'a str) -> Resolved<'a> {
            Box::pin(async { Ok(vec![self.0]) })
        }
    }

    async fn dialled(resource: &Resource, port: u16, leads_to: &str) -> Result<Dialled, DialError> {
        let host: Host = "a.example.com".parse().unwrap();
        let to = Destination::new(resource, Scheme::Http, host, port, true);
        dial(&to, &Zone(leads_to.parse().unwrap()), &Arc::new(Trust::of_host()), Duration::from_secs(30))
            .await
    }

    #[tokio::test]
    async fn what_nobody_declared_is_not_followed_inside() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let private = "address = 'http://a.example.com'\nprivate = true\n";
        let private = Definition::load("a".parse().unwrap(), "a", private).unwrap();
        assert!(dialled(&private, port, "127.0.0.1").await.is_ok(), "the control arrives");
        let undeclared = Resource::undeclared(Scheme::Http, "a.example.com", 80).unwrap();
        for inside in ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "fd00:ec2::254", "0.0.0.0"] {
            let refused = dialled(&undeclared, port, inside).await;
            assert!(matches!(refused, Err(DialError::Guard(_))), "{inside}");
        }
    }
}
