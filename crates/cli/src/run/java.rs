//! A Java trust store: the JKS format, as `sun.security.provider.JavaKeyStore` documents it, with trusted certificates only.
//!
//! A trust store holds nothing secret; its "password" only closes the file with a digest, and is Java's own default.

use sha1::{Digest, Sha1};

/// Java's default password of trust stores.
const PASSWORD: &str = "changeit";
/// The first bytes of a JKS file, and its version.
const MAGIC: [u32; 2] = [0xfeed_feed, 2];
/// The tag of a trusted certificate.
const TRUSTED: u32 = 2;

/// A store that trusts the certificate in `pem`.
pub(crate) fn trust_store(pem: &str) -> Result<Vec<u8>, String> {
    let certificate = certificate(pem)?;
    let mut store = Vec::new();
    for word in [MAGIC[0], MAGIC[1], 1, TRUSTED] {
        store.extend_from_slice(&word.to_be_bytes());
    }
    put_text(&mut store, "bailiwick");
    store.extend_from_slice(&0u64.to_be_bytes());
    put_text(&mut store, "X.509");
    let length = u32::try_from(certificate.len()).map_err(|_| "the certificate is too long".to_owned())?;
    store.extend_from_slice(&length.to_be_bytes());
    store.extend_from_slice(&certificate);
    let mut digest = Sha1::new();
    for unit in PASSWORD.encode_utf16() {
        digest.update(unit.to_be_bytes());
    }
    digest.update(b"Mighty Aphrodite");
    digest.update(&store);
    store.extend_from_slice(&digest.finalize());
    Ok(store)
}

/// Java's "modified UTF-8" of an ASCII text: its length in two bytes, then the text.
fn put_text(store: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(0);
    store.extend_from_slice(&length.to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}

fn certificate(pem: &str) -> Result<Vec<u8>, String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    STANDARD.decode(body).map_err(|error| format!("the session's certificate is not PEM: {error}"))
}
