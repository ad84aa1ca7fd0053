//! Package registries as pip, npm and cargo know them, each with one package, built here: nothing is fetched from anywhere.
//!
//! The package is [`PACKAGE`] [`VERSION`] in all three; importing it and asking for its greeting gives [`GREETING`].

mod cargo;
mod npm;
mod pypi;

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};

use crate::authority::{Flaw, TestCa};
use crate::http_server::{self, Body, HttpServer, Recorded, plain};
use crate::journal::Seen;
use crate::upstream::BOTH;

/// Name of the one package.
pub const PACKAGE: &str = "example-greeting";
/// Its version.
pub const VERSION: &str = "1.0.0";
/// What it says.
pub const GREETING: &str = "hello from the registry";

/// Which client a registry serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// pip: a simple index below `/simple/`, files below `/packages/`.
    Pypi,
    /// npm.
    Npm,
    /// cargo: a sparse index, downloads below `/crates/`.
    Cargo,
}

/// A registry; it stops when dropped.
#[derive(Debug)]
pub struct Registry {
    server: HttpServer,
    kind: Kind,
}

impl Registry {
    /// Over TLS, as `localhost`.
    pub fn start(kind: Kind, ca: &TestCa) -> Self {
        let tls = ca.server(&["localhost", "127.0.0.1"], BOTH, Flaw::None);
        let handler =
            Arc::new(move |request: Request<Recorded>, _| async move { serve(kind, &request) }.boxed());
        Self { server: http_server::serve(Some(tls), handler), kind }
    }

    /// Scheme, host and port: the address of a resource.
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.server.address.port())
    }

    /// What the client is configured with: `pip --index-url`, `npm --registry`, cargo's `registries.NAME.index`.
    pub fn index(&self) -> String {
        let origin = self.origin();
        match self.kind {
            Kind::Pypi => format!("{origin}/simple/"),
            Kind::Npm => format!("{origin}/"),
            Kind::Cargo => format!("sparse+{origin}/"),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Every request that reached it.
    pub fn seen(&self) -> Vec<Seen> {
        self.server.journal.all()
    }
}

fn serve(kind: Kind, request: &Request<Recorded>) -> Response<Body> {
    let from_host = || request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
    let authority = request.uri().authority().map(http::uri::Authority::as_str).or_else(from_host);
    let base = format!("https://{}", authority.unwrap_or_default());
    let path = request.uri().path();
    let found = match kind {
        Kind::Pypi => pypi::serve(path),
        Kind::Npm => npm::serve(path, &base),
        Kind::Cargo => cargo::serve(path, &base),
    };
    found.unwrap_or_else(|| plain(StatusCode::NOT_FOUND, "no such package\n"))
}

/// A gzipped tar archive of text files.
fn tar_gz(files: &[(&str, &str)]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut archive = tar::Builder::new(encoder);
    for (path, text) in files {
        let mut entry = tar::Header::new_gnu();
        entry.set_size(u64::try_from(text.len()).unwrap());
        entry.set_mode(0o644);
        entry.set_mtime(1_700_000_000);
        archive.append_data(&mut entry, path, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}
