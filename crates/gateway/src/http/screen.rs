//! What arrives on an HTTP/1.1 connection, looked at before hyper tidies it up.
//!
//! hyper drops a `content-length` beside `transfer-encoding`, merges equal ones, tolerates bare line feeds and answers what it cannot parse
//! by itself. Each is harmless, because what is forwarded is built anew; but a request that two servers would read differently is an
//! attack in progress, and belongs on record. The screen follows the framing of each request and holds a head back until it has all of it.
//! A head that breaks a rule is replaced by one with the method [`MARK`], so that it is answered in its turn, in the one place that
//! answers; nothing after it is read. A body that breaks a rule ends the connection.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::malformed::Malformed;
use crate::limits::Limits;

/// The method that stands for a head that was not understood.
pub(crate) const MARK: &str = "MALFORMED";
/// A chunk's size line and a trailer line are short.
const LINE: usize = 4096;
/// What is read at a time.
const READ: usize = 16 << 10;

/// What a screen and its connection's exchanges tell each other.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    fault: OnceLock<Malformed>,
    switched: AtomicBool,
}

impl Signals {
    /// Why a head was not understood.
    pub(crate) fn fault(&self) -> Option<&Malformed> {
        self.fault.get()
    }

    /// The connection is about to stop being HTTP (RFC 9110 §7.8).
    pub(crate) fn switch(&self) {
        self.switched.store(true, Ordering::Release);
    }
}

/// A connection whose reading side is screened.
#[derive(Debug)]
pub(crate) struct Screened<S> {
    inner: S,
    signals: Arc<Signals>,
    head_bytes: usize,
    head_fields: usize,
    /// Read, but not understood yet.
    raw: BytesMut,
    /// Understood, for hyper.
    cleared: BytesMut,
    /// How much of `raw` is known to hold no end of a head.
    searched: usize,
    state: State,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A chunk's data: this many bytes, and the line break after it.
    Chunk(u64),
    /// A chunk's size line.
    ChunkSize,
    /// A body of known length: this many bytes are left.
    Length(u64),
    /// A head.
    Head,
    /// What follows a head that was not understood.
    Refused,
    /// No longer HTTP.
    Switched,
    /// Trailer lines after the last chunk.
    Trailers,
}

impl<S> Screened<S> {
    /// Screens what `inner` receives.
    pub(crate) fn new(inner: S, signals: Arc<Signals>, limits: &Limits) -> Self {
        Self {
            inner,
            signals,
            head_bytes: limits.head_bytes,
            head_fields: limits.head_fields,
            raw: BytesMut::new(),
            cleared: BytesMut::new(),
            searched: 0,
            state: State::Head,
            ended: false,
        }
    }

    /// Moves what can be understood from `raw` to `cleared`.
    fn advance(&mut self) -> io::Result<()> {
        loop {
            let before = (self.state, self.raw.len());
            match self.state {
                State::Chunk(left) => self.pass_chunk(left)?,
                State::ChunkSize => self.pass_chunk_size()?,
                State::Head => self.pass_head(),
                State::Length(left) => {
                    let left = left - self.pass(left);
                    self.state = if left == 0 { State::Head } else { State::Length(left) };
                }
                State::Refused => self.raw.clear(),
                State::Switched => {
                    self.pass(u64::MAX);
                }
                State::Trailers => self.pass_trailer()?,
            }
            if self.raw.is_empty() || (self.state, self.raw.len()) == before {
                return Ok(());
            }
        }
    }

    fn pass(&mut self, most: u64) -> u64 {
        let length = self.raw.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let part = self.raw.split_to(length);
        if self.cleared.is_empty() {
            self.cleared = part;
        } else {
            self.cleared.extend_from_slice(&part);
        }
        length as u64
    }

    fn pass_head(&mut self) {
        if self.signals.switched.load(Ordering::Acquire) {
            self.state = State::Switched;
            return;
        }
        let found = head_length(&self.raw, self.searched);
        self.searched = if found.is_some() { 0 } else { self.raw.len().saturating_sub(3) };
        match found {
            Some(length) if length <= self.head_bytes => {
                match screen(&self.raw[..length], self.head_fields) {
                    Ok(state) => {
                        self.pass(length as u64);
                        self.state = state;
                    }
                    Err(malformed) => self.refuse(malformed),
                }
            }
            None if self.raw.len() <= self.head_bytes => {}
            Some(_) | None => {
                let detail = format!("the request's head is longer than {} bytes", self.head_bytes);
                self.refuse(Malformed::new(detail));
            }
        }
    }

    fn refuse(&mut self, malformed: Malformed) {
        // Only the first is kept; nothing is read after it.
        let _ = self.signals.fault.set(malformed);
        self.raw.clear();
        self.cleared.extend_from_slice(MARK.as_bytes());
        self.cleared
            .extend_from_slice(b" / HTTP/1.1\r\nhost: malformed.invalid\r\nconnection: close\r\n\r\n");
        self.state = State::Refused;
    }

