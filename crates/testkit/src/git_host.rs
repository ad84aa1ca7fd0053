//! A git forge: the real `git http-backend` behind HTTPS, closed to everyone without the token.
//!
//! The backend is git's own CGI program, so that what passes here passes at a real host. Pushes are read from the repositories
//! themselves: what a ref points to is what was pushed.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::authority::{Flaw, TestCa};
use crate::http_server::{self, Body, HttpServer, Recorded, plain};
use crate::journal::Seen;
use crate::upstream::{BOTH, pattern};

/// A running forge; it and its repositories go when dropped.
#[derive(Debug)]
pub struct GitHost {
    server: HttpServer,
    repositories: TempDir,
}

impl GitHost {
    /// Serves over TLS as `localhost`; every request must carry `token`, as a bearer or as the password of Basic.
    pub fn start(ca: &TestCa, token: &str) -> Self {
        let repositories = tempfile::Builder::new().prefix("bw-forge-").tempdir().unwrap();
        let root = repositories.path().to_path_buf();
        let token = token.to_owned();
        let tls = ca.server(&["localhost", "127.0.0.1"], BOTH, Flaw::None);
        let server = http_server::serve(
            Some(tls),
            Arc::new(move |request, _| serve(root.clone(), token.clone(), request).boxed()),
        );
        Self { server, repositories }
    }

    /// `https://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.server.address.port())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Creates a repository such as `acme/site` whose `main` holds one small text file.
    pub fn add_repository(&self, name: &str) {
        self.import(name, "README.md", format!("# {name}\n").as_bytes());
    }

    /// Creates a repository whose `main` holds one file of that many bytes that do not compress.
    pub fn add_large_repository(&self, name: &str, bytes: usize) {
        self.import(name, "large.bin", &noise(bytes));
    }

    /// Ref name → object id of a repository.
    pub fn refs(&self, name: &str) -> BTreeMap<String, String> {
        let listing = git(&self.directory(name), &["for-each-ref", "--format=%(refname) %(objectname)"]);
        listing
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, id)| (name.into(), id.into()))
            .collect()
    }

    /// Every request that reached it, refused ones included.
    pub fn seen(&self) -> Vec<Seen> {
        self.server.journal.all()
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.repositories.path().join(name)
    }

    fn import(&self, name: &str, file: &str, contents: &[u8]) {
        let directory = self.directory(name);
        std::fs::create_dir_all(&directory).unwrap();
        git(&directory, &["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        git(&directory, &["config", "http.receivepack", "true"]);
        git(&directory, &["config", "receive.advertisePushOptions", "true"]);
        git(&directory, &["config", "core.bigFileThreshold", "1m"]);
        let mut importer =
            command(&directory, &["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = importer.stdin.take().unwrap();
        write!(input, "blob\nmark :1\ndata {}\n", contents.len()).unwrap();
        input.write_all(contents).unwrap();
        write!(input, "\ncommit refs/heads/main\ncommitter Example <example@example.com> 1700000000 +0000\n")
            .unwrap();
        write!(input, "data 5\nstart\nM 100644 :1 {file}\n\n").unwrap();
        drop(input);
        assert!(importer.wait().unwrap().success(), "git fast-import failed");
    }
}

/// Runs git without this machine's configuration and returns what it printed.
fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory, arguments).output().expect("git is installed");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command
}

/// xorshift64*: fast and, to zlib, noise.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        noise.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

async fn serve(root: PathBuf, token: String, request: Request<Recorded>) -> Response<Body> {
    if !admits(request.headers(), &token) {
        let mut refusal = plain(StatusCode::UNAUTHORIZED, "authentication required\n");
        refusal.headers_mut().insert(header::WWW_AUTHENTICATE, "Basic realm=\"forge\"".parse().unwrap());
        return refusal;
    }
    match backend(&root, request).await {
        Ok(response) => response,
        Err(error) => plain(StatusCode::BAD_GATEWAY, &format!("git http-backend: {error}\n")),
    }
}

fn admits(headers: &HeaderMap, token: &str) -> bool {
    let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    if let Some(bearer) = value.strip_prefix("Bearer ") {
        return bearer == token;
    }
    let decoded =
        value.strip_prefix("Basic ").and_then(|encoded| STANDARD.decode(encoded).ok()).unwrap_or_default();
    String::from_utf8(decoded)
        .is_ok_and(|pair| pair.split_once(':').is_some_and(|(_, password)| password == token))
}

/// One CGI run (RFC 3875): the request's body to standard input while the answer comes from standard output.
async fn backend(root: &Path, request: Request<Recorded>) -> std::io::Result<Response<Body>> {
    let mut child = spawn(root, &request)?;
    let input = child.stdin.take().ok_or_else(|| std::io::Error::other("no standard input"))?;
    let output = child.stdout.take().ok_or_else(|| std::io::Error::other("no standard output"))?;
    tokio::spawn(feed(input, request.into_body()));
    let mut output = BufReader::with_capacity(64 * 1024, output);
    let mut response = Response::builder();
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).await? == 0 {
            return Err(std::io::Error::other("ended before its header did"));
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        response = match name {
            "Status" => response.status(value.split(' ').next().unwrap_or(value)),
            _ => response.header(name, value),
        };
    }
    response.body(stream_output(output, child)).map_err(std::io::Error::other)
}

fn spawn(root: &Path, request: &Request<Recorded>) -> std::io::Result<Child> {
    let field = |name: header::HeaderName| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut command = tokio::process::Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("REQUEST_METHOD", request.method().as_str())
        .env("PATH_INFO", request.uri().path())
        .env("QUERY_STRING", request.uri().query().unwrap_or_default())
        .env("CONTENT_TYPE", field(header::CONTENT_TYPE))
        .env("HTTP_CONTENT_ENCODING", field(header::CONTENT_ENCODING))
        .env("HTTP_GIT_PROTOCOL", field(header::HeaderName::from_static("git-protocol")))
        .env("REMOTE_USER", "example")
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if request.headers().contains_key(header::CONTENT_LENGTH) {
        command.env("CONTENT_LENGTH", field(header::CONTENT_LENGTH));
    }
    command.spawn()
}

async fn feed(mut input: ChildStdin, mut body: Recorded) {
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        if input.write_all(&data).await.is_err() {
            break;
        }
    }
}

fn stream_output(output: BufReader<ChildStdout>, child: Child) -> Body {
    let chunks = stream::unfold((output, child), |(mut output, child)| async move {
        let mut chunk = vec![0; 64 * 1024];
        match output.read(&mut chunk).await {
            Ok(0) => None,
            Ok(length) => {
                chunk.truncate(length);
                Some((Ok(Frame::data(Bytes::from(chunk))), (output, child)))
            }
            Err(error) => Some((Err(error), (output, child))),
        }
    });
    BodyExt::boxed(StreamBody::new(Box::pin(chunks)))
}

/// The bytes of a file that tests push: [`pattern`] from zero.
pub fn file_of(bytes: usize) -> Vec<u8> {
    pattern(0, bytes)
}
