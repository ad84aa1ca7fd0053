//! A container registry: the real `docker-registry`, and beside it an issuer of the tokens that it takes (Distribution's token authentication).
//!
//! The issuer knows one account, by Basic authentication, and nobody else gets a token. What the registry has is read from the registry itself.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response, StatusCode};
use rcgen::{CertificateParams, KeyPair, SigningKey};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use crate::authority::{Flaw, TestCa};
use crate::http_server::{self, Body, HttpServer, Recorded, answer};
use crate::journal::Seen;
use crate::tools;

/// The account that it knows; its password is the test's.
pub const ACCOUNT: &str = "mia";
const SERVICE: &str = "registry.example";
const ISSUER: &str = "tokens.example";

/// A running registry with its issuer; both go when dropped.
#[derive(Debug)]
pub struct Images {
    registry: Child,
    address: SocketAddr,
    issuer: HttpServer,
    issued: Arc<Mutex<Vec<String>>>,
    home: TempDir,
}

/// Signs what the registry believes.
struct Signer {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Images {
    /// Starts both over TLS as `localhost`; `None` where this machine has no `docker-registry`.
    pub fn start(ca: &TestCa, password: &str) -> Option<Self> {
        let program = tools::find("docker-registry")?;
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![ISSUER.to_owned()]).unwrap().self_signed(&key).unwrap();
        let home = tempfile::Builder::new().prefix("bw-images-").tempdir().unwrap();
        let trusted = home.path().join("issuer.pem");
        std::fs::write(&trusted, certificate.pem()).unwrap();
        let signer = Arc::new(Signer { key, certificate });
        let issued = Arc::new(Mutex::new(Vec::new()));
        let basic = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{password}")));
        let known = Arc::clone(&issued);
        let handler = move |request: Request<Recorded>, _| {
            let answered = issue(&request, &basic, &signer, &known);
            async move { answered }.boxed()
        };
        let tls = ca.server(&["localhost"], &["http/1.1"], Flaw::None);
        let issuer = http_server::serve(Some(tls), Arc::new(handler));
        let realm = format!("https://localhost:{}/token", issuer.address.port());
        let settings = settings(home.path(), ca, &realm, &trusted);
        let (registry, address) = serve(&program, &settings);
        Some(Self { registry, address, issuer, issued, home })
    }

    /// The addresses of both, as a resource lists them.
    pub fn origins(&self) -> [String; 2] {
        [self.address, self.issuer.address].map(|address| format!("https://localhost:{}", address.port()))
    }

    /// What stands before a repository's name: `localhost:PORT`.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Every token that was issued.
    pub fn issued(&self) -> Vec<String> {
        self.issued.lock().unwrap().clone()
    }

    /// Every request that reached the issuer.
    pub fn asked(&self) -> Vec<Seen> {
        self.issuer.journal.all()
    }

    /// The tags of a repository, as the registry's own storage has them.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let tags = self.home.path().join("data/docker/registry/v2/repositories").join(repository);
        let tags = std::fs::read_dir(tags.join("_manifests/tags")).into_iter().flatten().flatten();
        let mut tags: Vec<_> = tags.map(|tag| tag.file_name().into_string().unwrap()).collect();
        tags.sort();
        tags
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        let _ = self.registry.kill();
        let _ = self.registry.wait();
    }
}

/// An image of one small file, as a directory in the OCI layout.
pub fn layout(directory: &Path, content: &str) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "greeting", content.as_bytes()).unwrap();
    let layer = archive.into_inner().unwrap();
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let digest = hex::encode(Sha256::digest(bytes));
        std::fs::write(blobs.join(&digest), bytes).unwrap();
        json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    };
    let diff = format!("sha256:{}", hex::encode(Sha256::digest(&layer)));
    let layer = put("application/vnd.oci.image.layer.v1.tar", &layer);
    let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff]}});
    let config = put("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let manifest = put(kind, manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    std::fs::write(directory.join("index.json"), index.to_string()).unwrap();
    std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
}

