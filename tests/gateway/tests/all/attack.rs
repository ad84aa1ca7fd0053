//! Exact bytes from inside: what no well-behaved client would send.

use std::collections::BTreeMap;

use bailiwick_testkit::{Upstream, World};
use serde_json::{Value, json};

/// Bytes to send on one connection.
pub(crate) struct Case {
    name: String,
    json: Value,
}

impl Case {
    /// To the upstream's own name and port.
    pub(crate) fn new(name: &str, upstream: &Upstream, bytes: impl AsRef<[u8]>) -> Self {
        let json = json!({
            "name": name, "host": "localhost", "port": upstream.port(), "send": hex::encode(bytes),
        });
        Self { name: name.to_owned(), json }
    }

    /// With another name in the TLS handshake.
    pub(crate) fn sni(mut self, name: &str) -> Self {
        self.json["sni"] = name.into();
        self
    }

    /// Its name in the answers.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A world with one upstream, `service`, that is opened with a bearer token.
pub(crate) fn service() -> (World, Upstream) {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    (world, upstream)
}

/// Sends every case from inside one session; name → answer.
#[track_caller]
pub(crate) fn send(world: &World, cases: &[Case]) -> BTreeMap<String, String> {
    let work = world.home.workspace();
    let listed: Vec<&Value> = cases.iter().map(|case| &case.json).collect();
    std::fs::write(work.join("cases.json"), serde_json::to_vec(&listed).unwrap()).unwrap();
    std::fs::write(work.join("raw.py"), include_str!("raw.py")).unwrap();
    let answers: Vec<Value> = world.script("/usr/bin/python3 raw.py cases.json").ok().ndjson();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answers.iter().map(|answer| (text(&answer["name"]), text(&answer["answer"]))).collect()
}

/// A well-formed request.
pub(crate) fn request(upstream: &Upstream, line: &str, headers: &str, body: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n{headers}\r\n{body}",
        upstream.port()
    )
}

/// The harmless request that every suite sends beside its attacks.
pub(crate) fn control(upstream: &Upstream) -> Case {
    Case::new("control", upstream, request(upstream, "GET /control", "", ""))
}

/// Panics unless the harmless request arrived and was answered.
#[track_caller]
pub(crate) fn control_arrived(upstream: &Upstream, answers: &BTreeMap<String, String>) {
    assert!(answers["control"].starts_with("HTTP/1.1 200"), "{}", answers["control"]);
    assert!(upstream.seen().iter().any(|seen| seen.path() == "/control"), "the control never arrived");
}

/// Is it an answer that refuses (4xx or 5xx), or no answer at all?
pub(crate) fn is_refusal(answer: &str) -> bool {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
    answer.is_empty() || answer.starts_with("error: ") || status.is_some_and(|status| status >= 400)
}
