//! An HTTP service that does everything an upstream can do to a gateway, by route.
//!
//! | route | what it does |
//! |---|---|
//! | `/echo` | answers with the request's body and content type |
//! | `/reveal?header=H&as=E&split=1` | answers with the value of header `H` in encoding `E` (see [`Encoding`]), one byte a chunk |
//! | `/redirect?to=U&status=N` | `Location: U` |
//! | `/set-cookie?name=N&value=V` | `Set-Cookie: N=V` |
//! | `/mint?how=H` | hands out [`MINTED`] as `token` of a JSON document, in the ways of `mint` |
//! | `/login` | sets [`SESSION`] as the cookie `sid`, and others |
//! | `/status?code=N` | that status |
//! | `/events?count=N&every_ms=M` | server-sent events; without a count, until the client leaves |
//! | `/slow?chunks=N&every_ms=M` | a chunked body, a chunk at a time |
//! | `/download?bytes=N` | that many bytes, [`pattern`] |
//! | `/upload` | length and SHA-256 of the body as JSON |
//! | `/truncate?bytes=N&sent=M` | promises N bytes, sends M, ends |
//! | `/gzip` | `content-encoding: gzip` whatever the client accepts |
//! | `/hang` | never answers |
//! | `/websocket` | echoes messages |
//! | anything else | method, target, version, authority and headers of the request as JSON |

mod encoding;
mod mint;
mod routes;
mod streams;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use crate::authority::{Flaw, TestCa};
use crate::http_server::{self, HttpServer};
use crate::journal::Seen;

pub use encoding::Encoding;
pub use mint::{MINTED, SESSION};
pub use streams::pattern;

/// HTTP versions that an upstream offers in its TLS handshake.
pub const HTTP1: &[&str] = &["http/1.1"];
/// HTTP/2 only.
pub const HTTP2: &[&str] = &["h2"];
/// Both, HTTP/2 first.
pub const BOTH: &[&str] = &["h2", "http/1.1"];

/// A running upstream; it stops when dropped.
#[derive(Debug)]
pub struct Upstream {
    server: HttpServer,
    secure: bool,
}

impl Upstream {
    /// Without TLS, HTTP/1.1 and HTTP/2 with prior knowledge.
    pub fn plain() -> Self {
        Self { server: http_server::serve(None, Arc::new(routes::handle)), secure: false }
    }

    /// With TLS, for `localhost`, `127.0.0.1` and `::1`, offering both versions of HTTP.
    pub fn secure(ca: &TestCa) -> Self {
        Self::with_tls(ca.server(&["localhost", "127.0.0.1", "::1"], BOTH, Flaw::None))
    }

    /// With TLS, for these names: to be declared with `dial`.
    pub fn named(ca: &TestCa, names: &[&str]) -> Self {
        Self::with_tls(ca.server(names, BOTH, Flaw::None))
    }

    /// Like [`Upstream::secure`], with a flawed certificate.
    pub fn flawed(ca: &TestCa, flaw: Flaw) -> Self {
        Self::with_tls(ca.server(&["localhost", "127.0.0.1", "::1"], BOTH, flaw))
    }

    /// With a TLS configuration of the test's own.
    pub fn with_tls(config: Arc<ServerConfig>) -> Self {
        Self { server: http_server::serve(Some(config), Arc::new(routes::handle)), secure: true }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    /// `http(s)://localhost:PORT` followed by `path`.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://localhost:{}{path}", self.port())
    }

    /// Every request that reached it so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.server.journal.all()
    }

    /// Waits for a request that satisfies `wanted`; `None` when none came within the limit.
    pub fn wait_for(&self, limit: Duration, wanted: impl Fn(&Seen) -> bool) -> Option<Seen> {
        self.server.journal.wait(limit, wanted)
    }
}
