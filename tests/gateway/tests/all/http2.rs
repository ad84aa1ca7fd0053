//! HTTP/2 requests that would become something else in HTTP/1.1 (RFC 9113 §8.2 and §10.3).

use bailiwick_testkit::{Upstream, tools};
use serde_json::{Value, json};

use crate::attack::service;

type Fields<'f> = Vec<(&'f str, String)>;

fn fields(upstream: &Upstream, path: &str) -> Fields<'static> {
    vec![
        (":method", "POST".into()),
        (":scheme", "https".into()),
        (":authority", format!("localhost:{}", upstream.port())),
        (":path", path.into()),
    ]
}

/// Name, and what is changed or added.
fn attacks(upstream: &Upstream) -> Vec<(&'static str, Fields<'static>)> {
    let with = |name: &'static str, value: &str| {
        let mut all = fields(upstream, "/attack");
        all.push((name, value.to_owned()));
        all
    };
    let changed = |name: &str, value: &str| {
        let mut all = fields(upstream, "/attack");
        all.iter_mut().filter(|(found, _)| *found == name).for_each(|(_, old)| value.clone_into(old));
        all
    };
    vec![
        ("chunked", with("transfer-encoding", "chunked")),
        ("connection", with("connection", "keep-alive")),
        ("a wrong length", with("content-length", "1")),
        ("a line end in a value", with("x-a", "b\r\nx-injected: yes")),
        ("a NUL in a value", with("x-a", "b\0c")),
        ("a colon in a name", with("x:injected", "yes")),
        ("an upper-case name", with("X-Upper", "yes")),
        ("a second path", with(":path", "/other")),
        ("another authority", changed(":authority", "elsewhere.example")),
        ("another host", with("host", "elsewhere.example")),
        ("a line end in the path", changed(":path", "/attack HTTP/1.1\r\nx-injected: yes\r\n\r\n")),
        ("a space in the path", changed(":path", "/attack /other")),
        ("a line end in the method", changed(":method", "GET /attack HTTP/1.1\r\nx-injected: yes")),
        ("dot segments", changed(":path", "/a/../attack")),
        ("another scheme", changed(":scheme", "http")),
        ("a tunnel", changed(":method", "CONNECT")),
    ]
}

#[test]
fn nothing_crosses_from_one_version_to_the_other() {
    if !tools::directory().join("python/h2").is_dir() {
        return tools::not_tested("HTTP/2 attacks", "the h2 library is not fetched; run `cargo xtask tools`");
    }
    let (world, upstream) = service();
    let body = hex::encode("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut cases = vec![
        json!({ "name": "control", "port": upstream.port(), "headers": fields(&upstream, "/control"), "body": body }),
    ];
    for (name, headers) in attacks(&upstream) {
        cases.push(json!({ "name": name, "port": upstream.port(), "headers": headers, "body": body }));
    }
    let work = world.home.workspace();
    std::fs::write(work.join("cases.json"), serde_json::to_vec(&cases).unwrap()).unwrap();
    std::fs::write(work.join("h2.py.txt"), include_str!("h2.py")).unwrap();
    let script = format!(
        "PYTHONPATH={} /usr/bin/python3 h2.py.txt cases.json",
        tools::directory().join("python").display()
    );
    let answers: Vec<Value> = world.script(&script).ok().ndjson();
    assert_eq!(answers.len(), cases.len());
    assert_eq!(answers[0]["answer"], "200", "the control failed");
    for answer in &answers[1..] {
        let text = answer["answer"].as_str().unwrap();
        assert!(!text.starts_with('2') && text != "none", "{answer}");
    }
    let others: Vec<_> = upstream.seen().into_iter().filter(|seen| seen.path() != "/control").collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(upstream.seen().iter().all(|seen| seen.headers.get("x-injected").is_none()));
}
