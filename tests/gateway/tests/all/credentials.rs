//! The gateway owns authentication: what the agent brings is removed or refused, in every position, and never forwarded.

use bailiwick_testkit::world::TOKEN;
use bailiwick_testkit::{Upstream, World};
use serde_json::Value;

use crate::attack::service;

const OWN: &str = "MARKER-attackers-own-9d2e";

/// curl arguments that carry a credential of the attacker's own.
fn brought(upstream: &Upstream) -> Vec<String> {
    let url = upstream.url("/brought");
    let with_user = url.replace("https://", &format!("https://evil:{OWN}@"));
    vec![
        format!("-H 'Authorization: Bearer {OWN}' {url}"),
        format!("-H 'Authorization: Basic {OWN}' {url}"),
        format!("-H 'Proxy-Authorization: Bearer {OWN}' {url}"),
        format!("-H 'Cookie: session={OWN}' {url}"),
        format!("-H 'X-Api-Key: {OWN}' {url}"),
        format!("-H 'Private-Token: {OWN}' {url}"),
        with_user,
        format!("'{url}?access_token={OWN}'"),
        format!("'{url}?api_key={OWN}'"),
        format!("'{url}?a=b&Access_Token={OWN}'"),
    ]
}

#[test]
fn with_a_credential_of_ours_the_agents_is_gone() {
    let (world, upstream) = service();
    let commands: String =
        brought(&upstream).iter().map(|arguments| format!("curl -sS -o /dev/null {arguments}\n")).collect();
    world.script(&format!("curl -sS -o /dev/null {}\n{commands}", upstream.url("/control"))).ok();
    let seen = upstream.seen();
    assert!(seen.iter().any(|request| request.path() == "/control"));
    for request in &seen {
        assert!(!request.mentions(OWN), "{request:#?}");
        assert_eq!(request.header("authorization"), format!("Bearer {TOKEN}"));
        assert_eq!(request.headers.get_all("authorization").iter().count(), 1);
    }
}

#[test]
fn without_one_the_request_is_refused_and_recorded() {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add_open("service", &upstream.url(""), "http");
    let commands: String = brought(&upstream)
        .iter()
        .map(|arguments| format!("curl -sS -o /dev/null -w '%{{http_code}}\\n' {arguments}\n"))
        .collect();
    let codes = world
        .script(&format!("curl -sS -o /dev/null {}\n{commands}", upstream.url("/control")))
        .ok()
        .stdout();
    assert_eq!(codes.lines().count(), brought(&upstream).len(), "{codes}");
    assert!(codes.lines().all(|code| code == "403"), "{codes}");
    let paths: Vec<_> = upstream.seen().iter().map(|seen| seen.path().to_owned()).collect();
    assert_eq!(paths, ["/control"]);
    let log: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let refused =
        log.iter().filter(|row| row["decision"] == "refuse" && row["resource"] == "service").count();
    assert!(refused >= 1, "{log:#?}");
    assert!(!serde_json::to_string(&log).unwrap().contains(OWN), "the attempt's own secret is in the log");
}

#[test]
fn an_injected_value_cannot_break_out_of_its_field() {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    let hostile = format!("{TOKEN}\r\nX-Injected: yes");
    let set = world.bailiwick().run_with(hostile.as_bytes(), ["secret", "set", "service"]);
    if set.code() == 0 {
        world.script(&format!("curl -sS {} || true", upstream.url("/control"))).ok();
    }
    for request in upstream.seen() {
        assert!(request.headers.get("x-injected").is_none(), "{request:#?}");
    }
}

#[test]
fn a_cookie_that_the_upstream_mints_stays_outside() {
    let (world, upstream) = service();
    let url = upstream.url("/set-cookie?name=sid&value=MARKER-minted-77aa");
    let output = world.script(&format!("curl -sSi '{url}'")).ok().stdout();
    assert!(
        upstream.seen().iter().any(|seen| seen.path() == "/set-cookie"),
        "the control never arrived: {output}"
    );
    assert!(!output.contains("MARKER-minted-77aa"), "{output}");
}
