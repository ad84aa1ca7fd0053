//! Time and numbers as weapons: half requests, slow readers, crowds, clients that vanish, and a stop in the middle of a stream.

use std::time::Duration;

use bailiwick_testkit::{Upstream, World};
use serde_json::Value;

use crate::attack::service;

const LIMIT: Duration = Duration::from_secs(60);

/// Opens many connections that never finish what they began, then sees whether an honest request still passes.
const CROWD: &str = r#"
import socket, sys
kept, refused = [], 0
for number in range(int(sys.argv[2])):
    try:
        stream = socket.create_connection(("localhost", int(sys.argv[1])), timeout=30)
        if number % 2:
            stream.sendall(b"\x16\x03\x01\x02\x00\x01")
        kept.append(stream)
    except OSError:
        refused += 1
print("kept", len(kept), "refused", refused, flush=True)
sys.stdin.read()
"#;

#[test]
fn a_crowd_in_one_session_does_not_starve_another() {
    let (world, upstream) = service();
    std::fs::write(world.home.workspace().join("crowd.py"), CROWD).unwrap();
    let command =
        format!("ulimit -n $(ulimit -Hn); exec /usr/bin/python3 crowd.py {} 10000", upstream.port());
    let crowd = world.terminal(["bash", "-c", &command]);
    crowd.expect("kept");
    let code = format!("curl -sS -o /dev/null -w '%{{http_code}}' {}", upstream.url("/control"));
    assert_eq!(world.script(&code).ok().stdout(), "200");
    crowd.send("\x04");
}

#[test]
fn half_a_request_reaches_nobody() {
    let (world, upstream) = service();
    let program = "import socket, ssl, sys
context = ssl.create_default_context()
stream = context.wrap_socket(socket.create_connection(('localhost', int(sys.argv[1]))), server_hostname='localhost')
stream.sendall(b'POST /half HTTP/1.1\\r\\nHost: localhost:' + sys.argv[1].encode() + b'\\r\\nContent-')
stream.close()
";
    std::fs::write(world.home.workspace().join("half.py"), program).unwrap();
    let script = format!(
        "/usr/bin/python3 half.py {}\ncurl -sS -o /dev/null {}",
        upstream.port(),
        upstream.url("/control")
    );
    world.script(&script).ok();
    let paths: Vec<_> = upstream.seen().iter().map(|seen| seen.path().to_owned()).collect();
    assert_eq!(paths, ["/control"]);
}

#[test]
fn a_client_that_leaves_closes_the_record() {
    let (world, upstream) = service();
    let url = upstream.url("/events?every_ms=20");
    world.script(&format!("set +o pipefail; curl -sSN {url} | head -n 3")).ok();
    assert!(upstream.seen().iter().any(|seen| seen.path() == "/events"));
    let log: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let row = log.iter().find(|row| row["resource"] == "service" && row["decision"] == "permit").unwrap();
    assert!(!row["outcome"].is_null(), "the record of a stream that was left is still open: {row:#}");
}

#[test]
fn a_lock_on_a_resource_cuts_its_streams_and_the_session_goes_on() {
    let (world, upstream) = service();
    let other = Upstream::secure(&world.ca);
    world.add("other", &other.url(""), "http");
    let status = "curl -sS -o /dev/null -w '%{http_code}'";
    let script = format!(
        "curl -sSN {}; echo \"cut\"=$?; echo locked=$({status} {}) other=$({status} {}); exec sleep 1000",
        upstream.url("/events?every_ms=20"),
        upstream.url("/control"),
        other.url("/control"),
    );
    let session = world.terminal(["bash", "-c", &script]);
    session.expect("data: event 3");
    world.bailiwick().run(["lock", "add", "resource:service", "--reason", "test"]).ok();
    session.expect("locked=403 other=200");
    assert!(session.contents().contains("cut="), "{}", session.contents());
    assert!(!upstream.seen().iter().any(|seen| seen.path() == "/control"));
}

#[test]
fn a_stop_cuts_streams_and_processes() {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    let url = upstream.url("/events?every_ms=20");
    let mut session =
        world.terminal(["bash", "-c", &format!("trap '' TERM HUP INT; curl -sSN {url}; exec sleep 1000")]);
    session.expect("data: event 3");
    world.bailiwick().run(["stop", "-"]).ok();
    assert_eq!(session.wait_for_exit().code(), Some(124));
    assert!(upstream.wait_for(LIMIT, |seen| seen.path() == "/events").is_some());
    let log: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let row = log.iter().find(|row| row["resource"] == "service" && row["decision"] == "permit").unwrap();
    assert!(!row["outcome"].is_null(), "{row:#}");
}
