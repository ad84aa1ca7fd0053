//! A model service that plays a script: Anthropic Messages, OpenAI Responses and Chat Completions, Gemini.
//!
//! It keeps no state: how far a conversation has come is how many rounds of tool calls are in the request, so that an agent may
//! repeat, branch and title its conversations as it likes. It answers only who shows the one credential it knows.

mod anthropic;
mod gemini;
mod openai;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::authority::{Flaw, TestCa};
use crate::http_server::{self, Body, HttpServer, Recorded, answer};
use crate::journal::Seen;

/// The names under which agents look for their models.
pub const HOSTS: [&str; 4] =
    ["api.anthropic.com", "api.openai.com", "chatgpt.com", "generativelanguage.googleapis.com"];

/// One turn of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It calls the client's tool that runs shell commands.
    Shell(String),
    /// It says something, which ends the conversation.
    Text(String),
}

impl Turn {
    /// Runs this.
    pub fn shell(command: &str) -> Self {
        Self::Shell(command.to_owned())
    }

    /// Says this.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A running model service.
#[derive(Debug)]
pub struct Model {
    server: HttpServer,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Model {
    /// A service with a certificate for [`HOSTS`] that answers who shows `credential`, with the turns of `script`, one after the other.
    pub fn start(ca: &TestCa, credential: &str, script: Vec<Turn>) -> Self {
        let tls = ca.server(&HOSTS, &["h2", "http/1.1"], Flaw::None);
        let (credential, script) = (credential.to_owned(), Arc::new(script));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let handler = move |request: Request<Recorded>, _| {
            let known = shows(&request, &credential);
            let (script, heard) = (Arc::clone(&script), Arc::clone(&heard));
            let future =
                async move { if known { respond(request, &script, &heard).await } else { refuse() } };
            Box::pin(future) as futures_util::future::BoxFuture<'static, Response<Body>>
        };
        Self { server: http_server::serve(Some(tls), Arc::new(handler)), asked }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// What it was asked, in JSON, by those who showed the credential.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every request that reached it so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.server.journal.all()
    }
}

fn shows(request: &Request<Recorded>, credential: &str) -> bool {
    let is = |name: &str, prefix: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.and_then(|value| value.strip_prefix(prefix)).is_some_and(|shown| shown == credential)
    };
    is("authorization", "Bearer ") || is("x-api-key", "") || is("x-goog-api-key", "")
}

fn refuse() -> Response<Body> {
    let body =
        json!({"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}});
    answer(StatusCode::UNAUTHORIZED, "application/json", body.to_string())
}

async fn respond(request: Request<Recorded>, script: &[Turn], heard: &Mutex<Vec<Value>>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let method_of_gemini = path.rsplit_once(':').map(|(_, method)| method);
    match (path.rsplit('/').next().unwrap_or_default(), method_of_gemini) {
        ("messages", _) => anthropic::respond(&asked, script),
        ("count_tokens", _) => object(&json!({"input_tokens": 10})),
        ("responses", _) => openai::responses(&asked, script),
        ("completions", _) => openai::chat(&asked, script),
        ("models", _) => object(&json!({"object": "list", "data": [], "models": [], "has_more": false})),
        (_, Some(method @ ("generateContent" | "streamGenerateContent"))) => {
            gemini::respond(&asked, method.starts_with("stream"), script)
        }
        (_, Some("countTokens")) => object(&json!({"totalTokens": 10})),
        _ => answer(
            StatusCode::NOT_FOUND,
            "application/json",
            json!({"error": {"message": "no such route"}}).to_string(),
        ),
    }
}

/// The turn after `rounds` of tool calls; a conversation without tools is a title or a probe.
fn turn(script: &[Turn], rounds: usize, has_tools: bool) -> Turn {
    let over = Turn::text("the script is over");
    if has_tools { script.get(rounds).cloned().unwrap_or(over) } else { Turn::text("ok") }
}

/// The tool that runs shell commands, among those that are offered, and what it is to be called with.
fn shell_call(offered: &[&str], command: &str) -> (String, Value) {
    let known = ["Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell"];
    let name = known.into_iter().find(|name| offered.contains(name)).unwrap_or("no_shell_is_offered");
    let input = match name {
        "exec_command" => json!({"cmd": command}),
        "shell" => json!({"command": ["bash", "-lc", command]}),
        _ => json!({"command": command, "description": "as asked"}),
    };
    (name.to_owned(), input)
}

fn object(value: &Value) -> Response<Body> {
    answer(StatusCode::OK, "application/json", value.to_string())
}

/// Server-sent events, named by their `type` where they have one.
fn events(all: &[Value]) -> Response<Body> {
    let mut text = String::new();
    for event in all {
        if let Some(name) = event["type"].as_str() {
            text.push_str(&format!("event: {name}\n"));
        }
        text.push_str(&format!("data: {event}\n\n"));
    }
    let mut response = answer(StatusCode::OK, "text/event-stream", Bytes::from(text));
    response.headers_mut().insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-cache"));
    response
}
