//! Connections that wait for the next request. A session has its own, so that they end with it.
//!
//! Two requests share a connection only if they are for the same resource at the same address with the same credential: some servers
//! tie who is asking to the connection.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bailiwick_broker::Fingerprint;
use bailiwick_catalogue::{Host, Resource, Scheme};
use bailiwick_core::Name;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    DialError, Protocol, Resolve, Trust,
    dial::{Destination, Dialled, dial},
};
use crate::http::OutBody;

/// Idle connections kept for one key.
const IDLE: usize = 32;
/// How long a connection that just ended an answer may take to be ready for the next request.
const SETTLE: Duration = Duration::from_millis(20);

/// Which requests may share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) resource: Name,
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credential: Option<Fingerprint>,
}

/// The connections of one session.
pub(crate) struct Pool {
    resolver: Arc<dyn Resolve>,
    trust: Arc<Trust>,
    dial: Duration,
    keep: Duration,
    idle: Mutex<HashMap<Key, Vec<Idle>>>,
    shared: Mutex<HashMap<Key, http2::SendRequest<OutBody>>>,
    spoken: Mutex<HashMap<(String, u16), Protocol>>,
}

struct Idle {
    sender: http1::SendRequest<OutBody>,
    since: Instant,
}

/// The sending end of a connection.
pub(crate) enum Sender {
    Http1(http1::SendRequest<OutBody>),
    Http2(http2::SendRequest<OutBody>),
}

/// A connection, and whether it was used before.
pub(crate) struct Connection {
    pub(crate) sender: Sender,
    pub(crate) used: bool,
}

/// An HTTP/1.1 connection that goes back to its pool once its answer was read to the end.
pub(crate) struct Lent {
    pool: Arc<Pool>,
    key: Key,
    sender: http1::SendRequest<OutBody>,
}

impl Pool {
    /// No connections yet.
    pub(crate) fn new(resolver: Arc<dyn Resolve>, trust: Arc<Trust>, dial: Duration, keep: Duration) -> Self {
        Self {
            resolver,
            trust,
            dial,
            keep,
            idle: Mutex::default(),
            shared: Mutex::default(),
            spoken: Mutex::default(),
        }
    }

    /// What the upstream at `host` and `port` is known to speak.
    pub(crate) fn spoken(&self, host: &str, port: u16) -> Option<Protocol> {
        self.spoken.lock().unwrap_or_else(PoisonError::into_inner).get(&(host.to_owned(), port)).copied()
    }

    /// A connection for `key` that waits already, or a new one.
    pub(crate) async fn connection(
        &self,
        key: &Key,
        resource: &Resource,
        host: Host,
    ) -> Result<Connection, DialError> {
        if let Some(sender) = self.waiting(key).await {
            return Ok(Connection { sender, used: true });
        }
        self.fresh(key, resource, host, false).await.map(|sender| Connection { sender, used: false })
    }

    /// A new connection; `http1` for one that must speak HTTP/1.1.
    pub(crate) async fn fresh(
        &self,
        key: &Key,
        resource: &Resource,
        host: Host,
        http1: bool,
    ) -> Result<Sender, DialError> {
        let name = key.host.clone();
        let to = Destination::new(resource, key.scheme, host, key.port, http1);
        let dialled = dial(&to, self.resolver.as_ref(), &self.trust, self.dial).await?;
        let spoken = match &dialled {
            Dialled::Plain(_) => Protocol::Http1,
            Dialled::Tls(_, protocol) => *protocol,
        };
        if !http1 {
            self.spoken
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert((name.clone(), key.port), spoken);
        }
        let sender = match dialled {
            Dialled::Plain(stream) => first(stream).await.map(Sender::Http1),
            Dialled::Tls(stream, Protocol::Http1) => first(*stream).await.map(Sender::Http1),
            Dialled::Tls(stream, Protocol::Http2) => second(*stream).await.map(Sender::Http2),
        };
        let sender = sender.map_err(|error| DialError::Http { name, error })?;
        if let Sender::Http2(shared) = &sender {
            self.shared.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), shared.clone());
        }
        Ok(sender)
    }

    /// A new connection to an opaque resource.
    pub(crate) async fn opaque(
        &self,
        resource: &Resource,
        host: Host,
        port: u16,
    ) -> Result<TcpStream, DialError> {
        let name = host.to_string();
        let to = Destination::new(resource, Scheme::Tcp, host, port, true);
        match dial(&to, self.resolver.as_ref(), &self.trust, self.dial).await? {
            Dialled::Plain(stream) => Ok(stream),
            Dialled::Tls(..) => Err(DialError::Tls { name, problem: "none was asked for".to_owned() }),
        }
    }

    async fn waiting(&self, key: &Key) -> Option<Sender> {
        if let Some(shared) = self.take_shared(key) {
            return Some(Sender::Http2(shared));
        }
        while let Some(mut sender) = self.take_idle(key) {
            if sender.is_ready() || matches!(timeout(SETTLE, sender.ready()).await, Ok(Ok(()))) {
                return Some(Sender::Http1(sender));
            }
        }
        None
    }

    fn take_shared(&self, key: &Key) -> Option<http2::SendRequest<OutBody>> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.get(key).is_some_and(http2::SendRequest::is_closed) {
            shared.remove(key);
        }
        shared.get(key).cloned()
    }

    fn take_idle(&self, key: &Key) -> Option<http1::SendRequest<OutBody>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle.get_mut(key)?;
        waiting.retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < self.keep);
        // The one that waited least is the least likely to be closed by the upstream right now.
        waiting.pop().map(|idle| idle.sender)
    }

    fn put(&self, key: Key, sender: http1::SendRequest<OutBody>) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        for waiting in idle.values_mut() {
            waiting.retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < self.keep);
        }
        idle.retain(|_, waiting| !waiting.is_empty());
        let waiting = idle.entry(key).or_default();
        if waiting.len() < IDLE {
            waiting.push(Idle { sender, since: Instant::now() });
        }
    }

    /// Closes every connection that waits.
    pub(crate) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Lent {
    /// `sender`, to go back to `pool` under `key`.
    pub(crate) fn new(pool: Arc<Pool>, key: Key, sender: http1::SendRequest<OutBody>) -> Self {
        Self { pool, key, sender }
    }

    /// Gives it back: the answer was read to its end.
    pub(crate) fn give_back(self) {
        self.pool.put(self.key, self.sender);
    }
}

async fn first<S>(stream: S) -> hyper::Result<http1::SendRequest<OutBody>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await?;
    // Ends when the sender and its last answer are dropped.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "an upstream's connection ended");
        }
    });
    Ok(sender)
}

async fn second<S>(stream: S) -> hyper::Result<http2::SendRequest<OutBody>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .adaptive_window(true)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an upstream's connection ended");
        }
    });
    Ok(sender)
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
