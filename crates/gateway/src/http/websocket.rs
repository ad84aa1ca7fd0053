//! WebSockets (RFC 6455), where a resource declares them: bytes are relayed both ways until either side ends or the action is stopped.
//!
//! What comes back is scrubbed like any answer: a server's frames are not masked, and scrubbing never changes a length.

use std::io;

use bailiwick_authority::OutcomeStatus;
use bailiwick_broker::{Sought, Sweep, check_answer};
use bailiwick_core::{Reason, ReasonCode};
use bytes::BytesMut;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{answer::AnswerBody, exchange::Wire, fields, forward::Failed};
use crate::tracked::Tracked;

/// What is read at a time.
const READ: usize = 16 << 10;

/// Lets both sides leave HTTP, and relays between them from then on.
pub(super) fn switch(
    wire: &Wire,
    mut upstream: Response<Incoming>,
    sought: Option<&Sought>,
    client: Option<OnUpgrade>,
    mut tracked: Tracked,
) -> Result<Response<AnswerBody>, Failed> {
    let Some(client) = client else {
        return Err((
            Box::new(tracked),
            Reason::new(ReasonCode::Malformed, "this connection cannot become a WebSocket"),
        ));
    };
    let served = hyper::upgrade::on(&mut upstream);
    let (mut parts, _) = upstream.into_parts();
    if sought.is_some()
        && let Err(error) = check_answer(&parts)
    {
        return Err((Box::new(tracked), Reason::new(ReasonCode::UpstreamRefused, error.to_string())));
    }
    fields::clean_answer(&mut parts.headers);
    parts.headers.remove(header::SET_COOKIE);
    if let Some(sought) = sought {
        tracked.note_scrubbed(sought.scrub_headers(&mut parts.headers));
    }
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    wire.signals.switch();
    let stop = tracked.stop();
    let sweep = sought.map(Sought::sweep);
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = stop.cancelled() => tracked.close(OutcomeStatus::Cut, Some("stopped")),
            ended = converse(client, served, sweep, &mut tracked) => match ended {
                Ok(()) => tracked.close(OutcomeStatus::Ok, None),
                Err(_) => tracked.close(OutcomeStatus::Ok, Some("the connection broke")),
            },
        }
    });
    let mut answer = Response::new(AnswerBody::Own(None));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = parts.headers;
    Ok(answer)
}

async fn converse(
    client: OnUpgrade,
    served: OnUpgrade,
    sweep: Option<Sweep>,
    tracked: &mut Tracked,
) -> io::Result<()> {
    let client: Upgraded = client.await.map_err(io::Error::other)?;
    let served: Upgraded = served.await.map_err(io::Error::other)?;
    relay(TokioIo::new(client), TokioIo::new(served), sweep, tracked).await
}

/// Copies both ways until one side has ended and the other way is done too.
pub(crate) async fn relay<C, U>(
    client: C,
    upstream: U,
    mut sweep: Option<Sweep>,
    tracked: &mut Tracked,
) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_upstream, mut to_upstream) = tokio::io::split(upstream);
    let sent = tracked.sent_counter();
    let up = async {
        let mut buffer = BytesMut::with_capacity(READ);
        while from_client.read_buf(&mut buffer).await? > 0 {
            let part = buffer.split();
            sent.fetch_add(part.len() as u64, std::sync::atomic::Ordering::Relaxed);
            to_upstream.write_all(&part).await?;
            to_upstream.flush().await?;
            buffer.reserve(READ);
        }
        to_upstream.shutdown().await
    };
    let mut received = 0;
    let down = async {
        let mut buffer = BytesMut::with_capacity(READ);
        while from_upstream.read_buf(&mut buffer).await? > 0 {
            let part = buffer.split().freeze();
            received += part.len() as u64;
            let part = match &mut sweep {
                Some(sweep) => sweep.feed(part),
                None => part,
            };
            to_client.write_all(&part).await?;
            to_client.flush().await?;
            buffer.reserve(READ);
        }
        if let Some(sweep) = &mut sweep {
            to_client.write_all(&sweep.finish()).await?;
        }
        to_client.shutdown().await
    };
    let ended = tokio::try_join!(up, down).map(|_| ());
    tracked.note_received(received);
    tracked.note_scrubbed(sweep.map_or(0, |sweep| sweep.hits()));
    ended
}