fn settings(home: &Path, ca: &TestCa, realm: &str, trusted: &Path) -> PathBuf {
    let (chain, key) = ca.certificate(&["localhost"], Flaw::None);
    let PrivateKeyDer::Pkcs8(key) = key else { unreachable!("the test root makes no others") };
    let pem = |kind: &str, der: &[u8]| {
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
    };
    std::fs::write(home.join("registry.pem"), pem("CERTIFICATE", &chain[0])).unwrap();
    std::fs::write(home.join("registry.key"), pem("PRIVATE KEY", key.secret_pkcs8_der())).unwrap();
    let settings = json!({
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": true}},
        "storage": {"filesystem": {"rootdirectory": home.join("data")}, "delete": {"enabled": true}},
        "http": {
            "addr": "127.0.0.1:0",
            "secret": "only-a-test",
            "tls": {"certificate": home.join("registry.pem"), "key": home.join("registry.key")},
        },
        "auth": {"token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": trusted}},
    });
    // JSON is YAML.
    let file = home.join("settings.yml");
    std::fs::write(&file, settings.to_string()).unwrap();
    file
}

/// Starts the registry and reads from what it says where it listens.
fn serve(program: &Path, settings: &Path) -> (Child, SocketAddr) {
    let mut command = Command::new(program);
    command.arg("serve").arg(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| {
        let (_, rest) = line.split_once("listening on ")?;
        rest.split([',', '"']).next()?.parse().ok()
    });
    // It goes on saying things, and must not wait for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.expect("the registry does not say where it listens"))
}

/// A token for what is asked, to whoever has the account.
fn issue(
    request: &Request<Recorded>,
    basic: &str,
    signer: &Signer,
    issued: &Mutex<Vec<String>>,
) -> Response<Body> {
    if request.uri().path() != "/token" || !shows(request.headers(), basic) {
        return answer(
            StatusCode::UNAUTHORIZED,
            "application/json",
            r#"{"details": "incorrect username or password"}"#,
        );
    }
    let query = request.uri().query().unwrap_or_default();
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    let token = signer.token(&scopes.filter_map(access).collect::<Vec<_>>());
    issued.lock().unwrap().push(token.clone());
    let said = json!({"token": token, "access_token": token, "expires_in": 300});
    answer(StatusCode::OK, "application/json", said.to_string())
}

fn shows(headers: &HeaderMap, basic: &str) -> bool {
    headers.get("authorization").is_some_and(|value| value.as_bytes() == basic.as_bytes())
}

/// `repository:acme/site:pull,push`, as the registry reads it in a token.
fn access(scope: &str) -> Option<Value> {
    let scope = percent_encoding::percent_decode_str(scope).decode_utf8().ok()?;
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    Some(json!({"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()}))
}

impl Signer {
    /// RFC 7519, signed with ES256.
    fn token(&self, access: &[Value]) -> String {
        let now = OffsetDateTime::now_utc();
        let at = |from_now: i64| (now + Duration::seconds(from_now)).unix_timestamp();
        let head = json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(self.certificate.der())]});
        let claims = json!({
            "iss": ISSUER, "sub": ACCOUNT, "aud": SERVICE, "exp": at(300), "nbf": at(-10), "iat": at(0),
            "jti": format!("{:x}", now.unix_timestamp_nanos()), "access": access,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let signature = fixed(&self.key.sign(signed.as_bytes()).unwrap());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A signature as JWS wants it (RFC 7518 §3.4): both numbers in 32 bytes each, from the DER of a sequence of two short integers.
fn fixed(der: &[u8]) -> Vec<u8> {
    let (mut rest, mut all) = (&der[2..], Vec::new());
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(rest[1].into());
        let number = &number[number.len().saturating_sub(32)..];
        all.resize(all.len() + 32 - number.len(), 0);
        all.extend_from_slice(number);
        rest = after;
    }
    all
}
