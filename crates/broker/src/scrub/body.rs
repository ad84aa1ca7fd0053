//! A message body with the secrets taken out: data as it streams, and trailers.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::Scrubber;

/// The answer to a request that got a credential. Its length is that of `body`, so its `content-length` still holds.
#[derive(Debug)]
pub struct ScrubbedBody<B> {
    body: B,
    scrubber: Scrubber,
    /// Trailers that wait until the last data has gone.
    trailers: Option<HeaderMap>,
    ended: bool,
}

impl<B> ScrubbedBody<B> {
    /// `body`, through `scrubber`.
    pub fn new(body: B, scrubber: Scrubber) -> Self {
        Self { body, scrubber, trailers: None, ended: false }
    }

    /// How many occurrences were overwritten so far.
    pub fn hits(&self) -> u64 {
        self.scrubber.hits()
    }

    /// The last data, once no more will come.
    fn end(&mut self) -> Option<Bytes> {
        self.ended = true;
        Some(self.scrubber.finish()).filter(|rest| !rest.is_empty())
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for ScrubbedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        while !this.ended {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    // What is held back of a broken stream is dropped: nobody can say that it is clean.
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(this.end().map(|rest| Ok(Frame::data(rest)))),
            };
            match frame.into_data() {
                Ok(data) => {
                    let clean = this.scrubber.feed(data);
                    if !clean.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(clean))));
                    }
                }
                // A frame that is neither data nor trailers cannot be scrubbed, and does not go on.
                Err(other) => {
                    if let Ok(mut trailers) = other.into_trailers() {
                        this.scrubber.scrub_headers(&mut trailers);
                        this.trailers = Some(trailers);
                        if let Some(rest) = this.end() {
                            return Poll::Ready(Some(Ok(Frame::data(rest))));
                        }
                    }
                }
            }
        }
        Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.trailers.is_none() && (self.ended || self.body.is_end_stream() && self.scrubber.held() == 0)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = if self.ended { SizeHint::with_exact(0) } else { self.body.size_hint() };
        let held = self.scrubber.held() as u64;
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + held);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc, task::Waker};

    use super::*;
    use crate::{Patterns, Secret};

    struct Frames(VecDeque<Result<Frame<Bytes>, &'static str>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(self.0.pop_front())
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            let data = self.0.iter().flatten().filter_map(Frame::data_ref);
            SizeHint::with_exact(data.map(|data| data.len() as u64).sum())
        }
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    /// Runs the body and checks that its promises about its length and its end hold at every step.
    fn run(
        frames: Vec<Result<Frame<Bytes>, &'static str>>,
    ) -> (String, Option<HeaderMap>, Option<&'static str>) {
        let secret = Secret::new(b"MARKER-0123".to_vec()).unwrap();
        let scrubber = Scrubber::new(Arc::new(Patterns::new([&secret])));
        let mut body = ScrubbedBody::new(Frames(frames.into()), scrubber);
        let mut context = Context::from_waker(Waker::noop());
        let promised = body.size_hint().exact().unwrap();
        let (mut text, mut trailers, mut error) = (String::new(), None, None);
        loop {
            let ended = body.is_end_stream();
            assert_eq!(body.size_hint().exact().unwrap() + text.len() as u64, promised);
            match Pin::new(&mut body).poll_frame(&mut context) {
                Poll::Ready(Some(frame)) => {
                    assert!(!ended);
                    match frame.map(Frame::into_data) {
                        Ok(Ok(data)) => text.push_str(std::str::from_utf8(&data).unwrap()),
                        Ok(Err(other)) => trailers = other.into_trailers().ok(),
                        Err(failure) => {
                            error = Some(failure);
                            break;
                        }
                    }
                }
                Poll::Ready(None) => break,
                Poll::Pending => unreachable!("the frames are there"),
            }
        }
        assert!(body.is_end_stream());
        (text, trailers, error)
    }

    #[test]
    fn data_and_trailers_are_scrubbed_and_keep_their_order_and_length() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-last", "MARKER-0123".parse().unwrap());
        let frames = vec![data("a MAR"), data("KER-0"), data("123 b MARK"), Ok(Frame::trailers(trailers))];
        let (text, trailers, error) = run(frames);
        assert_eq!(text, "a *********** b MARK");
        assert_eq!(trailers.unwrap()["x-last"], "***********");
        assert_eq!(error, None);
    }

    #[test]
    fn what_is_held_comes_at_the_end_and_not_after_an_error() {
        assert_eq!(run(vec![data("a MARK")]).0, "a MARK");
        assert_eq!(run(vec![data("a MARKER-012")]).0, "a **********");
        assert_eq!(run(vec![]).0, "");
    }

    #[test]
    fn a_broken_stream_stays_broken_and_drops_what_was_held() {
        let secret = Secret::new(b"MARKER-0123".to_vec()).unwrap();
        let scrubber = Scrubber::new(Arc::new(Patterns::new([&secret])));
        let frames = Frames(VecDeque::from([data("a MARKER-01"), Err("reset"), data("2")]));
        let mut body = ScrubbedBody::new(frames, scrubber);
        let mut context = Context::from_waker(Waker::noop());
        let mut next = || match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())),
            Poll::Pending => unreachable!("the frames are there"),
        };
        assert_eq!(next(), Some(Ok(Bytes::from_static(b"a "))));
        assert_eq!(next(), Some(Err("reset")));
        assert_eq!(next(), None);
    }
}