    fn pass_chunk_size(&mut self) -> io::Result<()> {
        let Some(length) = self.line()? else { return Ok(()) };
        let line = &self.raw[..length - 2];
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let plain = (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
        let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        // Extensions carry nothing anyone needs, and servers disagree about them.
        let Some(size) = size.filter(|_| plain && digits.len() == line.len()) else {
            return Err(broken("a chunk's size cannot be read"));
        };
        self.pass(length as u64);
        self.state = if size == 0 { State::Trailers } else { State::Chunk(size) };
        Ok(())
    }

    fn pass_chunk(&mut self, left: u64) -> io::Result<()> {
        let left = left - self.pass(left);
        self.state = State::Chunk(left);
        if left == 0 && self.raw.len() >= 2 {
            if &self.raw[..2] != b"\r\n" {
                return Err(broken("a chunk is longer than its size"));
            }
            self.pass(2);
            self.state = State::ChunkSize;
        }
        Ok(())
    }

    fn pass_trailer(&mut self) -> io::Result<()> {
        let Some(length) = self.line()? else { return Ok(()) };
        if length == 2 {
            self.state = State::Head;
        }
        self.pass(length as u64);
        Ok(())
    }

    /// The length of the line that `raw` starts with, its line break included.
    fn line(&self) -> io::Result<Option<usize>> {
        match self.raw.iter().position(|byte| *byte == b'\n') {
            Some(at) if at > 0 && self.raw[at - 1] == b'\r' => Ok(Some(at + 1)),
            Some(_) => Err(broken("a line ends without a carriage return")),
            None if self.raw.len() > LINE => Err(broken("a line of a chunked body is too long")),
            None => Ok(None),
        }
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The length of the head that `bytes` starts with, the empty line included; there is no end of one before `from`.
fn head_length(bytes: &[u8], from: usize) -> Option<usize> {
    // An end made with bare line feeds is found too, and refused with the rest of the head.
    let end = |at: usize| {
        let rest = &bytes[at..];
        let length = if rest.starts_with(b"\n\r\n") { 3 } else { 2 };
        (length == 3 || rest.starts_with(b"\n\n")).then_some(at + length)
    };
    (from..bytes.len()).filter(|at| bytes[*at] == b'\n').find_map(end)
}

/// Looks at one head, and says how what follows it is framed.
fn screen(head: &[u8], most_fields: usize) -> Result<State, Malformed> {
    check_lines(head)?;
    let mut fields = vec![httparse::EMPTY_HEADER; most_fields];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Malformed::new(format!("the request has more than {most_fields} header fields")));
        }
        Ok(_) | Err(_) => return Err(Malformed::new("the request's head is not HTTP/1.1")),
    }
    let target = request.path.unwrap_or_default();
    if !target.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && !b"\"#<>\\^`{}".contains(&byte)) {
        return Err(Malformed::new("the request target has a character that must be percent-encoded"));
    }
    framing(request.version == Some(0), request.headers)
}

/// Every line ends in CR LF, and neither stands alone; no line continues another (RFC 9112 §2.2, §5.2).
fn check_lines(head: &[u8]) -> Result<(), Malformed> {
    let alone = |pair: &[u8]| (pair[1] == b'\n') != (pair[0] == b'\r');
    if matches!(head.first(), Some(b'\r' | b'\n')) || head.windows(2).any(alone) {
        return Err(Malformed::new("a line of the request's head does not end in CR LF"));
    }
    if head.windows(2).any(|pair| pair[0] == b'\n' && matches!(pair[1], b' ' | b'\t')) {
        return Err(Malformed::new("a header field is folded over two lines"));
    }
    Ok(())
}

