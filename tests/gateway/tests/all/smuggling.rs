//! Two readings of where a request ends (RFC 9112 §6 and §11.2): what is decided must be all that is forwarded.

use crate::attack::{Case, control, control_arrived, is_refusal, request, send, service};

/// Framing that two parsers could read differently; each hides a request for `/smuggled`.
const AMBIGUOUS: &[(&str, &str)] = &[
    ("length and chunked", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n"),
    ("chunked and length", "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n"),
    ("two lengths", "Content-Length: 0\r\nContent-Length: 6\r\n"),
    ("a list of lengths", "Content-Length: 0, 6\r\n"),
    ("a signed length", "Content-Length: +5\r\nTransfer-Encoding: chunked\r\n"),
    ("a negative length", "Content-Length: -1\r\n"),
    ("a hexadecimal length", "Content-Length: 0x5\r\n"),
    ("a length beyond 64 bits", "Content-Length: 18446744073709551621\r\n"),
    ("an unknown coding", "Transfer-Encoding: xchunked\r\n"),
    ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n"),
    ("chunked not last", "Transfer-Encoding: chunked, identity\r\n"),
    ("two codings fields", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
    ("a space before the colon", "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n"),
    ("a folded field", "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    ("a vertical tab", "Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n"),
    ("a bare line feed", "X: y\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    ("a bare carriage return", "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    ("a NUL", "X: y\0z\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
];

#[test]
fn no_ambiguous_framing_hides_a_second_request() {
    let (world, upstream) = service();
    let mut cases = vec![control(&upstream)];
    for (name, headers) in AMBIGUOUS {
        let hidden = request(&upstream, "GET /smuggled", "", "");
        let bytes = format!(
            "POST /outer HTTP/1.1\r\nHost: localhost:{}\r\n{headers}\r\n0\r\n\r\n{hidden}",
            upstream.port()
        );
        cases.push(Case::new(name, &upstream, bytes));
    }
    let answers = send(&world, &cases);
    control_arrived(&upstream, &answers);
    for (name, _) in AMBIGUOUS {
        let first = &answers[*name];
        assert!(is_refusal(first), "{name}: {first}");
        assert!(!first.contains("/smuggled"), "{name}: the hidden request was answered");
    }
    let leaked: Vec<_> = upstream.seen().into_iter().filter(|seen| seen.path() != "/control").collect();
    assert!(leaked.is_empty(), "{leaked:#?}");
}

#[test]
fn malformed_chunks_end_the_request() {
    let (world, upstream) = service();
    let bodies = [
        ("a chunk size that overflows", "FFFFFFFFFFFFFFFF1\r\nx\r\n0\r\n\r\n"),
        ("a chunk without its line end", "1\r\nxy\r\n0\r\n\r\n"),
        ("a chunk size with a sign", "+1\r\nx\r\n0\r\n\r\n"),
        ("a chunk size that is no number", "zz\r\nx\r\n0\r\n\r\n"),
        ("chunks that never end", "1\r\nx\r\n"),
    ];
    let mut cases = vec![control(&upstream)];
    for (name, body) in bodies {
        let hidden = request(&upstream, "GET /smuggled", "", "");
        cases.push(Case::new(
            name,
            &upstream,
            request(&upstream, "POST /upload", "Transfer-Encoding: chunked\r\n", &format!("{body}{hidden}")),
        ));
    }
    // The last one waits for more; the client's own timeout ends it.
    let answers = send(&world, &cases);
    control_arrived(&upstream, &answers);
    for seen in upstream.seen() {
        assert_ne!(seen.path(), "/smuggled", "{seen:?}");
        assert!(
            seen.path() == "/control" || seen.body.is_none(),
            "a broken body passed as complete: {seen:?}"
        );
    }
}

#[test]
fn header_floods_are_refused_and_the_gateway_lives() {
    let (world, upstream) = service();
    let many = (0..5000).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let long = format!("X: {}\r\n", "y".repeat(2_000_000));
    let cases = [
        Case::new("many fields", &upstream, request(&upstream, "GET /flood", &many, "")),
        Case::new("a long field", &upstream, request(&upstream, "GET /flood", &long, "")),
        Case::new(
            "a long target",
            &upstream,
            request(&upstream, &format!("GET /flood{}", "x".repeat(2_000_000)), "", ""),
        ),
        control(&upstream),
    ];
    let answers = send(&world, &cases);
    control_arrived(&upstream, &answers);
    for case in &cases[..3] {
        assert!(is_refusal(&answers[case.name()]), "{}: {}", case.name(), answers[case.name()]);
    }
    assert!(!upstream.seen().iter().any(|seen| seen.path().starts_with("/flood")));
}
