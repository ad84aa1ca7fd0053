//! Which path does what; see the table in the module above.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Encoding, encoding, mint, streams, websocket};
use crate::http_server::{Body, Recorded, answer, full, plain, query};
use crate::journal::BodySeen;

pub(super) fn handle(
    request: Request<Recorded>,
    token: CancellationToken,
) -> BoxFuture<'static, Response<Body>> {
    async move {
        match request.uri().path() {
            "/echo" => echo(request).await,
            "/reveal" => reveal(&request),
            "/redirect" => redirect(&request),
            "/set-cookie" => set_cookie(&request),
            "/mint" => mint::mint(&request),
            "/login" => mint::login(),
            "/status" => {
                plain(number(&request, "code").try_into().map_or(StatusCode::OK, status), "as asked\n")
            }
            "/events" => streams::events(&request),
            "/slow" => streams::slow(&request),
            "/download" => streams::download(&request),
            "/truncate" => streams::truncate(&request),
            "/upload" => upload(request).await,
            "/gzip" => gzip(),
            "/hang" => std::future::pending().await,
            "/websocket" => websocket::echo(request, token),
            _ => describe(request).await,
        }
    }
    .boxed()
}

/// A numeric query parameter; zero when absent.
pub(super) fn number(request: &Request<Recorded>, name: &str) -> u64 {
    query(request, name).and_then(|value| value.parse().ok()).unwrap_or_default()
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST)
}

async fn echo(request: Request<Recorded>) -> Response<Body> {
    let kind = request.headers().get(header::CONTENT_TYPE).cloned();
    match request.into_body().collect().await {
        Err(error) => plain(StatusCode::BAD_REQUEST, &error.to_string()),
        Ok(body) => {
            let mut response = Response::new(full(body.to_bytes()));
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                kind.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream")),
            );
            response
        }
    }
}

fn reveal(request: &Request<Recorded>) -> Response<Body> {
    let name = query(request, "header").unwrap_or_else(|| "authorization".to_owned());
    let Some(encoding) = Encoding::from_name(&query(request, "as").unwrap_or_else(|| "raw".to_owned()))
    else {
        return plain(StatusCode::BAD_REQUEST, "unknown encoding\n");
    };
    let value = request.headers().get(&name).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    let body = encoding.encode(&value);
    let split = query(request, "split").is_some();
    let mut response = Response::new(if split { streams::byte_by_byte(body) } else { full(body) });
    if encoding == Encoding::Gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn redirect(request: &Request<Recorded>) -> Response<Body> {
    let to = query(request, "to").unwrap_or_else(|| "/".to_owned());
    let code = number(request, "status").try_into().ok().filter(|code| *code != 0).unwrap_or(302);
    Response::builder().status(status(code)).header(header::LOCATION, to).body(full("")).unwrap()
}

fn set_cookie(request: &Request<Recorded>) -> Response<Body> {
    let name = query(request, "name").unwrap_or_else(|| "session".to_owned());
    let value = query(request, "value").unwrap_or_else(|| "MARKER-cookie".to_owned());
    Response::builder()
        .header(header::SET_COOKIE, format!("{name}={value}; Path=/"))
        .body(full("set\n"))
        .unwrap()
}

fn gzip() -> Response<Body> {
    let body = encoding::gzip(b"compressed although nobody asked\n");
    Response::builder().header(header::CONTENT_ENCODING, "gzip").body(full(body)).unwrap()
}

async fn upload(request: Request<Recorded>) -> Response<Body> {
    let mut body = request.into_body();
    let mut digest = Sha256::new();
    let mut length: u64 = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
            Ok(frame) => {
                let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
                digest.update(&data);
                length += u64::try_from(data.len()).unwrap();
            }
        }
    }
    let seen = BodySeen { length, sha256: hex::encode(digest.finalize()) };
    answer(StatusCode::OK, "application/json", serde_json::to_vec(&seen).unwrap())
}

/// Reads the body too, so that the journal has its digest.
async fn describe(request: Request<Recorded>) -> Response<Body> {
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let description = json!({
        "method": request.method().as_str(),
        "target": request.uri().path_and_query().map(ToString::to_string),
        "version": format!("{:?}", request.version()),
        "authority": request.uri().authority().map(ToString::to_string),
        "headers": headers,
    });
    if let Err(error) = request.into_body().collect().await {
        return plain(StatusCode::BAD_REQUEST, &error.to_string());
    }
    answer(StatusCode::OK, "application/json", description.to_string())
}