/// RFC 9112 §6, read strictly: at most one of `content-length` and `transfer-encoding`, once, in its plain form; exactly one `host`.
fn framing(old: bool, fields: &[httparse::Header<'_>]) -> Result<State, Malformed> {
    let all = |name: &str| -> Vec<&[u8]> {
        fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value).collect()
    };
    if all("host").len() != 1 {
        return Err(Malformed::new("the request does not have exactly one `host`"));
    }
    let expect = all("expect");
    if expect.len() > 1 || !expect.iter().all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Malformed::new("the request expects something that is not `100-continue`"));
    }
    match (all("content-length").as_slice(), all("transfer-encoding").as_slice()) {
        ([], []) => Ok(State::Head),
        ([length], []) => {
            let digits = (1..=18).contains(&length.len()) && length.iter().all(u8::is_ascii_digit);
            let length =
                std::str::from_utf8(length).ok().and_then(|length| length.parse().ok()).filter(|_| digits);
            match length {
                Some(0) => Ok(State::Head),
                Some(length) => Ok(State::Length(length)),
                None => Err(Malformed::new("the `content-length` is no number")),
            }
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && !old => Ok(State::ChunkSize),
        ([], [_]) => Err(Malformed::new("the `transfer-encoding` is not `chunked`")),
        ([], _) => Err(Malformed::new("the request has more than one `transfer-encoding`")),
        ([_, _, ..], []) => Err(Malformed::new("the request has more than one `content-length`")),
        (_, _) => Err(Malformed::new("the request has both `content-length` and `transfer-encoding`")),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Screened<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.cleared.is_empty() {
                let length = this.cleared.len().min(buffer.remaining());
                buffer.put_slice(&this.cleared[..length]);
                this.cleared.advance(length);
                return Poll::Ready(Ok(()));
            }
            if this.ended {
                // After a refusal the end is not told: the answer must still go out.
                return if this.state == State::Refused { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            if this.raw.is_empty() && this.state == State::Switched {
                return Pin::new(&mut this.inner).poll_read(cx, buffer);
            }
            this.raw.reserve(READ);
            let read = tokio_util::io::poll_read_buf(Pin::new(&mut this.inner), cx, &mut this.raw);
            if read.is_pending() && this.raw.is_empty() {
                // A thousand connections that wait must not hold a thousand buffers.
                (this.raw, this.cleared) = Default::default();
            }
            this.ended = ready!(read)? == 0;
            this.advance()?;
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Screened<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// What hyper would get to read of `bytes`, delivered `step` at a time, and the fault found.
    fn screened(bytes: &[u8], step: usize) -> (Result<String, String>, Option<String>) {
        let signals = Arc::new(Signals::default());
        let read = read(bytes, step, &signals).map(|read| String::from_utf8(read).unwrap());
        (read.map_err(|error| error.to_string()), signals.fault().map(ToString::to_string))
    }

    fn read(bytes: &[u8], step: usize, signals: &Arc<Signals>) -> io::Result<Vec<u8>> {
        let script = Script { bytes: bytes.to_vec(), step };
        let mut screened = Screened::new(script, Arc::clone(signals), &Limits::default());
        let mut out = Vec::new();
        loop {
            let mut space = [0; 7];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut screened).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => out.extend_from_slice(buffer.filled()),
                Poll::Ready(Ok(())) | Poll::Pending => return Ok(out),
            }
        }
    }

    /// Gives out `bytes` in steps, then ends.
    struct Script {
        bytes: Vec<u8>,
        step: usize,
    }

    impl AsyncRead for Script {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let length = self.step.min(self.bytes.len()).min(buffer.remaining());
            let part: Vec<u8> = self.bytes.drain(..length).collect();
            buffer.put_slice(&part);
            Poll::Ready(Ok(()))
        }
    }

    const GOOD: &str = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\n\
        PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\nGET /d HTTP/1.1\r\nHost: a\r\n\r\n";

    #[test]
    fn good_requests_pass_unchanged_however_they_are_cut() {
        for step in [1, 2, 3, 5, 16, 1000] {
            let (read, fault) = screened(GOOD.as_bytes(), step);
            assert_eq!((read.as_deref(), fault), (Ok(GOOD), None), "step {step}");
        }
    }

    #[test]
    fn what_two_servers_read_differently_never_reaches_hyper() {
        for head in [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nAccept: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
            "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\\x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "nonsense\r\n\r\n",
        ] {
            let smuggled = format!("{head}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
            for step in [1, 1000] {
                let (read, fault) = screened(smuggled.as_bytes(), step);
                let read = read.unwrap();
                assert!(read.starts_with(MARK) && !read.contains("smuggled"), "{head:?}: {read:?}");
                assert!(fault.is_some(), "{head:?}");
            }
        }
    }

    #[test]
    fn a_chunked_body_has_one_reading() {
        for body in [
            "3;x=y\r\nabc\r\n0\r\n\r\n",
            "0x3\r\nabc\r\n",
            "3\r\nabcd\r\n",
            "3\nabc\r\n",
            "-1\r\n",
            "\r\n",
            "3 \r\nabc\r\n",
        ] {
            let request = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            assert!(screened(request.as_bytes(), 1).0.is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_head_is_bounded_in_bytes_and_fields() {
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(Limits::default().head_bytes));
        assert!(screened(long.as_bytes(), 1000).1.unwrap().contains("longer than"));
        let many =
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(Limits::default().head_fields));
        assert!(screened(many.as_bytes(), 1000).1.unwrap().contains("more than"));
    }

    #[test]
    fn after_a_switch_everything_passes() {
        let signals = Arc::new(Signals::default());
        signals.switch();
        assert_eq!(read(b"\x81\x03abc\0\n\n", 3, &signals).unwrap(), b"\x81\x03abc\0\n\n");
    }
}
