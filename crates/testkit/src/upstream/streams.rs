//! Bodies that take their time, or a lot of room, or end too soon.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::routes::number;
use crate::http_server::{Body, Recorded};

/// Bytes in one chunk of a download.
const CHUNK: u64 = 64 * 1024;

/// The bytes of a download from `offset` on: they differ from chunk to chunk, so that a lost or repeated one shows.
pub fn pattern(offset: u64, length: usize) -> Vec<u8> {
    (offset..)
        .take(length)
        .map(|position| (position ^ (position >> 8) ^ (position >> 16)).to_le_bytes()[0])
        .collect()
}

pub(super) fn events(request: &Request<Recorded>) -> Response<Body> {
    let count = number(request, "count");
    let last = if count == 0 { u64::MAX } else { count };
    let body =
        paced(last, number(request, "every_ms"), |index| format!("id: {index}\ndata: event {index}\n\n"));
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-store")
        .body(body)
        .unwrap()
}

pub(super) fn slow(request: &Request<Recorded>) -> Response<Body> {
    Response::new(paced(number(request, "chunks").max(1), number(request, "every_ms"), |index| {
        format!("chunk {index}\n")
    }))
}

pub(super) fn download(request: &Request<Recorded>) -> Response<Body> {
    let length = number(request, "bytes");
    let response = Response::builder().header(header::CONTENT_TYPE, "application/octet-stream");
    response.header(header::CONTENT_LENGTH, length).body(exactly(length)).unwrap()
}

pub(super) fn truncate(request: &Request<Recorded>) -> Response<Body> {
    let promised = number(request, "bytes").max(1);
    let sent = number(request, "sent").min(promised - 1);
    let cut = stream::once(async {
        tokio::task::yield_now().await; // what was sent leaves before the connection breaks
        Err(std::io::Error::other("ends too soon"))
    });
    let start = stream::iter([Ok(Frame::data(Bytes::from(pattern(0, usize::try_from(sent).unwrap()))))]);
    let body = BodyExt::boxed(StreamBody::new(start.chain(cut)));
    Response::builder().header(header::CONTENT_LENGTH, promised).body(body).unwrap()
}

/// One byte a chunk: the worst place to split a secret is every place.
pub(super) fn byte_by_byte(body: Bytes) -> Body {
    let bytes = (0..body.len()).map(move |index| Ok(Frame::data(body.slice(index..=index))));
    let yielding = stream::iter(bytes.collect::<Vec<_>>()).then(|frame| async move {
        tokio::task::yield_now().await;
        frame
    });
    BodyExt::boxed(StreamBody::new(yielding))
}

fn exactly(length: u64) -> Body {
    let chunks = stream::iter((0..length.div_ceil(CHUNK)).map(move |index| {
        let offset = index * CHUNK;
        let size = usize::try_from(CHUNK.min(length - offset)).unwrap();
        Ok::<_, Infallible>(Frame::data(Bytes::from(pattern(offset, size))))
    }));
    BodyExt::boxed(StreamBody::new(chunks).map_err(|never| match never {}))
}

fn paced(count: u64, every_ms: u64, text: impl Fn(u64) -> String + Send + Sync + 'static) -> Body {
    let chunks = stream::unfold((0, text), move |(index, text)| async move {
        if index == count {
            return None;
        }
        if index > 0 {
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
        }
        Some((Ok::<_, std::io::Error>(Frame::data(Bytes::from(text(index)))), (index + 1, text)))
    });
    BodyExt::boxed(StreamBody::new(Box::pin(chunks)))
}
