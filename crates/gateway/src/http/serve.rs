//! One connection: opaque, TLS or clear text, HTTP/1.1 or HTTP/2.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bailiwick_catalogue::Scheme;
use bailiwick_core::{Reason, ReasonCode};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{
    exchange::{Wire, exchange},
    screen::{Screened, Signals},
};
use crate::{
    opaque,
    plane::Plane,
    sources::Expected,
    tls::{self, TlsError},
};

/// The first byte of a TLS record that begins a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// Streams of one HTTP/2 connection at the same time.
const STREAMS: u32 = 128;

/// Serves an announced connection until either side ends it.
pub(crate) async fn serve(plane: Arc<Plane>, stream: TcpStream, expected: Expected) {
    let Expected { process, meant } = expected;
    let _ = stream.set_nodelay(true);
    cut_when_stalled(&stream, plane.limits().stall);
    if let Some((host, resource)) = opaque::resource(&plane, &meant) {
        return opaque::serve(&plane, stream, process, &meant, &host, resource).await;
    }
    let secure = match timeout(plane.limits().head, first_byte(&stream)).await {
        Ok(Ok(Some(first))) => first == HANDSHAKE,
        // Nothing was attempted, so there is nothing to record.
        Ok(Ok(None) | Err(_)) | Err(_) => return,
    };
    let wire = Wire {
        plane: Arc::clone(&plane),
        process,
        meant,
        scheme: if secure { Scheme::Https } else { Scheme::Http },
        signals: Arc::new(Signals::default()),
    };
    if !secure {
        return first(wire, stream).await;
    }
    let handshake = tls::accept(stream, &wire.meant, plane.leaves(), plane.offer(&wire.meant));
    match timeout(plane.limits().head, handshake).await {
        Ok(Ok(accepted)) if accepted.http2 => second(wire, accepted.stream).await,
        Ok(Ok(accepted)) => first(wire, accepted.stream).await,
        Ok(Err(error)) => note_handshake(&plane, &wire, &error).await,
        Err(_) => {}
    }
}

/// Has the kernel end a connection whose peer takes nothing for so long, also where it says that it has no room (tcp(7),
/// `TCP_USER_TIMEOUT`).
fn cut_when_stalled(stream: &TcpStream, limit: Duration) {
    let limit = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, limit) {
        tracing::debug!(%error, "a connection has no limit for stalling");
    }
}

async fn first_byte(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((stream.peek(&mut byte).await? > 0).then_some(byte[0]))
}

async fn note_handshake(plane: &Plane, wire: &Wire, error: &TlsError) {
    let reason = Reason::new(ReasonCode::Malformed, error.to_string());
    let reason = match error {
        TlsError::Handshake(error) if error.kind() != io::ErrorKind::InvalidData => return,
        TlsError::Handshake(_) => reason.with_fix(
            "the client must trust the session's certificate authority; one that pins certificates cannot be served",
        ),
        TlsError::Authority(_) | TlsError::Disagreement { .. } => reason,
    };
    let (host, port) = (wire.meant.host(), wire.meant.port());
    plane.note_connect(Some(wire.process.clone()), &host, port, reason).await;
}

async fn first<S>(wire: Wire, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = *wire.plane.limits();
    let screened = Screened::new(stream, Arc::clone(&wire.signals), &limits);
    let wire = Arc::new(wire);
    let service = service_fn(move |request| answer(Arc::clone(&wire), request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.head_fields)
        .max_buf_size(limits.head_bytes.max(READ_BUFFER))
        .serve_connection(TokioIo::new(screened), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a client's connection ended");
    }
}

/// hyper wants at least 8 KiB; a larger buffer serves uploads in fewer steps.
const READ_BUFFER: usize = 64 << 10;

async fn second<S>(wire: Wire, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = *wire.plane.limits();
    let wire = Arc::new(wire);
    let service = service_fn(move |request| answer(Arc::clone(&wire), request));
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.head)
        .keep_alive_timeout(limits.head)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a client's connection ended");
    }
}

async fn answer(
    wire: Arc<Wire>,
    request: Request<Incoming>,
) -> Result<http::Response<super::answer::AnswerBody>, Infallible> {
    Ok(exchange(&wire, request).await)
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn who_takes_nothing_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        cut_when_stalled(&stream, Duration::from_millis(100));
        let error = loop {
            if let Err(error) = stream.write_all(&[0; 1 << 20]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(reader);
    }
}
