//! The files that exist only inside: which authorities are trusted, how git behaves.

use std::{fs, path::PathBuf};

use bailiwick_sandbox::{InjectedFile, trust};

use super::{java, ours};
use crate::output::Failure;

/// Where the bundle that variables name lies inside.
pub(crate) const BUNDLE: &str = "/etc/ssl/bailiwick.pem";

/// The trust stores inside: the system's authorities and the session's own, in every place and form that programs look for.
pub(crate) fn trust_stores(authority_pem: &str) -> Result<Vec<InjectedFile>, Failure> {
    let system = trust::system_bundles();
    let own = system.first().and_then(|bundle| fs::read(bundle).ok()).unwrap_or_default();
    let mut bundle = own;
    if !bundle.is_empty() && !bundle.ends_with(b"\n") {
        bundle.push(b'\n');
    }
    bundle.extend_from_slice(authority_pem.as_bytes());
    let file = |path: PathBuf, contents: Vec<u8>| InjectedFile { path, contents, mode: 0o444 };
    let mut files: Vec<_> = system.into_iter().map(|path| file(path, bundle.clone())).collect();
    files.push(file(BUNDLE.into(), bundle));
    let stores = trust::java_stores();
    if !stores.is_empty() {
        let store = java::trust_store(authority_pem).map_err(|error| ours("trust", error))?;
        files.extend(stores.into_iter().map(|path| file(path, store.clone())));
    }
    Ok(files)
}
