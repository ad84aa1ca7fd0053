//! Blocking calls, one connection each: a command asks one thing and ends.

use std::{
    fmt, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use bailiwick_core::Problem;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};

/// The largest answer that is read whole, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// A client of the daemon that owns a home.
#[derive(Clone, Debug)]
pub struct Client {
    home: PathBuf,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no daemon answers in `{}`", .0.display())]
    NoDaemon(PathBuf, #[source] io::Error),
    /// The daemon said no.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The conversation broke off or made no sense.
    #[error("the daemon's answer could not be understood: {0}")]
    Answer(String),
}

impl Client {
    /// A client of the daemon that owns `home`. Connects at each call.
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    /// `GET path`.
    ///
    /// # Errors
    /// If no daemon answers, or it says no.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, &())
    }

    /// `POST path` with `body` as JSON.
    ///
    /// # Errors
    /// If no daemon answers, or it says no.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.call(Method::POST, path, body)
    }

    /// `PUT path` with `body` as JSON.
    ///
    /// # Errors
    /// If no daemon answers, or it says no.
    pub fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.call(Method::PUT, path, body)
    }

    /// `DELETE path`.
    ///
    /// # Errors
    /// If no daemon answers, or it says no.
    pub fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::DELETE, path, &())
    }

    /// `GET path`, handing each line of the answer (NDJSON) to `line` as it comes, until the daemon ends it or `line` says enough
    /// by returning `false`.
    ///
    /// # Errors
    /// If no daemon answers, it says no, or the stream breaks off.
    pub fn follow<T: DeserializeOwned>(
        &self,
        path: &str,
        mut line: impl FnMut(T) -> bool,
    ) -> Result<(), ClientError> {
        runtime()?.block_on(async {
            let mut body = checked(self.send(Method::GET, path, Bytes::new()).await?).await?.into_body();
            let mut rest = Vec::new();
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
                rest.extend_from_slice(&data);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let row: Vec<u8> = rest.drain(..=end).collect();
                    if !line(serde_json::from_slice(&row).map_err(broken)?) {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = match method {
            Method::GET | Method::DELETE => Vec::new(),
            _ => serde_json::to_vec(body).map_err(broken)?,
        };
        runtime()?.block_on(async {
            let response = checked(self.send(method, path, body.into()).await?).await?;
            let answer = whole(response).await?;
            serde_json::from_slice(&answer).map_err(broken)
        })
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        let stream = self.connect()?;
        let stream = tokio::net::UnixStream::from_std(stream).map_err(broken)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "bailiwick")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(broken)?;
        sender.send_request(request).await.map_err(broken)
    }

    fn connect(&self) -> Result<UnixStream, ClientError> {
        let stream = bailiwick_launch::connect_stream(&self.home, "daemon.sock")
            .map_err(|error| ClientError::NoDaemon(self.home.clone(), error))?;
        stream.set_nonblocking(true).map_err(broken)?;
        Ok(stream)
    }
}

/// The answer, if it is a success; the problem it tells, if not.
async fn checked(response: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = whole(response).await?;
    Err(serde_json::from_slice::<Problem>(&body).map_or_else(|_| unexplained(status), ClientError::Problem))
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let limited = http_body_util::Limited::new(response.into_body(), MAX_ANSWER);
    Ok(limited.collect().await.map_err(broken)?.to_bytes())
}

fn unexplained(status: StatusCode) -> ClientError {
    ClientError::Answer(format!("status {status} without a reason"))
}

fn broken(error: impl fmt::Display) -> ClientError {
    ClientError::Answer(error.to_string())
}

fn runtime() -> Result<tokio::runtime::Runtime, ClientError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)
}
