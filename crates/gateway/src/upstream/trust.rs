//! Whom the gateway believes to be an upstream: the host's own roots, and for one resource its own anchor besides.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bailiwick_core::Digest;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Client configurations by the extra anchor they trust.
pub(crate) struct Trust {
    roots: RootCertStore,
    configs: Mutex<Configs>,
}

/// By the digest of the extra anchor, and whether HTTP/2 is offered.
type Configs = HashMap<(Option<Digest>, bool), Arc<ClientConfig>>;

/// An extra anchor cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The file cannot be read.
    #[error("the resource's `ca`, `{}`, cannot be read: {error}", .path.display())]
    Read { path: PathBuf, error: io::Error },
    /// The file has no certificate in it, or one that is none.
    #[error("the resource's `ca`, `{}`, is no PEM file of certificates", .path.display())]
    NotPem { path: PathBuf },
    /// TLS itself cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Trust {
    /// Reads the host's roots. Without any, only resources with their own anchor can be reached.
    pub(crate) fn of_host() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a root certificate of the host cannot be read");
        }
        let mut roots = RootCertStore::empty();
        let (good, bad) = roots.add_parsable_certificates(found.certs);
        tracing::debug!(good, bad, "read the host's root certificates");
        Self { roots, configs: Mutex::default() }
    }

    /// The configuration for a resource with this anchor; `http1` offers HTTP/1.1 alone. Reads a file: not for the runtime's threads.
    pub(crate) fn config(&self, anchor: Option<&Path>, http1: bool) -> Result<Arc<ClientConfig>, TrustError> {
        let pem =
            anchor.map(|path| fs::read(path).map_err(|error| TrustError::Read { path: path.into(), error }));
        let pem = pem.transpose()?;
        let key = (pem.as_deref().map(Digest::of), http1);
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(&key) {
            return Ok(Arc::clone(config));
        }
        let mut roots = self.roots.clone();
        if let (Some(pem), Some(path)) = (&pem, anchor) {
            add(&mut roots, pem).ok_or_else(|| TrustError::NotPem { path: path.into() })?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let offered: &[&[u8]] = if http1 { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
        config.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
        let config = Arc::new(config);
        configs.insert(key, Arc::clone(&config));
        Ok(config)
    }
}

/// Adds every certificate of `pem`; `None` if there is none or one is bad.
fn add(roots: &mut RootCertStore, pem: &[u8]) -> Option<()> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .ok()
        .filter(|found: &Vec<_>| !found.is_empty())?;
    certificates.into_iter().try_for_each(|certificate| roots.add(certificate)).ok()
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").field("roots", &self.roots.len()).finish_non_exhaustive()
    }
}
