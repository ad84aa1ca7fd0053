//! Failures of API calls, rendered as problem documents (RFC 9457).

use axum::response::{IntoResponse, Response};
use bailiwick_core::Problem;
use http::{HeaderValue, StatusCode, header};

/// A failed call.
#[derive(Debug)]
pub struct Failure(pub Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let media = HeaderValue::from_static(Problem::MEDIA_TYPE);
        (status, [(header::CONTENT_TYPE, media)], body).into_response()
    }
}
