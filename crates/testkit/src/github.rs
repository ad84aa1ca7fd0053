//! GitHub's interfaces as an enterprise server has them, as far as tests drive them: REST below `/api/v3`, GraphQL at `/api/graphql`, both
//! closed to everyone without the token. What it knows is one repository, `acme/site`, with one pull request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::authority::{Flaw, TestCa};
use crate::http_server::{self, Body, HttpServer, Recorded, answer};
use crate::journal::Seen;
use crate::upstream::BOTH;

/// What was done to the repository, in order: `issue`, `pull`, `merge`, `delete`, `token`.
type Deeds = Arc<Mutex<Vec<&'static str>>>;

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct GitHub {
    server: HttpServer,
    deeds: Deeds,
}

impl GitHub {
    /// Serves over TLS as `localhost` and as `api.github.com`; every request must carry `token` as a bearer.
    pub fn start(ca: &TestCa, token: &str) -> Self {
        let deeds = Deeds::default();
        let (token, done) = (format!("Bearer {token}"), Arc::clone(&deeds));
        let tls = ca.server(&["localhost", "127.0.0.1", "api.github.com"], BOTH, Flaw::None);
        let server = http_server::serve(
            Some(tls),
            Arc::new(move |request, _| serve(token.clone(), Arc::clone(&done), request).boxed()),
        );
        Self { server, deeds }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// `localhost:PORT`: what `GH_HOST` names.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.server.address.port())
    }

    /// What was done to the repository.
    pub fn deeds(&self) -> Vec<&'static str> {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every request that reached it so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.server.journal.all()
    }
}

async fn serve(token: String, deeds: Deeds, request: Request<Recorded>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let told = parts.headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
    if told != Some(token.as_bytes()) {
        return tell(StatusCode::UNAUTHORIZED, &json!({ "message": "Bad credentials" }));
    }
    let does = |deed| deeds.lock().unwrap_or_else(PoisonError::into_inner).push(deed);
    match (parts.method, parts.uri.path()) {
        (Method::GET, "/api/v3/" | "/api/v3/meta") => {
            tell(StatusCode::OK, &json!({ "installed_version": "3.20.0" }))
        }
        (Method::GET, "/api/v3/user") => tell(StatusCode::OK, &json!({ "login": "mia" })),
        (Method::GET, "/api/v3/repos/acme/site" | "/repos/acme/site") => {
            tell(StatusCode::OK, &json!({ "full_name": "acme/site", "default_branch": "main" }))
        }
        (Method::POST, "/api/v3/repos/acme/site/issues") => {
            does("issue");
            tell(StatusCode::CREATED, &json!({ "number": 8 }))
        }
        (Method::POST, "/api/v3/repos/acme/site/pulls") => {
            does("pull");
            tell(StatusCode::CREATED, &json!({ "number": 9 }))
        }
        (Method::PUT, "/api/v3/repos/acme/site/pulls/7/merge") => {
            does("merge");
            tell(StatusCode::OK, &json!({ "merged": true }))
        }
        (Method::DELETE, "/api/v3/repos/acme/site") => {
            does("delete");
            tell(StatusCode::OK, &json!({}))
        }
        (Method::POST, "/api/v3/repos/acme/site/actions/runners/registration-token") => {
            does("token");
            tell(StatusCode::CREATED, &json!({ "token": "MARKER-minted-runner-token" }))
        }
        (Method::POST, "/api/graphql") => tell(StatusCode::OK, &graphql(&body, does)),
        _ => tell(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" })),
    }
}

/// Answers by what the document contains, which is no parser on purpose: an attack must not fail for want of a good server.
fn graphql(body: &[u8], does: impl Fn(&'static str)) -> Value {
    let sent = String::from_utf8_lossy(body);
    if sent.contains("mergePullRequest") {
        does("merge");
        return json!({ "data": { "mergePullRequest": { "clientMutationId": null } } });
    }
    if sent.contains("createIssue") {
        does("issue");
        return json!({ "data": { "createIssue": { "issue": { "url": "https://localhost/acme/site/issues/8" } } } });
    }
    let pull = json!({ "id": "PR_7", "number": 7, "title": "Fix the door", "state": "OPEN" });
    json!({ "data": { "viewer": { "login": "mia" }, "repository": { "id": "R_1", "name": "site", "pullRequest": pull } } })
}

fn tell(status: StatusCode, value: &Value) -> Response<Body> {
    answer(status, "application/json; charset=utf-8", value.to_string())
}
