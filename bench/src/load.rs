//! The load generator: the same one against an upstream, through a peer, and inside the sandbox.
//!
//! Closed loop: each connection sends its next request when it has read the whole answer to the last. Any answer but 2xx is an
//! error of the run: what was refused fast must not look like speed.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::measure::{quantile, us};

/// What is to be sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) url: String,
    /// Requests in all.
    pub(crate) requests: usize,
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// A new connection for each request.
    pub(crate) fresh: bool,
    pub(crate) post: bool,
    /// A proxy that is asked to CONNECT.
    pub(crate) proxy: Option<String>,
    /// Who certifies the server; inside the sandbox, whom `SSL_CERT_FILE` names.
    pub(crate) ca: Option<String>,
}

/// What was found.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) per_second: f64,
}

/// A plan as an argument, and what came of it as the last line on standard output.
pub(crate) fn main(plan: &str) -> Result<()> {
    let plan: Plan = serde_json::from_str(plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(tokio::task::LocalSet::new().run_until(run(plan)))?;
    println!("{}", serde_json::to_string(&found)?);
    Ok(())
}

async fn run(plan: Plan) -> Result<Found> {
    let target = Arc::new(Target::new(plan)?);
    let each = target.plan.requests / target.plan.connections;
    // What is only made once (leaves, upstream connections, names) is made before the clock starts.
    let mut workers = Vec::new();
    for _ in 0..target.plan.connections {
        let mut sender = target.open().await?;
        target.once(&mut sender).await?;
        workers.push(sender);
    }
    let started = Instant::now();
    let tasks: Vec<_> = workers
        .into_iter()
        .map(|sender| tokio::task::spawn_local(target.clone().work(sender, each)))
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let seconds = started.elapsed().as_secs_f64();
    let per_second = times.len() as f64 / seconds;
    Ok(Found { p50_us: quantile(&mut times, 0.5), p99_us: quantile(&mut times, 0.99), per_second })
}

/// Connections to open and hold: prints one line when all have been answered once, and ends when its standard input does.
pub(crate) fn hold(plan: &str) -> Result<()> {
    let plan: Plan = serde_json::from_str(plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        let target = Target::new(plan)?;
        let mut held = Vec::new();
        for _ in 0..target.plan.connections {
            let mut sender = target.open().await?;
            let answer = sender.send_request(target.request()?).await?;
            ensure!(answer.status().is_success(), "{} answered {}", target.plan.url, answer.status());
            if target.plan.fresh {
                // A stream: it is read for as long as it lasts.
                held.push((sender, Some(tokio::task::spawn_local(answer.into_body().collect()))));
            } else {
                answer.into_body().collect().await?;
                held.push((sender, None));
            }
        }
        println!("{}", held.len());
        tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
        Ok(())
    }))
}

/// Connects and closes, one after the other; the median in microseconds.
pub(crate) fn connect(address: &str, count: usize) -> Result<()> {
    let address = std::net::ToSocketAddrs::to_socket_addrs(address)?.find(std::net::SocketAddr::is_ipv4);
    let address = address.context("no address")?;
    let mut times = Vec::new();
    for _ in 0..count {
        let started = Instant::now();
        let stream = std::net::TcpStream::connect(address)?;
        times.push(us(started.elapsed()));
        drop(stream);
    }
    println!("{}", quantile(&mut times, 0.5));
    Ok(())
}

struct Target {
    plan: Plan,
    uri: Uri,
    host: String,
    authority: String,
    tls: Option<TlsConnector>,
}

type Sender = SendRequest<Full<Bytes>>;

impl Target {
    fn new(plan: Plan) -> Result<Self> {
        let uri: Uri = plan.url.parse()?;
        let host = uri.host().context("a URL has a host")?.to_owned();
        let authority = uri.authority().context("a URL has a host")?.to_string();
        let tls = if uri.scheme_str() == Some("https") { Some(connector(plan.ca.as_deref())?) } else { None };
        Ok(Self { plan, uri, host, authority, tls })
    }

    async fn open(&self) -> Result<Sender> {
        let address = self.plan.proxy.as_deref().unwrap_or(&self.authority);
        let mut tcp =
            TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        tcp.set_nodelay(true)?;
        if self.plan.proxy.is_some() {
            tunnel(&mut tcp, &self.authority).await?;
        }
        match &self.tls {
            None => speak(tcp).await,
            Some(tls) => speak(tls.connect(ServerName::try_from(self.host.clone())?, tcp).await?).await,
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>> {
        let (method, body) =
            if self.plan.post { (Method::POST, "{\"example\":1}") } else { (Method::GET, "") };
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(method).uri(path).header("host", &self.authority);
        if self.plan.post {
            request = request.header("content-type", "application/json");
        }
        Ok(request.body(Full::new(Bytes::from_static(body.as_bytes())))?)
    }

    async fn once(&self, sender: &mut Sender) -> Result<()> {
        sender.ready().await?;
        let answer = sender.send_request(self.request()?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{} answered {status}: {}", self.plan.url, String::from_utf8_lossy(&body));
        }
        Ok(())
    }

    async fn work(self: Arc<Self>, mut sender: Sender, requests: usize) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(requests);
        for _ in 0..requests {
            let started = Instant::now();
            if self.plan.fresh {
                sender = self.open().await?;
            }
            self.once(&mut sender).await?;
            times.push(us(started.elapsed()));
        }
        Ok(times)
    }
}

async fn speak(io: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Result<Sender> {
    let (sender, connection) = handshake(TokioIo::new(io)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

async fn tunnel(tcp: &mut TcpStream, authority: &str) -> Result<()> {
    tcp.write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    ensure!(line.contains(" 200 "), "the proxy answered {line}");
    Ok(())
}

fn connector(ca: Option<&str>) -> Result<TlsConnector> {
    let file = ca.map(str::to_owned).or_else(|| std::env::var("SSL_CERT_FILE").ok());
    let file = file.context("https wants an authority")?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&file)? {
        // A system's file may hold roots that this library cannot use.
        let _ = roots.add(certificate?);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A new connection is a whole handshake, with every contestant.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
