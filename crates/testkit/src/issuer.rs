//! An OAuth issuer that rotates its refresh tokens, and the service that takes its access tokens, in one.
//!
//! `POST /oauth/token` refreshes (RFC 6749 §6), as a form or as JSON, and takes the code [`CODE`] (§4.1.3); each refresh token works once. Every other route answers 200 to the
//! access token that was issued last, and 401 to anything else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::authority::{Flaw, TestCa};
use crate::http_server::{self, Body, HttpServer, Recorded, answer};
use crate::journal::Seen;

/// The authorization code that it takes.
pub const CODE: &str = "MARKER-authorization-code";

/// The tokens of the moment.
#[derive(Debug)]
struct Tokens {
    access: String,
    refresh: String,
    issued: usize,
}

/// A running issuer.
#[derive(Debug)]
pub struct Issuer {
    server: HttpServer,
    tokens: Arc<Mutex<Tokens>>,
    held: watch::Sender<bool>,
}

impl Issuer {
    /// One with a certificate for `localhost` and `names`, whose tokens begin as these.
    pub fn start(ca: &TestCa, names: &[&str], access: &str, refresh: &str) -> Self {
        let tls = ca.server(&[&["localhost"], names].concat(), &["http/1.1"], Flaw::None);
        let tokens = Arc::new(Mutex::new(Tokens {
            access: access.to_owned(),
            refresh: refresh.to_owned(),
            issued: 0,
        }));
        let (held, holding) = watch::channel(false);
        let known = Arc::clone(&tokens);
        let handler = move |request: Request<Recorded>, _| {
            let (tokens, mut holding) = (Arc::clone(&known), holding.clone());
            let future = async move {
                if request.uri().path() != "/oauth/token" {
                    let (head, body) = request.into_parts();
                    // An answer before the end of its request would end the stream that carries it.
                    let _ = body.collect().await;
                    return serve(&head.headers, &tokens);
                }
                // Whoever gives up waiting has asked all the same.
                let issuing = tokio::spawn(async move {
                    let body = request.into_body().collect().await;
                    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                    let answered = issue(&body, &tokens);
                    let _ = holding.wait_for(|held| !held).await;
                    answered
                });
                issuing.await.unwrap()
            };
            Box::pin(future) as futures_util::future::BoxFuture<'static, Response<Body>>
        };
        Self { server: http_server::serve(Some(tls), Arc::new(handler)), tokens, held }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Its token endpoint.
    pub fn token_url(&self) -> String {
        format!("https://localhost:{}/oauth/token", self.server.address.port())
    }

    /// How many times it issued tokens.
    pub fn issued(&self) -> usize {
        self.tokens.lock().unwrap().issued
    }

    /// Ends every token there is.
    pub fn revoke(&self) {
        let mut tokens = self.tokens.lock().unwrap();
        tokens.access = "revoked".to_owned();
        tokens.refresh = "revoked".to_owned();
    }

    /// A login outside: these are the tokens now.
    pub fn renew(&self, access: &str, refresh: &str) {
        let mut tokens = self.tokens.lock().unwrap();
        (tokens.access, tokens.refresh) = (access.to_owned(), refresh.to_owned());
    }

    /// Ends the access token alone.
    pub fn revoke_access(&self) {
        self.tokens.lock().unwrap().access = "revoked".to_owned();
    }

    /// From now on, issued tokens are answered only once this is called with `false`.
    pub fn hold(&self, hold: bool) {
        self.held.send_replace(hold);
    }

    /// Every request that reached it so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.server.journal.all()
    }

    /// How many requests reached the token endpoint.
    pub fn asked(&self) -> usize {
        self.seen().iter().filter(|seen| seen.path() == "/oauth/token").count()
    }

    /// Waits until the token endpoint was asked.
    pub fn wait_until_asked(&self, limit: Duration) {
        let asked =
            self.server.journal.wait(limit, |seen| seen.path() == "/oauth/token" && seen.body.is_some());
        assert!(asked.is_some(), "nobody asked for tokens");
    }
}

fn serve(headers: &http::HeaderMap, tokens: &Mutex<Tokens>) -> Response<Body> {
    let shown = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = shown == format!("Bearer {}", tokens.lock().unwrap().access);
    let status = if known { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    answer(status, "application/json", "{}")
}

fn issue(body: &[u8], tokens: &Mutex<Tokens>) -> Response<Body> {
    let asked = |name: &str| match serde_json::from_slice::<Value>(body) {
        Ok(object) => object[name].as_str().unwrap_or_default().to_owned(),
        Err(_) => form_value(body, name),
    };
    let mut tokens = tokens.lock().unwrap();
    if asked("refresh_token") != tokens.refresh && asked("code") != CODE {
        return answer(
            StatusCode::BAD_REQUEST,
            "application/json",
            json!({"error": "invalid_grant"}).to_string(),
        );
    }
    tokens.issued += 1;
    tokens.access = format!("MARKER-access-{}-e4c1", tokens.issued);
    tokens.refresh = format!("MARKER-refresh-{}-9b7d", tokens.issued);
    let issued = json!({
        "access_token": tokens.access, "refresh_token": tokens.refresh, "token_type": "Bearer", "expires_in": 3600,
        "account": { "email_address": "mia@example.com", "said_again": tokens.access },
    });
    answer(StatusCode::OK, "application/json", issued.to_string())
}

fn form_value(body: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| decode(found) == name).map(|(_, value)| decode(value)).unwrap_or_default()
}
