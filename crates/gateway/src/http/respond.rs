//! Refusals and failures, told in HTTP: a problem document (RFC 9457) that a model can read and act on.

use bailiwick_authority::Denied;
use bailiwick_core::Problem;
use http::{HeaderValue, Response, StatusCode, header};

use super::answer::AnswerBody;

/// What was decided against, told to whoever asked.
pub(crate) fn denied(denied: &Denied) -> Response<AnswerBody> {
    problem(&denied.problem())
}

/// A refusal that is one of many, and was on record lately.
pub(crate) fn hushed() -> Response<AnswerBody> {
    problem(&Problem::new(
        403,
        "unlisted",
        "this host is not open to the session; see the records before this one",
    ))
}

/// The same, as the last thing on its connection.
pub(crate) fn denied_and_closed(refusal: &Denied) -> Response<AnswerBody> {
    let mut response = denied(refusal);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The same to a client that wanted a WebSocket: "not in this protocol" has those that can do without one fall back at once, where any
/// other status has them try again.
pub(crate) fn denied_websocket(refusal: &Denied) -> Response<AnswerBody> {
    let mut response = denied(refusal);
    if response.status() == StatusCode::FORBIDDEN {
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        // RFC 9110 §15.5.22: it says which protocol would do.
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"));
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    response
}

fn problem(problem: &Problem) -> Response<AnswerBody> {
    // Texts, numbers and lists of them are always written.
    let mut document = serde_json::to_string_pretty(problem).unwrap_or_default();
    document.push('\n');
    let mut response = Response::new(AnswerBody::own(document));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
    let headers = response.headers_mut();
    if problem.status == StatusCode::UPGRADE_REQUIRED.as_u16() {
        headers.insert(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if problem.approval.is_some() {
        // RFC 9110 §10.2.3, in seconds: a person does not answer faster.
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("15"));
    }
    response
}
