//! The certificate authority of one session: a P-256 key that lives in memory and signs only leaves of a few days.

use std::{net::IpAddr, sync::Arc};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SigningKey},
};
use time::{Duration, OffsetDateTime};

use super::Subject;

/// Clients whose clock is behind accept a certificate that is new.
const SKEW: Duration = Duration::hours(1);
/// How long a leaf is good.
pub(super) const LEAF: Duration = Duration::days(7);
/// How long the authority is good: longer than any session and its last leaf.
const AUTHORITY: Duration = Duration::days(30);

/// A session's certificate authority, and the one key that all its leaves share: both ends of every leaf's life are in this process, so
/// a key for each would protect nothing and cost a handshake its time.
pub(crate) struct SessionAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    leaf_key: KeyPair,
    signing: Arc<dyn SigningKey>,
    random: SystemRandom,
}

/// An authority cannot be made, or cannot mint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    /// The certificate cannot be encoded or signed, or a kept one cannot be read.
    #[error("the session's certificate authority failed: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The leaf key is not usable for TLS.
    #[error("the session's certificate authority failed: {0}")]
    Key(#[from] rustls::Error),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl SessionAuthority {
    /// A new authority, with a new key.
    pub(crate) fn new() -> Result<Self, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let random = SystemRandom::new();
        let mut params = authority_params();
        params.serial_number = Some(serial(&random)?);
        let certificate = params.self_signed(&key)?;
        Self::assemble(key, certificate.der().clone(), random)
    }

    /// The authority that an earlier process kept: its key in PEM, its certificate in DER.
    pub(crate) fn restore(key_pem: &str, certificate: Vec<u8>) -> Result<Self, AuthorityError> {
        let key = KeyPair::from_pem(key_pem)?;
        Self::assemble(key, certificate.into(), SystemRandom::new())
    }

    fn assemble(
        key: KeyPair,
        certificate: CertificateDer<'static>,
        random: SystemRandom,
    ) -> Result<Self, AuthorityError> {
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let signing = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&der)?;
        Ok(Self { issuer: Issuer::new(authority_params(), key), certificate, leaf_key, signing, random })
    }

    /// The authority's certificate, for trust stores that read DER.
    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's certificate, for trust stores that read PEM (RFC 7468).
    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The authority's private key in PEM: to be sealed, and handed to nobody but a successor.
    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for `subject`, valid from an hour before `now`.
    pub(super) fn mint(
        &self,
        subject: &Subject,
        now: OffsetDateTime,
    ) -> Result<CertifiedKey, AuthorityError> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names(subject)?;
        params.distinguished_name = DistinguishedName::new();
        params.not_before = now - SKEW;
        params.not_after = now + LEAF;
        params.serial_number = Some(serial(&self.random)?);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&self.leaf_key, &self.issuer)?;
        Ok(CertifiedKey::new(vec![leaf.der().clone(), self.certificate.clone()], Arc::clone(&self.signing)))
    }
}

impl std::fmt::Debug for SessionAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionAuthority").finish_non_exhaustive()
    }
}

fn authority_params() -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Bailiwick session authority");
    params.not_before = now - SKEW;
    params.not_after = now + AUTHORITY;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn names(subject: &Subject) -> Result<Vec<SanType>, AuthorityError> {
    let dns = |name: &str| Ok::<_, AuthorityError>(SanType::DnsName(name.try_into()?));
    Ok(match subject {
        Subject::Address(ip) => vec![SanType::IpAddress(*ip)],
        Subject::Loopback => vec![
            dns("localhost")?,
            SanType::IpAddress(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)),
        ],
        Subject::Name(name) => vec![dns(name)?],
    })
}

/// 127 random bits (CA/Browser Forum Baseline Requirements §7.1: at least 64, positive).
fn serial(random: &SystemRandom) -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes).map_err(|_| AuthorityError::Random)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from(bytes.to_vec()))
}

/// RFC 7468 §2.
fn pem(label: &str, der: &[u8]) -> String {
    const LINE: usize = 64;
    let encoded = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for start in (0..encoded.len()).step_by(LINE) {
        text.push_str(&encoded[start..encoded.len().min(start + LINE)]);
        text.push('\n');
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}
