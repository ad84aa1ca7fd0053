//! The one place that only the gateway answers: where `bailiwick hook` reports what an agent says of itself.
//!
//! A sandbox has no socket to the daemon, and gets none for this: a report is a request like any other, on the channel that says whose it
//! is, to a name that no resource can have and that leads nowhere else. It is not an attempt: nothing is decided, nothing leaves. Whatever
//! comes here is answered well, because an agent waits for it.

use bailiwick_catalogue::Scheme;
use bailiwick_core::{HookEvent, Moment};
use http::{HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;
use serde::Serialize;

use super::{answer::AnswerBody, body::read_until, canonical::Canonical, exchange::Wire, json};
use crate::names::HOOK_HOST;

/// Where on that host reports go.
pub const HOOK_PATH: &str = "/v1/hook";
/// Bytes of a report at most. One has no texts, and its identifiers are short.
const LONGEST: usize = 8 << 10;

/// What the one who reports is answered.
#[derive(Serialize)]
struct Told {
    /// What the model should know, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<String>,
}

/// Whether a request is for here.
pub(super) fn is_here(canonical: &Canonical) -> bool {
    canonical.host == HOOK_HOST && canonical.scheme == Scheme::Http && canonical.port == 80
}

/// Takes in a report.
pub(super) async fn answer(wire: &Wire, canonical: &Canonical, body: Incoming) -> Response<AnswerBody> {
    let session = wire.plane.session();
    let read = read(canonical, body).await;
    let malformed = read.is_none();
    let event = read.unwrap_or_else(|| HookEvent::bare(session.session().agent.clone(), Moment::Malformed));
    let told = wire.plane.gate().hook(session, &wire.process, event).await;
    let document = serde_json::to_vec(&Told { told }).unwrap_or_default();
    let mut response = Response::new(AnswerBody::own(document));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if malformed {
        // Some of it may not have been read.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

async fn read(canonical: &Canonical, body: Incoming) -> Option<HookEvent> {
    if canonical.method != Method::POST || canonical.target.path != HOOK_PATH {
        return None;
    }
    let read = read_until(body, LONGEST, |_| Ok(false)).await.ok()?.read;
    json::read(&read, None, HOOK_HOST).ok()?;
    serde_json::from_slice(&read).ok()
}
