//! What stays open, and what is large: event streams, WebSockets, a gigabyte each way.

use bailiwick_testkit::{Upstream, tools};
use serde_json::Value;

use bailiwick_testkit::world::{TOKEN, World};

const GIGABYTE: u64 = 1_000_000_000;

#[test]
fn a_gigabyte_comes_down() {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    let url = upstream.url(&format!("/download?bytes={GIGABYTE}"));
    let output = world.script(&format!("curl -sS {url} | tee >(tail -c 1 | wc -c >&2) | wc -c")).ok();
    assert_eq!(output.stdout().trim(), GIGABYTE.to_string());
}

#[test]
fn a_gigabyte_goes_up() {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    let url = upstream.url("/upload");
    let output = world.script(&format!("head -c {GIGABYTE} /dev/zero | curl -sS -T - {url}")).ok();
    let answer: Value = output.json();
    assert_eq!(answer["length"], GIGABYTE);
    // Of a thousand million zero bytes.
    let digest = {
        use sha2::Digest;
        let zeros = vec![0; 1_000_000];
        let mut hasher = sha2::Sha256::new();
        (0..1000).for_each(|_| hasher.update(&zeros));
        hex::encode(hasher.finalize())
    };
    assert_eq!(answer["sha256"], digest);
}

#[test]
fn events_arrive_while_the_stream_is_open() {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    // An endless stream: the script only ends because the fifth event came through while it was open.
    let url = upstream.url("/events?every_ms=50");
    let output =
        world.script(&format!("set +o pipefail; curl -sSN {url} | grep -m 5 '^data:'")).ok().stdout();
    assert_eq!(output.lines().last(), Some("data: event 4"));
}

#[test]
fn a_websocket_echoes() {
    let node = tools::directory().join("bin/node24");
    if !node.exists() {
        return tools::not_tested("WebSocket", "Node 24 is not fetched; run `cargo xtask tools`");
    }
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    let toml = format!(
        "address = \"{}\"\nca = \"{}\"\nopaque = true\n[credential]\npattern = \"bearer\"\n",
        upstream.url(""),
        world.pem.display()
    );
    world.home.write("resources/service.toml", &toml);
    world.bailiwick().run_with(TOKEN.as_bytes(), ["secret", "set", "service"]).ok();
    let program = format!(
        "const s = new WebSocket('{}');\ns.onopen = () => s.send('hello over there');\ns.onmessage = m => {{ console.log(m.data); s.close(); }};\ns.onerror = e => {{ console.error(e.message); process.exit(1); }};",
        upstream.url("/websocket").replace("https://", "wss://")
    );
    std::fs::write(world.home.workspace().join("talk.js"), program).unwrap();
    let output = world.script(&format!("{} talk.js", node.display())).ok();
    assert_eq!(output.stdout().trim(), "hello over there");
    let seen = upstream.seen();
    assert!(
        seen.iter().all(|request| request.header("authorization") == format!("Bearer {TOKEN}")),
        "{seen:?}"
    );
}
