//! Credentials that an upstream makes: an answer that hands one out, in honest ways and in ways that would get it past whoever looks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::json;

use super::{encoding, streams};
use crate::http_server::{Body, Recorded, answer, full, query};

/// What `/mint` hands out.
pub const MINTED: &str = "ghp_MARKERminted0123456789abcdefghijklmn";
/// What `/login` sets as a cookie.
pub const SESSION: &str = "MARKER-session-3f6b1c0a";

/// `how`: absent, with copies of it everywhere else in the answer; or one of the words below.
pub(super) fn mint(request: &Request<Recorded>) -> Response<Body> {
    let plain = json!({ "id": 7, "token": MINTED }).to_string();
    match query(request, "how").unwrap_or_default().as_str() {
        // One byte a chunk.
        "split" => typed(streams::byte_by_byte(plain.into())),
        // Compressed, and says so.
        "gzip" => {
            let mut response = typed(full(encoding::gzip(plain.as_bytes())));
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        // Compressed, and does not say so.
        "hidden" => typed(full(encoding::gzip(plain.as_bytes()))),
        "huge" => typed(full(json!({ "token": MINTED, "more": "x".repeat(1 << 20) }).to_string())),
        // Twice the same name: readers differ in which they take.
        "twice" => typed(full(format!("{{\"token\": \"MARKER-harmless-one\", \"token\": \"{MINTED}\"}}"))),
        "text" => answer(StatusCode::OK, "text/plain", format!("token={MINTED}\n")),
        "elsewhere" => typed(full(json!({ "Token": MINTED }).to_string())),
        "list" => typed(full(json!({ "token": [MINTED] }).to_string())),
        "many" => {
            let many: Vec<_> = (0..10_000).map(|_| json!({ "copy": MINTED })).collect();
            typed(full(json!({ "all": many, "token": MINTED }).to_string()))
        }
        "events" => {
            answer(StatusCode::OK, "text/event-stream", format!("data: {{\"token\": \"{MINTED}\"}}\n\n"))
        }
        "error" => answer(StatusCode::BAD_REQUEST, "application/json", plain),
        "not-yet" => {
            answer(StatusCode::BAD_REQUEST, "application/json", json!({ "error": "pending" }).to_string())
        }
        _ => everywhere(),
    }
}

/// The token where it belongs, and in every other place of an answer.
fn everywhere() -> Response<Body> {
    let basic = STANDARD.encode(format!("x-access-token:{MINTED}"));
    let escaped: String = MINTED.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let document = json!({
        "token": MINTED, "use": format!("Authorization: Bearer {MINTED}"), "basic": basic, "link": format!("/x?t={escaped}"),
        "hex": hex::encode(MINTED),
    });
    let mut response = typed(full(document.to_string()));
    *response.status_mut() = StatusCode::CREATED;
    for (name, value) in [
        ("location", format!("/keys?token={MINTED}")),
        ("x-token", MINTED.to_owned()),
        ("x-basic", basic),
        ("etag", format!("\"{}\"", hex::encode(MINTED))),
        ("content-digest", "sha-256=:AAAA:".to_owned()),
        ("set-cookie", format!("token={MINTED}")),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_str(&value).unwrap());
    }
    response
}

pub(super) fn login() -> Response<Body> {
    let mut response = typed(full(json!({ "welcome": SESSION }).to_string()));
    for cookie in [&*format!("sid={SESSION}; Path=/; HttpOnly"), "lang=en; Path=/", "old=; Max-Age=0; Path=/"]
    {
        response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_str(cookie).unwrap());
    }
    response
}

fn typed(body: Body) -> Response<Body> {
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
}
