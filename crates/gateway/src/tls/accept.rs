//! The handshake with a client: its name must be the one the connection was meant for.

use std::{io, net::IpAddr, sync::Arc};

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{AuthorityError, Leaves, Offer, Subject};
use crate::sources::Meant;

/// A connection whose handshake is done.
pub(crate) struct Accepted<S> {
    /// Clear text from here on.
    pub(crate) stream: TlsStream<S>,
    /// Whether HTTP/2 was agreed on.
    pub(crate) http2: bool,
}

/// A handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The client asks for another name than the one it connected to.
    #[error("the TLS server name `{}` is not the name that the connection was made to, `{}`", .asked.escape_debug(), .meant.escape_debug())]
    Disagreement {
        /// The server name of the handshake (RFC 6066 §3).
        asked: String,
        /// What the connection was meant for.
        meant: String,
    },
    /// No certificate could be made.
    #[error(transparent)]
    Authority(#[from] Arc<AuthorityError>),
    /// The client ended it or does not trust us: a pinned client, or one that does not read the session's trust store.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[from] io::Error),
}

/// Completes a handshake on a connection that was meant for `meant`.
pub(crate) async fn accept<S>(
    stream: S,
    meant: &Meant,
    leaves: &Leaves,
    offer: Offer,
) -> Result<Accepted<S>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let hello = start.client_hello();
    let subject = subject(meant, hello.server_name())?;
    // A client that speaks nothing else than HTTP/2 is not offered HTTP/1.1 in vain, and the other way round.
    let config = leaves.config(&subject, offer)?;
    let stream = start.into_stream(config).await?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok(Accepted { stream, http2 })
}

/// Whom the certificate must be for.
fn subject(meant: &Meant, asked: Option<&str>) -> Result<Subject, TlsError> {
    let disagreement = |asked: &str| TlsError::Disagreement { asked: asked.to_owned(), meant: meant.host() };
    match (meant, asked.map(str::to_ascii_lowercase)) {
        (Meant::Name { name, .. }, None) => Ok(Subject::Name(Arc::clone(name))),
        (Meant::Name { name, .. }, Some(asked)) if asked == **name => Ok(Subject::Name(Arc::clone(name))),
        (Meant::Address(address), asked) if address.ip().is_loopback() => match asked {
            None => Ok(Subject::Loopback),
            Some(asked) if asked == "localhost" || is_literal(&asked, address.ip()) => Ok(Subject::Loopback),
            Some(asked) => Err(disagreement(&asked)),
        },
        (Meant::Address(address), None) => Ok(Subject::Address(address.ip())),
        (Meant::Address(address), Some(asked)) if is_literal(&asked, address.ip()) => {
            Ok(Subject::Address(address.ip()))
        }
        (Meant::Address(_) | Meant::Name { .. }, Some(asked)) => Err(disagreement(&asked)),
    }
}

/// Some clients send the address as a name, which RFC 6066 §3 forbids; it says the same thing.
fn is_literal(asked: &str, ip: IpAddr) -> bool {
    asked.parse() == Ok(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_asked_for_is_the_name_connected_to() {
        let name = Meant::Name { name: "forge.example".into(), port: 443 };
        let literal = Meant::Address("192.0.2.7:443".parse().unwrap());
        let loopback = Meant::Address("127.0.0.1:8443".parse().unwrap());
        for (meant, asked, fits) in [
            (&name, None, true),
            (&name, Some("forge.example"), true),
            (&name, Some("FORGE.example"), true),
            (&name, Some("other.example"), false),
            (&name, Some("sub.forge.example"), false),
            (&literal, None, true),
            (&literal, Some("192.0.2.7"), true),
            (&literal, Some("forge.example"), false),
            (&loopback, Some("localhost"), true),
            (&loopback, Some("127.0.0.1"), true),
            (&loopback, Some("forge.example"), false),
        ] {
            assert_eq!(subject(meant, asked).is_ok(), fits, "{meant:?} {asked:?}");
        }
    }
}
