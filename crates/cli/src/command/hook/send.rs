//! The report, on its way: one request to the gateway's own name, on the way out that every program of the sandbox has.

use bailiwick_core::HookEvent;
use bailiwick_gateway::{HOOK_ADDRESS, HOOK_HOST, HOOK_PATH};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

/// Bytes of an answer at most.
const LONGEST: usize = 64 << 10;

#[derive(Deserialize)]
struct Told {
    told: Option<String>,
}

/// Reports `event`; what the model is to be told, if anything. Nothing where nobody answers.
pub(super) fn send(event: &HookEvent) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let answer = runtime.block_on(exchange(serde_json::to_vec(event).ok()?))?;
    serde_json::from_slice::<Told>(&answer).ok()?.told
}

async fn exchange(report: Vec<u8>) -> Option<Bytes> {
    let stream = TcpStream::connect((HOOK_ADDRESS, 80)).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::post(HOOK_PATH)
        .header(header::HOST, HOOK_HOST)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(report)))
        .ok()?;
    let response = sender.send_request(request).await.ok()?;
    let body = Limited::new(response.into_body(), LONGEST).collect().await.ok()?;
    Some(body.to_bytes())
}
