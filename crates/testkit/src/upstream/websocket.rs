//! A WebSocket peer (RFC 6455) that echoes, over an HTTP/1.1 upgrade or an HTTP/2 extended CONNECT (RFC 8441).

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use crate::http_server::{Body, Recorded, full, plain};

pub(super) fn echo(mut request: Request<Recorded>, token: CancellationToken) -> Response<Body> {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let connect = request.method() == Method::CONNECT;
    if key.is_none() && !connect {
        return plain(StatusCode::BAD_REQUEST, "not a WebSocket handshake\n");
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let conversation = async {
            if let Ok(upgraded) = upgrade.await {
                converse(upgraded).await;
            }
        };
        token.run_until_cancelled(conversation).await;
    });
    let mut response = Response::new(full(""));
    if let Some(key) = key.filter(|_| !connect) {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&key).unwrap());
    }
    response
}

async fn converse(upgraded: Upgraded) {
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}
