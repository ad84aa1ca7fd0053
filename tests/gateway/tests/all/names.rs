//! Which upstream a request is for: the handshake, the `Host` field and the address must agree, and redirects are requests anew.

use bailiwick_testkit::{Trap, Upstream, World};
use std::time::Duration;

use crate::attack::{Case, control, control_arrived, is_refusal, request, send, service};

#[test]
fn handshake_and_host_must_agree() {
    let (world, upstream) = service();
    let get = |host: &str| format!("GET /names HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let port = upstream.port();
    let right = format!("localhost:{port}");
    let cases = [
        control(&upstream),
        Case::new("another host", &upstream, get("elsewhere.example")),
        Case::new("another port", &upstream, get("localhost:1")),
        Case::new("an address", &upstream, get(&format!("127.0.0.1:{port}"))),
        Case::new("another name in the handshake", &upstream, get(&right)).sni("elsewhere.example"),
        Case::new("userinfo", &upstream, get(&format!("elsewhere.example@localhost:{port}"))),
        Case::new("a list", &upstream, get(&format!("localhost:{port}, elsewhere.example"))),
        Case::new("a dot at the end", &upstream, get(&format!("localhost.:{port}"))),
        Case::new("no host", &upstream, "GET /names HTTP/1.1\r\nConnection: close\r\n\r\n"),
        Case::new(
            "two hosts",
            &upstream,
            request(&upstream, "GET /names", "Host: elsewhere.example\r\n", ""),
        ),
        Case::new(
            "two hosts, alike",
            &upstream,
            request(&upstream, "GET /names", &format!("Host: {right}\r\n"), ""),
        ),
    ];
    let answers = send(&world, &cases);
    control_arrived(&upstream, &answers);
    for case in &cases[1..] {
        assert!(is_refusal(&answers[case.name()]), "{}: {}", case.name(), answers[case.name()]);
    }
    assert_eq!(upstream.seen().len(), 1, "{:#?}", upstream.seen());
}

#[test]
fn a_redirect_is_decided_like_any_request() {
    let (world, upstream) = service();
    let other = Upstream::secure(&world.ca);
    let script = format!(
        "curl -sS -o /dev/null -w '%{{http_code}} ' -L '{}'\ncurl -sS -o /dev/null -w '%{{http_code}}' '{}'",
        upstream.url(&format!("/redirect?to={}", other.url("/there").replace(':', "%3A"))),
        upstream.url("/redirect?to=%2Fhere"),
    );
    let codes = world.script(&format!("set +e\n{script}\ntrue")).ok().stdout();
    assert!(codes.ends_with(" 302"), "the control was not redirected: {codes}");
    assert!(other.seen().is_empty(), "{:?}", other.seen());
}

#[test]
fn metadata_and_private_addresses_are_out_of_reach() {
    let world = World::new();
    let trap = Trap::silent();
    let port = trap.address().port();
    // The trap works: something outside reaches it.
    std::net::TcpStream::connect(trap.address()).unwrap();
    assert!(trap.wait_for(Duration::from_secs(60), |_| true));
    let before = trap.touches().len();
    let addresses = [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("0.0.0.0:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("[64:ff9b::127.0.0.1]:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f.1:{port}"),
        format!("127.1:{port}"),
        format!("127.0.0.1.nip.example:{port}"),
        "169.254.169.254".to_owned(),
        "[fd00:ec2::254]".to_owned(),
    ];
    let script: String = addresses
        .iter()
        .map(|address| format!("curl -sg -m 20 -o /dev/null -w '%{{http_code}}\\n' 'http://{address}/latest/meta-data/' || true\n"))
        .collect();
    let codes = world.script(&script).ok().stdout();
    assert_eq!(codes.lines().count(), addresses.len(), "{codes}");
    assert!(codes.lines().all(|code| code == "000" || code == "403"), "{codes}");
    assert_eq!(trap.touches().len(), before, "{:?}", trap.touches());
}
