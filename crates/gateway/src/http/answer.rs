//! What goes back: problem documents of our own, and upstreams' answers on their way, scrubbed and counted.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bailiwick_authority::OutcomeStatus;
use bailiwick_broker::{Sought, Sweep};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{body::BodyError, git::heads::Listener};
use crate::{tracked::Tracked, upstream::Lent};

/// An answer's body.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// Bytes of our own.
    Own(Option<Bytes>),
    /// An upstream's.
    Upstream(Box<Streaming>),
}

/// An upstream's body on its way.
pub(crate) struct Streaming {
    upstream: Incoming,
    /// Who hears what a forge says of its branches.
    listener: Option<Listener>,
    sought: Sought,
    sweep: Sweep,
    /// Bytes that are held back because they may be the beginning of something.
    held: u64,
    counted: u64,
    /// Trailers that wait for the last bytes.
    trailers: Option<HeaderMap>,
    ended: bool,
    lent: Option<Lent>,
    tracked: Tracked,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AnswerBody {
    /// `bytes`, whole.
    pub(crate) fn own(bytes: impl Into<Bytes>) -> Self {
        Self::Own(Some(bytes.into()))
    }

    /// What the upstream answers to an action, without anything that is `sought`.
    pub(crate) fn upstream(upstream: Incoming, sought: Sought, lent: Option<Lent>, tracked: Tracked) -> Self {
        let stop = Box::pin(tracked.stop().cancelled_owned());
        let sweep = sought.sweep();
        Self::Upstream(Box::new(Streaming {
            upstream,
            listener: None,
            sought,
            sweep,
            held: 0,
            counted: 0,
            trailers: None,
            ended: false,
            lent,
            tracked,
            stop,
        }))
    }
}

impl AnswerBody {
    /// The same, and `listener` hears it.
    #[must_use]
    pub(crate) fn heard_by(mut self, listener: Option<Listener>) -> Self {
        if let Self::Upstream(streaming) = &mut self {
            streaming.listener = listener;
        }
        self
    }
}

impl Streaming {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.stop.as_mut().poll(cx).is_ready() {
            self.lent = None;
            self.tracked.close(OutcomeStatus::Cut, Some("stopped"));
            return Poll::Ready(Some(Err(BodyError::Stopped)));
        }
        loop {
            if self.ended {
                let trailers = self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers)));
                if trailers.is_none() {
                    self.complete();
                }
                return Poll::Ready(trailers);
            }
            let frame = match ready!(Pin::new(&mut self.upstream).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.lent = None;
                    self.tracked.close(OutcomeStatus::Failed, Some("the upstream broke off its answer"));
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => match self.end(None) {
                    Some(last) => return Poll::Ready(Some(Ok(Frame::data(last)))),
                    None => continue,
                },
            };
            let passed = match frame.into_data() {
                Ok(data) => self.pass(data),
                Err(frame) => self.end(frame.into_trailers().ok()).unwrap_or_default(),
            };
            if !passed.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(passed))));
            }
        }
    }

    fn pass(&mut self, data: Bytes) -> Bytes {
        let length = data.len() as u64;
        self.tracked.note_received(length);
        if self.listener.as_mut().is_some_and(|listener| !listener.hear(&data)) {
            self.listener = None;
        }
        let passed = self.sweep.feed(data);
        // It never changes how many bytes there are.
        self.held = (self.held + length).saturating_sub(passed.len() as u64);
        passed
    }

    /// The upstream's bytes have ended; what was still held, if anything.
    fn end(&mut self, trailers: Option<HeaderMap>) -> Option<Bytes> {
        self.ended = true;
        let last = Some(self.sweep.finish()).filter(|last| !last.is_empty());
        self.held = 0;
        self.trailers = trailers;
        if let Some(trailers) = &mut self.trailers {
            self.tracked.note_scrubbed(self.sought.scrub_headers(trailers));
            super::fields::clean_answer(trailers);
            trailers.remove(http::header::SET_COOKIE);
        }
        last
    }

    fn complete(&mut self) {
        self.count();
        self.tracked.close(OutcomeStatus::Ok, None);
        if let Some(lent) = self.lent.take() {
            lent.give_back();
        }
    }

    fn count(&mut self) {
        self.tracked.note_scrubbed(self.sweep.hits() - self.counted);
        self.counted = self.sweep.hits();
    }

    fn is_over(&self) -> bool {
        (self.ended && self.trailers.is_none()) || (self.upstream.is_end_stream() && self.held == 0)
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        // Whoever sends a body of known length does not ask for what comes after its last byte.
        if self.is_over() && !self.tracked.stop().is_cancelled() {
            self.complete();
        } else {
            self.count();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Upstream(streaming) => streaming.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Upstream(streaming) => streaming.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Upstream(streaming) => {
                let upstream = streaming.upstream.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(upstream.lower() + streaming.held);
                if let Some(upper) = upstream.upper() {
                    hint.set_upper(upper + streaming.held);
                }
                hint
            }
        }
    }
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming").field("tracked", &self.tracked).finish_non_exhaustive()
    }
}
