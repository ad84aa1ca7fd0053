//! What is sent upstream: the bytes that were read for the decision, if any, then the rest as it comes.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{
    sync::OwnedSemaphorePermit,
    task::{JoinHandle, spawn_blocking},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{fields, malformed::Malformed};

/// A body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The session or the action was stopped.
    #[error("stopped")]
    Stopped,
    /// The other side broke it off.
    #[error("the body broke off")]
    Broken(#[from] hyper::Error),
    /// What was kept aside cannot be read any more.
    #[error("what was kept aside cannot be read: {0}")]
    Kept(#[source] io::Error),
}

/// A body that was looked at as far as its rule wants.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What was read.
    pub(crate) read: Bytes,
    /// What follows, and was read too, but is too long to be kept in memory.
    pub(crate) spool: Option<Spool>,
    /// What was not, and whether there is any.
    pub(crate) rest: Option<Incoming>,
    /// The room that it takes, of what a session may have read and not yet sent.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl Prepared {
    /// A body that was read to its end.
    pub(crate) fn whole(read: Bytes) -> Self {
        Self { read, ..Self::empty() }
    }

    /// A body that was not read at all.
    pub(crate) fn streaming(rest: Incoming) -> Self {
        Self { rest: Some(rest), ..Self::empty() }
    }

    /// No body.
    pub(crate) const fn empty() -> Self {
        Self { read: Bytes::new(), spool: None, rest: None, room: None }
    }
}

/// Bytes in a file that nobody else has, on their way.
#[derive(Debug)]
pub(crate) struct Spool {
    file: Arc<File>,
    at: u64,
    length: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Spool {
    /// The bytes that are read from the spool at once.
    const CHUNK: u64 = 256 << 10;

    /// The first `length` bytes of `file`. `place` is given back when they have been sent.
    pub(crate) fn new(file: File, length: u64, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { file: Arc::new(file), at: 0, length, reading: None, _place: place }
    }

    const fn left(&self) -> u64 {
        self.length - self.at
    }

    /// The next bytes; `None` after the last.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        let (file, at, wanted) = (&self.file, self.at, self.left().min(Self::CHUNK));
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(file);
            spawn_blocking(move || {
                let mut bytes = vec![0; usize::try_from(wanted).unwrap_or_default()];
                file.read_exact_at(&mut bytes, at).map(|()| bytes.into())
            })
        });
        let read = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).flatten();
        self.reading = None;
        self.at += read.as_ref().map_or(0, |bytes: &Bytes| bytes.len() as u64);
        Poll::Ready(Some(read))
    }
}

/// Reads `body` until `enough` says so; `limit` bounds what is read.
pub(crate) async fn read_until(
    mut body: Incoming,
    limit: usize,
    mut enough: impl FnMut(&[u8]) -> Result<bool, Malformed>,
) -> Result<Prepared, Malformed> {
    let mut read = Vec::new();
    while !enough(&read)? {
        if read.len() > limit {
            return Err(Malformed::new(format!(
                "the body is longer than {limit} bytes, and has to be looked at"
            )));
        }
        match body.frame().await {
            None => return Ok(Prepared::whole(read.into())),
            Some(Err(_)) => {
                return Err(Malformed::new("the body broke off, or is not framed as its head says"));
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    read.extend_from_slice(&data);
                }
            }
        }
    }
    Ok(Prepared { read: read.into(), ..Prepared::streaming(body) })
}

/// A request's body on its way upstream. It counts what is sent, and ends with an error when the action is stopped.
pub(crate) struct OutBody {
    read: Bytes,
    spool: Option<Spool>,
    rest: Option<Incoming>,
    room: Option<OwnedSemaphorePermit>,
    sent: Arc<AtomicU64>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl OutBody {
    pub(crate) fn new(prepared: Prepared, sent: Arc<AtomicU64>, stop: CancellationToken) -> Self {
        let Prepared { read, spool, rest, room } = prepared;
        Self { read, spool, rest, room, sent, stop: Box::pin(stop.cancelled_owned()) }
    }

    fn count(&self, bytes: &Bytes) {
        self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(BodyError::Stopped)));
        }
        if !this.read.is_empty() {
            let read = std::mem::take(&mut this.read);
            this.count(&read);
            this.room = None;
            return Poll::Ready(Some(Ok(Frame::data(read))));
        }
        if let Some(spool) = &mut this.spool {
            match ready!(spool.poll(cx)) {
                Some(Ok(bytes)) => {
                    this.count(&bytes);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(BodyError::Kept(error)))),
                None => this.spool = None,
            }
        }
        let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
        let frame = match ready!(Pin::new(rest).poll_frame(cx)) {
            None => {
                this.rest = None;
                return Poll::Ready(None);
            }
            Some(frame) => frame?,
        };
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(data) => {
                this.count(&data);
                Frame::data(data)
            }
            Err(frame) => trailers(frame),
        })))
    }

    fn is_end_stream(&self) -> bool {
        let spooled = self.spool.as_ref().map_or(0, Spool::left);
        self.read.is_empty() && spooled == 0 && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.read.len() as u64 + self.spool.as_ref().map_or(0, Spool::left);
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(read + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(read + upper);
        }
        hint
    }
}

/// Trailers are read by nobody here, so they must not say anything that a head may not.
fn trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    let found = frame.into_trailers().unwrap_or_default();
    Frame::trailers(fields::end_to_end(&found).map(fields::harmless).unwrap_or_default())
}

impl std::fmt::Debug for OutBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutBody").finish_non_exhaustive()
    }
}
