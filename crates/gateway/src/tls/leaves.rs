//! Leaves by subject: minted once, by whoever comes first, while others for the same subject wait for that one.
//!
//! A leaf costs one signature (tens of microseconds); the key it uses was made with the session.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use rustls::{
    ServerConfig,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use time::{Duration, OffsetDateTime};

use super::{AuthorityError, SessionAuthority, authority::LEAF};

/// More subjects than a session has names; beyond it the cache starts anew.
const CAPACITY: usize = 8192;
/// A leaf that is about to expire is not handed out any more.
const RENEW: Duration = Duration::days(1);

/// Whom a leaf is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// An address literal.
    Address(IpAddr),
    /// This machine: `localhost` and both its addresses.
    Loopback,
    /// A DNS name.
    Name(Arc<str>),
}

/// Which protocols a handshake offers (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Offer {
    /// `h2` and `http/1.1`.
    Both,
    /// `http/1.1`.
    Http1,
}

/// The leaves of one session.
#[derive(Debug)]
pub(crate) struct Leaves {
    authority: SessionAuthority,
    minted: Mutex<HashMap<(Subject, Offer), Slot>>,
}

type Slot = Arc<OnceLock<Result<Leaf, Arc<AuthorityError>>>>;

#[derive(Clone, Debug)]
struct Leaf {
    config: Arc<ServerConfig>,
    expires: OffsetDateTime,
}

impl Leaves {
    /// No leaves yet.
    pub(crate) fn new(authority: SessionAuthority) -> Self {
        Self { authority, minted: Mutex::default() }
    }

    /// The authority that signs them.
    pub(crate) fn authority(&self) -> &SessionAuthority {
        &self.authority
    }

    /// The configuration with which to answer a handshake for `subject`.
    pub(crate) fn config(
        &self,
        subject: &Subject,
        offer: Offer,
    ) -> Result<Arc<ServerConfig>, Arc<AuthorityError>> {
        let now = OffsetDateTime::now_utc();
        let slot = self.slot(subject, offer, now);
        slot.get_or_init(|| self.leaf(subject, offer, now).map_err(Arc::new)).clone().map(|leaf| leaf.config)
    }

    fn slot(&self, subject: &Subject, offer: Offer, now: OffsetDateTime) -> Slot {
        let mut minted = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (subject.clone(), offer);
        let usable = |slot: &&Slot| match slot.get() {
            None => true,
            Some(Ok(leaf)) => leaf.expires - RENEW > now,
            Some(Err(_)) => false,
        };
        if let Some(slot) = minted.get(&key).filter(usable) {
            return Arc::clone(slot);
        }
        if minted.len() >= CAPACITY {
            minted.clear();
        }
        let slot = Slot::default();
        minted.insert(key, Arc::clone(&slot));
        slot
    }

    fn leaf(&self, subject: &Subject, offer: Offer, now: OffsetDateTime) -> Result<Leaf, AuthorityError> {
        let key = Arc::new(self.authority.mint(subject, now)?);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Always(key)));
        config.alpn_protocols = offer.protocols();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Leaf { config: Arc::new(config), expires: now + LEAF })
    }
}

impl Offer {
    fn protocols(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Both => &[b"h2", b"http/1.1"],
            Self::Http1 => &[b"http/1.1"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}

/// One certificate for every handshake: which one was settled before.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    fn leaves() -> Leaves {
        Leaves::new(SessionAuthority::new().unwrap())
    }

    /// Whether a client that trusts only `leaves`' authority completes a handshake for `name`.
    fn handshake(leaves: &Leaves, subject: &Subject, name: &str) -> Result<(), rustls::Error> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(leaves.authority().der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut server = rustls::ServerConnection::new(leaves.config(subject, Offer::Both).unwrap()).unwrap();
        let mut wire = Vec::new();
        for _ in 0..10 {
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut unread = wire.as_slice();
            while !unread.is_empty() {
                server.read_tls(&mut unread).unwrap();
                server.process_new_packets()?;
            }
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut unread = wire.as_slice();
            while !unread.is_empty() {
                client.read_tls(&mut unread).unwrap();
                client.process_new_packets()?;
            }
            wire.clear();
        }
        assert!(!client.is_handshaking());
        Ok(())
    }

    #[test]
    fn a_client_that_trusts_the_session_accepts_its_leaves() {
        let leaves = leaves();
        handshake(&leaves, &Subject::Name("forge.example".into()), "forge.example").unwrap();
        handshake(&leaves, &Subject::Address("192.0.2.7".parse().unwrap()), "192.0.2.7").unwrap();
        for name in ["localhost", "127.0.0.1", "::1"] {
            handshake(&leaves, &Subject::Loopback, name).unwrap();
        }
    }

    #[test]
    fn a_leaf_is_for_its_subject_and_its_session_alone() {
        let leaves = leaves();
        assert!(handshake(&leaves, &Subject::Name("forge.example".into()), "other.example").is_err());
        let other = self::leaves();
        let config = other.config(&Subject::Name("forge.example".into()), Offer::Both).unwrap();
        let slot = Slot::default();
        slot.set(Ok(Leaf { config, expires: OffsetDateTime::now_utc() + LEAF })).unwrap();
        leaves.minted.lock().unwrap().insert((Subject::Name("forge.example".into()), Offer::Both), slot);
        assert!(handshake(&leaves, &Subject::Name("forge.example".into()), "forge.example").is_err());
    }

    #[test]
    fn a_subject_is_minted_once() {
        let leaves = leaves();
        let subject = Subject::Name("forge.example".into());
        let configs: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| leaves.config(&subject, Offer::Both).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(configs.iter().all(|config| Arc::ptr_eq(config, &configs[0])));
    }

    #[test]
    fn a_successor_signs_with_the_same_authority() {
        let before = leaves();
        let authority =
            SessionAuthority::restore(&before.authority().key_pem(), before.authority().der().to_vec())
                .unwrap();
        assert_eq!(authority.pem(), before.authority().pem());
        let after = Leaves::new(authority);
        handshake(&after, &Subject::Name("forge.example".into()), "forge.example").unwrap();
    }
}
