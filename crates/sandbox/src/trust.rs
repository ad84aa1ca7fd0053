//! How programs inside are told which certificate authorities to trust.
//!
//! Most read the system's bundle, which is covered by a file of the same name. The rest bring their own list and are told by a
//! variable; which client needs which was measured.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Variables that take the path of a bundle.
const BUNDLE: &[&str] = &[
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "CODEX_CA_CERTIFICATE",
    "CURL_CA_BUNDLE",
    "DENO_CERT",
    "GIT_SSL_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "NIX_SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "npm_config_cafile",
];

/// Must not be set: it hides `SSL_CERT_FILE` from curl.
pub const UNSET: &[&str] = &["SSL_CERT_DIR"];

/// Where systems keep the bundle.
const SYSTEM_BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
const JAVA_STORES: &[&str] = &["/etc/ssl/certs/java/cacerts", "/etc/pki/ca-trust/extracted/java/cacerts"];

/// The variables that name `bundle`, a file inside with the system's authorities and ours.
#[must_use]
pub fn variables(bundle: &Path) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> =
        BUNDLE.iter().map(|name| (OsString::from(name), bundle.as_os_str().to_owned())).collect();
    variables.push(("NODE_USE_SYSTEM_CA".into(), "1".into()));
    variables
}

/// The system's bundles on this host, each to be covered by ours.
#[must_use]
pub fn system_bundles() -> Vec<PathBuf> {
    existing(SYSTEM_BUNDLES)
}

/// The system's Java trust stores on this host, each to be covered by one of ours (PKCS #12 or JKS, no password needed to read).
#[must_use]
pub fn java_stores() -> Vec<PathBuf> {
    existing(JAVA_STORES)
}

/// A link is covered where it leads to, so only files count.
fn existing(paths: &[&str]) -> Vec<PathBuf> {
    let mut real: Vec<PathBuf> =
        paths.iter().filter_map(|path| Path::new(path).canonicalize().ok()).collect();
    real.retain(|path| path.is_file() && path.starts_with("/etc"));
    real.sort();
    real.dedup();
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_names_the_bundle_or_is_a_switch() {
        for (name, value) in variables(Path::new("/b")) {
            assert!(value == "/b" || (name == "NODE_USE_SYSTEM_CA" && value == "1"));
        }
        assert!(!variables(Path::new("/b")).iter().any(|(name, _)| UNSET.iter().any(|unset| name == unset)));
    }
}
