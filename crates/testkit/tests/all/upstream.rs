//! curl and a WebSocket client against the HTTP upstream.

use bailiwick_testkit::upstream::{Encoding, pattern};
use bailiwick_testkit::{TestCa, Upstream};
use futures_util::{SinkExt, StreamExt};
use http::Version;
use sha2::{Digest, Sha256};
use tokio_tungstenite::tungstenite::Message;

use super::client;

#[test]
fn both_versions_of_http_arrive_and_are_recorded() {
    let (ca, directory) = (TestCa::new(), tempfile::tempdir().unwrap());
    let (upstream, pem) = (Upstream::secure(&ca), ca.write_pem(directory.path()));
    for (flag, version) in [("--http1.1", Version::HTTP_11), ("--http2", Version::HTTP_2)] {
        let url = upstream.url("/some/path?q=1");
        let body =
            client("curl", directory.path(), Some(&pem), &["-sS", flag, "-d", "hello", &url]).ok().stdout();
        assert!(body.contains("\"method\":\"POST\""), "{body}");
        let seen = upstream.seen().pop().unwrap();
        assert_eq!((seen.version, seen.target.as_str()), (version, "/some/path?q=1"));
        assert_eq!(seen.authority, format!("localhost:{}", upstream.port()));
        let digest = hex::encode(Sha256::digest("hello"));
        assert_eq!(seen.body.map(|body| (body.length, body.sha256)), Some((5, digest)));
    }
}

#[test]
fn secrets_come_back_in_every_encoding() {
    let (upstream, directory) = (Upstream::plain(), tempfile::tempdir().unwrap());
    for encoding in Encoding::ALL {
        for split in ["", "&split=1"] {
            let url = upstream.url(&format!("/reveal?header=x-key&as={}{split}", encoding.name()));
            let answer =
                client("curl", directory.path(), None, &["-sS", "-H", "x-key: MARKER/1+2", &url]).ok();
            assert_eq!(answer.stdout, encoding.encode(b"MARKER/1+2"), "{encoding:?}{split}");
        }
    }
}

#[test]
fn downloads_uploads_and_short_answers_are_exact() {
    let (upstream, directory) = (Upstream::plain(), tempfile::tempdir().unwrap());
    let curl = |arguments: &[&str]| client("curl", directory.path(), None, arguments);
    let url = upstream.url("/download?bytes=200001");
    assert_eq!(curl(&["-sS", &url]).ok().stdout, pattern(0, 200_001));
    std::fs::write(directory.path().join("body"), pattern(0, 70_000)).unwrap();
    let answer = curl(&["-sS", "-T", "body", &upstream.url("/upload")]).ok().stdout();
    assert!(answer.contains(&hex::encode(Sha256::digest(pattern(0, 70_000)))), "{answer}");
    let short = curl(&["-sS", &upstream.url("/truncate?bytes=100&sent=10")]);
    assert_ne!(short.code(), 0);
    assert_eq!(short.stdout, pattern(0, 10));
}

#[test]
fn redirects_cookies_and_events_are_as_asked() {
    let (upstream, directory) = (Upstream::plain(), tempfile::tempdir().unwrap());
    let curl =
        |path: &str| client("curl", directory.path(), None, &["-sSi", &upstream.url(path)]).ok().stdout();
    assert!(curl("/redirect?to=http%3A%2F%2Felsewhere.example%2F&status=307").contains("307 Temporary"));
    assert!(curl("/set-cookie?name=sid&value=MARKER").contains("set-cookie: sid=MARKER; Path=/"));
    let events = curl("/events?count=3");
    assert!(events.contains("text/event-stream") && events.ends_with("data: event 2\n\n"), "{events}");
    assert!(curl("/slow?chunks=2").ends_with("chunk 0\nchunk 1\n"));
}

#[tokio::test]
async fn a_websocket_client_hears_its_echo() {
    let upstream = Upstream::plain();
    let stream = tokio::net::TcpStream::connect(upstream.address()).await.unwrap();
    let url = format!("ws://localhost:{}/websocket", upstream.port());
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
}

#[test]
fn a_dropped_upstream_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::plain();
    let url = upstream.url("/");
    client("curl", directory.path(), None, &["-sS", &url]).ok();
    drop(upstream);
    let mut gone = false;
    for _ in 0..1000 {
        gone = client("curl", directory.path(), None, &["-sS", "--max-time", "1", &url]).code() == 7;
        if gone {
            break;
        }
    }
    assert!(gone, "the port still answers");
}
