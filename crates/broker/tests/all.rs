//! What the crate promises to those who call it, with nothing but what they can call.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bailiwick_broker::{
    Broker, BrokerError, Change, KeyFile, Place, Sealed, SealedStore, Secret, StoreFault, Unlock, Vault,
    VaultError,
};
use bailiwick_catalogue::{CredentialSpec, Pattern};
use bytes::Bytes;
use http::{HeaderMap, Request};

#[derive(Default)]
struct Rows(Mutex<HashMap<Place, Sealed>>);

impl SealedStore for Rows {
    fn list(&self) -> Result<Vec<Sealed>, StoreFault> {
        Ok(self.0.lock().unwrap().values().cloned().collect())
    }

    fn write(&self, changes: &[Change]) -> Result<(), StoreFault> {
        let mut rows = self.0.lock().unwrap();
        for change in changes {
            match change {
                Change::Put(row) => rows.insert(row.place.clone(), row.clone()),
                Change::Delete(place) => rows.remove(place),
            };
        }
        Ok(())
    }
}

fn broker(home: &tempfile::TempDir) -> Broker {
    let unlock = Unlock::KeyFile(KeyFile::at(home.path().join("vault.key")));
    Broker::new(Arc::new(Vault::open(unlock, Arc::new(Rows::default())).unwrap()))
}

fn spec(pattern: Pattern) -> CredentialSpec {
    CredentialSpec { pattern, secret: "forge".parse().unwrap(), oauth: None }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec()).unwrap()
}

/// Injects, lets an upstream echo the whole request, and returns what the agent sees.
fn echo(broker: &Broker, pattern: Pattern) -> (String, String) {
    let opened = broker.open(&spec(pattern)).unwrap();
    let (mut parts, ()) = Request::get("/a/__t__/b?c=d").body(()).unwrap().into_parts();
    opened.inject(&mut parts).unwrap();
    let mut heads = HeaderMap::new();
    heads.insert("x-target", parts.uri.to_string().parse().unwrap());
    heads.extend(parts.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    let upstream =
        format!("{:?}", heads.iter().map(|(_, v)| String::from_utf8_lossy(v.as_bytes())).collect::<Vec<_>>());
    let mut scrubber = opened.scrubber();
    let mut body = Vec::new();
    for chunk in upstream.as_bytes().chunks(3) {
        body.extend_from_slice(&scrubber.feed(Bytes::copy_from_slice(chunk)));
    }
    body.extend_from_slice(&scrubber.finish());
    assert!(scrubber.hits() > 0);
    assert!(opened.patterns().scrub_headers(&mut heads) > 0);
    (upstream, format!("{} {heads:?}", String::from_utf8(body).unwrap()))
}

#[test]
fn an_echo_of_what_was_injected_shows_nothing_of_it() {
    let home = tempfile::tempdir().unwrap();
    let broker = broker(&home);
    broker.put(&"forge".parse().unwrap(), &secret("MARKER/secret=0123+")).unwrap();
    for (pattern, sent) in [
        (Pattern::Bearer, "Bearer MARKER/secret=0123+"),
        (Pattern::Header { name: "x-key".into(), prefix: "key ".into() }, "key MARKER/secret=0123+"),
        (Pattern::Basic { username: "git".into() }, "Basic Z2l0Ok1BUktFUi9zZWNyZXQ9MDEyMys="),
        (Pattern::Query { name: "t".into() }, "t=MARKER%2Fsecret%3D0123%2B"),
        (Pattern::Path { placeholder: "__t__".into() }, "/a/MARKER%2Fsecret=0123+/b?c=d"),
    ] {
        let (upstream, agent) = echo(&broker, pattern);
        assert!(upstream.contains(sent), "{upstream}");
        for leak in ["MARKER", "secret", "0123", "TUFSS0VS", "QVJLRVI", "BUktFUi9zZWNyZXQ9MDEyMy", "%2B"] {
            assert!(!agent.contains(leak), "{leak} in {agent}");
        }
    }
}

#[test]
fn the_refresh_token_is_taken_out_of_what_comes_back_and_never_goes_in() {
    let home = tempfile::tempdir().unwrap();
    let broker = broker(&home);
    let tokens = r#"{"access_token": "MARKER-access-1", "refresh_token": "MARKER-refresh-1"}"#;
    broker.put(&"forge".parse().unwrap(), &secret(tokens)).unwrap();
    let oauth = bailiwick_catalogue::OAuth {
        token_url: "https://issuer.example/token".into(),
        client_id: "x".into(),
        request: bailiwick_catalogue::TokenRequest::Json,
    };
    let opened = broker.open(&CredentialSpec { oauth: Some(oauth), ..spec(Pattern::Bearer) }).unwrap();
    let (mut parts, ()) = Request::get("/").body(()).unwrap().into_parts();
    opened.inject(&mut parts).unwrap();
    assert_eq!(parts.headers["authorization"], "Bearer MARKER-access-1");
    let mut scrubber = opened.scrubber();
    let mut body = scrubber.feed(Bytes::from_static(tokens.as_bytes())).to_vec();
    body.extend_from_slice(&scrubber.finish());
    assert!(!String::from_utf8(body).unwrap().contains("MARKER"));
}

#[test]
fn a_new_version_is_used_at_once_and_a_removed_one_never() {
    let home = tempfile::tempdir().unwrap();
    let broker = broker(&home);
    let name = "forge".parse().unwrap();
    let sent = |broker: &Broker| {
        let opened = broker.open(&spec(Pattern::Bearer))?;
        let (mut parts, ()) = Request::get("/").body(()).unwrap().into_parts();
        opened.inject(&mut parts).unwrap();
        Ok::<_, BrokerError>((
            parts.headers["authorization"].to_str().unwrap().to_owned(),
            opened.fingerprint(),
        ))
    };
    assert!(matches!(sent(&broker), Err(BrokerError::Vault(VaultError::Unknown { .. }))));
    broker.put(&name, &secret("MARKER-first")).unwrap();
    let first = sent(&broker).unwrap();
    assert_eq!(first.0, "Bearer MARKER-first");
    broker.forget();
    assert_eq!(sent(&broker).unwrap(), first);
    broker.put(&name, &secret("MARKER-second")).unwrap();
    let second = sent(&broker).unwrap();
    assert_eq!(second.0, "Bearer MARKER-second");
    assert_ne!(second.1, first.1);
    broker.remove(&name).unwrap();
    assert!(matches!(sent(&broker), Err(BrokerError::Vault(VaultError::Unknown { .. }))));
}

#[test]
fn nothing_that_can_be_called_shows_a_secret() {
    let home = tempfile::tempdir().unwrap();
    let broker = broker(&home);
    broker.put(&"forge".parse().unwrap(), &secret("MARKER-0123")).unwrap();
    let opened = broker.open(&spec(Pattern::Bearer)).unwrap();
    let mut scrubber = opened.scrubber();
    scrubber.feed(Bytes::from_static(b"MARKER-01"));
    let shown =
        format!("{broker:?} {opened:?} {scrubber:?} {:?} {}", opened.patterns(), opened.fingerprint());
    assert!(!shown.contains("MARKER"), "{shown}");
    assert!(shown.contains("hmac:"), "{shown}");
}
