//! The HTTP server under every double: HTTP/1.1 and HTTP/2, plain or TLS, each connection a task that dies with the handle.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::background::{self, Stop};
use crate::journal::{BodySeen, Journal};

/// Any response body.
pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// What a double does with a request; its body is recorded while it is read.
pub(crate) type Handler =
    Arc<dyn Fn(Request<Recorded>, CancellationToken) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A running server.
#[derive(Debug)]
pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    pub(crate) journal: Journal,
    _stop: Stop,
}

/// Serves on a free port of 127.0.0.1.
pub(crate) fn serve(tls: Option<Arc<ServerConfig>>, handler: Handler) -> HttpServer {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binding a free port");
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let journal = Journal::default();
    let connections = journal.clone();
    let stop = background::run(|token| accept(listener, tls, handler, connections, token));
    HttpServer { address, journal, _stop: stop }
}

async fn accept(
    listener: std::net::TcpListener,
    tls: Option<Arc<ServerConfig>>,
    handler: Handler,
    journal: Journal,
    token: CancellationToken,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    let tls = tls.map(TlsAcceptor::from);
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let _ = stream.set_nodelay(true);
        let (tls, handler, journal, token) =
            (tls.clone(), Arc::clone(&handler), journal.clone(), token.clone());
        connections.spawn(async move {
            match tls {
                None => converse(stream, handler, journal, token).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, handler, journal, token).await;
                    }
                }
            }
        });
    }
}

async fn converse<S>(stream: S, handler: Handler, journal: Journal, token: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        let number = journal.open(&parts);
        let body = Recorded::new(body, journal.clone(), number);
        let answer = handler(Request::from_parts(parts, body), token.clone());
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http2().enable_connect_protocol();
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

/// A request body that is measured on its way.
#[derive(Debug)]
pub(crate) struct Recorded {
    body: Incoming,
    journal: Journal,
    number: usize,
    length: u64,
    digest: Option<Sha256>,
}

impl Recorded {
    fn new(body: Incoming, journal: Journal, number: usize) -> Self {
        let mut recorded = Self { body, journal, number, length: 0, digest: Some(Sha256::new()) };
        if recorded.body.is_end_stream() {
            recorded.finish();
        }
        recorded
    }

    fn finish(&mut self) {
        if let Some(digest) = self.digest.take() {
            let sha256 = hex::encode(digest.finalize());
            self.journal.finish(self.number, BodySeen { length: self.length, sha256 });
        }
    }
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(digest)) = (frame.data_ref(), self.digest.as_mut()) {
                    digest.update(data);
                    let length = u64::try_from(data.len()).unwrap();
                    self.length += length;
                }
                if self.body.is_end_stream() {
                    self.finish();
                }
            }
            Poll::Ready(None) => self.finish(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that is all there.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A complete answer.
pub(crate) fn answer(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Body> {
    Response::builder().status(status).header(header::CONTENT_TYPE, content_type).body(full(body)).unwrap()
}

/// `text/plain` with that status.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", text.to_owned())
}

/// The value of a query parameter, percent-decoded.
pub(crate) fn query(request: &Request<Recorded>, name: &str) -> Option<String> {
    let value =
        request.uri().query()?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(percent_encoding::percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
}
