use bailiwick_catalogue::Pattern;
use http::{Request, request};
use proptest::prelude::*;

use super::{InjectError, apply};
use crate::Secret;

fn request(uri: &str) -> request::Parts {
    let request = Request::get(uri).header("accept-encoding", "gzip, br").header("x-kept", "1");
    request.body(()).unwrap().into_parts().0
}

fn secret(text: &[u8]) -> Secret {
    Secret::new(text.to_vec()).unwrap()
}

fn inject(pattern: &Pattern, text: &[u8], uri: &str) -> Result<request::Parts, InjectError> {
    let mut parts = request(uri);
    apply(pattern, &secret(text), &mut parts).map(|()| parts)
}

fn header(name: &str, prefix: &str) -> Pattern {
    Pattern::Header { name: name.into(), prefix: prefix.into() }
}

fn query(name: &str) -> Pattern {
    Pattern::Query { name: name.into() }
}

fn path(placeholder: &str) -> Pattern {
    Pattern::Path { placeholder: placeholder.into() }
}

fn basic(username: &str) -> Pattern {
    Pattern::Basic { username: username.into() }
}

#[test]
fn headers_replace_what_is_there_and_are_marked_sensitive() {
    for (pattern, name, expected) in [
        (Pattern::Bearer, "authorization", "Bearer MARKER-1234"),
        (basic("x-access-token"), "authorization", "Basic eC1hY2Nlc3MtdG9rZW46TUFSS0VSLTEyMzQ="),
        (header("x-api-key", ""), "x-api-key", "MARKER-1234"),
        (header("authorization", "token "), "authorization", "token MARKER-1234"),
    ] {
        let mut parts = request("/a");
        parts.headers.append("authorization", "the agent's".parse().unwrap());
        parts.headers.append("x-api-key", "the agent's".parse().unwrap());
        parts.headers.append("x-api-key", "another".parse().unwrap());
        apply(&pattern, &secret(b"MARKER-1234"), &mut parts).unwrap();
        let values: Vec<_> = parts.headers.get_all(name).iter().collect();
        assert_eq!(values, [expected]);
        assert!(values[0].is_sensitive());
        assert!(!format!("{parts:?}").contains("MARKER"));
    }
}

#[test]
fn answers_are_asked_for_in_plain() {
    let mut parts = request("/a");
    parts.headers.insert("te", "gzip, trailers".parse().unwrap());
    parts.headers.insert("sec-websocket-extensions", "permessage-deflate".parse().unwrap());
    apply(&Pattern::Bearer, &secret(b"MARKER-1234"), &mut parts).unwrap();
    assert_eq!(parts.headers["accept-encoding"], "identity");
    assert_eq!(parts.headers.get_all("accept-encoding").iter().count(), 1);
    assert_eq!(parts.headers["te"], "trailers");
    assert!(!parts.headers.contains_key("sec-websocket-extensions"));
    assert_eq!(parts.headers["x-kept"], "1");
}

#[test]
fn a_secret_cannot_leave_its_header() {
    for bad in [
        "MARKER\r\nx-evil: 1",
        "MARKER\n1234",
        "MARKER\x001234",
        " MARKER-1234",
        "MARKER-1234\t",
        "MARKER\x7f1234",
    ] {
        for pattern in [Pattern::Bearer, header("x-api-key", "")] {
            let error = inject(&pattern, bad.as_bytes(), "/a").unwrap_err();
            assert!(matches!(error, InjectError::NotAHeaderValue { .. }), "{bad:?}");
            assert!(!format!("{error} {error:?}").contains("MARKER"));
        }
    }
    assert!(inject(&basic("u"), b"MARKER\r\n1234", "/a").is_err());
    assert_eq!(inject(&basic("u:v"), b"MARKER-1234", "/a").unwrap_err(), InjectError::NotAUserName);
}

#[test]
fn no_credential_goes_where_messages_are_framed_or_routed() {
    for name in ["Host", "content-length", "Transfer-Encoding", "connection", "x y", "", "accept-encoding"] {
        let error = inject(&header(name, ""), b"MARKER-1234", "/a").unwrap_err();
        assert_eq!(error, InjectError::ReservedHeader { header: name.into() });
    }
}

#[test]
fn a_query_parameter_replaces_its_namesakes_and_leaves_the_others() {
    for (uri, expected) in [
        ("/a", "/a?k+y=MARKER%20%26%2B%23"),
        ("/a?", "/a?k+y=MARKER%20%26%2B%23"),
        ("http://h:1/a?x=%2f+1&k+y=old&k%20y&%6b+y=2&z", "http://h:1/a?x=%2f+1&z&k+y=MARKER%20%26%2B%23"),
    ] {
        let parts = inject(&query("k y"), b"MARKER &+#", uri).unwrap();
        assert_eq!(parts.uri.to_string().replace("k%20y", "k+y"), expected);
    }
}

#[test]
fn a_path_placeholder_is_one_whole_segment() {
    let parts =
        inject(&path("__token__"), b"12:MARKER/?#%..", "http://h/bot/__token__/x__token__?q=__token__")
            .unwrap();
    assert_eq!(parts.uri, "http://h/bot/12:MARKER%2F%3F%23%25../x__token__?q=__token__");
    let absent = inject(&path("__token__"), b"MARKER-1234", "/a/x__token__").unwrap_err();
    assert_eq!(absent, InjectError::NoPlaceholder { placeholder: "__token__".into() });
    let twice = inject(&path("_t_"), b"MARKER-1234", "/_t_/_t_").unwrap_err();
    assert_eq!(twice, InjectError::ManyPlaceholders { placeholder: "_t_".into() });
}

#[test]
fn the_whole_target_may_not_outgrow_a_request() {
    let long: Vec<u8> = (0..16_000u32).map(|i| (i % 251) as u8).collect();
    let parts = inject(&query("k"), &long, "/a").unwrap();
    assert!(parts.uri.to_string().len() > 16_000);
    let full = format!("/{}", "a".repeat(60_000));
    assert_eq!(inject(&query("k"), &long, &full).unwrap_err(), InjectError::UnfitTarget);
    for form in ["*", "forge.example:443"] {
        assert_eq!(inject(&query("k"), b"MARKER-1234", form).unwrap_err(), InjectError::UnfitTarget);
    }
}

proptest! {
    /// Whatever the secret is: the server reads exactly it, and nothing else has changed.
    #[test]
    fn a_server_reads_exactly_the_secret(bytes in proptest::collection::vec(any::<u8>(), 8..60)) {
        prop_assume!(Secret::new(bytes.clone()).is_ok());
        let parts = inject(&query("k"), &bytes, "/a?b=c").unwrap();
        let value = parts.uri.query().unwrap().strip_prefix("b=c&k=").unwrap();
        prop_assert!(!value.contains(['&', '=', '#', '+']));
        let read: Vec<u8> = percent_encoding::percent_decode_str(value).collect();
        prop_assert_eq!(&read, &bytes);
        let parts = inject(&path("_t_"), &bytes, "/a/_t_/b?c").unwrap();
        let segments: Vec<&str> = parts.uri.path().split('/').collect();
        prop_assert_eq!(segments.len(), 4);
        let read: Vec<u8> = percent_encoding::percent_decode_str(segments[2]).collect();
        prop_assert_eq!(&read, &bytes);
        if let Ok(parts) = inject(&header("x-key", ""), &bytes, "/a") {
            prop_assert_eq!(parts.headers["x-key"].as_bytes(), &bytes[..]);
            prop_assert_eq!(parts.headers.len(), 3);
        }
    }
}
