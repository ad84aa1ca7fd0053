//! A certificate authority for one test: good server certificates, and every kind of bad one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use time::{Duration, OffsetDateTime};

/// What is wrong with a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing: valid, for the right names, by the trusted issuer.
    None,
    /// Its validity ended yesterday.
    Expired,
    /// Its validity starts tomorrow.
    NotYetValid,
    /// It is for `wrong.example` only.
    WrongName,
    /// It signed itself.
    SelfSigned,
    /// A different authority, which nobody trusts, signed it; that authority has the same name.
    UnknownIssuer,
}

/// A root that tests trust.
#[derive(Debug)]
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl TestCa {
    /// A fresh root; no two are alike.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Bailiwick example test root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// The root in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes [`TestCa::pem`] into `directory` and returns the path, for `SSL_CERT_FILE` and its like.
    pub fn write_pem(&self, directory: &Path) -> PathBuf {
        let path = directory.join("test-root.pem");
        std::fs::write(&path, self.pem()).unwrap();
        path
    }

    /// A root store that trusts this root alone.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// A server configuration for `names` (DNS names or IP addresses) that offers `alpn` in this order.
    pub fn server(&self, names: &[&str], alpn: &[&str], flaw: Flaw) -> Arc<ServerConfig> {
        let (chain, key) = self.certificate(names, flaw);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// The chain and key of a server, flawed as asked.
    pub fn certificate(
        &self,
        names: &[&str],
        flaw: Flaw,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let names: Vec<String> = match flaw {
            Flaw::WrongName => vec!["wrong.example".to_owned()],
            _ => names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let now = OffsetDateTime::now_utc();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Bailiwick example server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = match flaw {
            Flaw::Expired => (now - Duration::days(30), now - Duration::days(1)),
            Flaw::NotYetValid => (now + Duration::days(1), now + Duration::days(30)),
            _ => (now - Duration::days(1), now + Duration::days(30)),
        };
        let key = KeyPair::generate().unwrap();
        let certificate = match flaw {
            Flaw::SelfSigned => params.self_signed(&key),
            Flaw::UnknownIssuer => params.signed_by(&key, &Self::new().issuer),
            _ => params.signed_by(&key, &self.issuer),
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        (vec![certificate.unwrap().der().clone()], key)
    }
}

impl Default for TestCa {
    fn default() -> Self {
        Self::new()
    }
}
