use bailiwick_catalogue::Pattern;
use http::{Request, request};

use super::{Brought, Position, Treatment};

fn parts(uri: &str, headers: &[(&str, &str)]) -> request::Parts {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn check(uri: &str, headers: &[(&str, &str)], brings: &str, left: &str) {
    let mut request = parts(uri, headers);
    assert_eq!(Brought::find(&request, None).to_string(), brings);
    Brought::remove(&mut request, None).unwrap();
    let mut names: Vec<&str> = request.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(format!("{} {}", request.uri, names.join(" ")).trim(), left);
}

#[test]
fn headers_are_found_whatever_their_case_and_taken_out_with_all_their_values() {
    let headers = [
        ("AUTHORIZATION", "Bearer MARKER"),
        ("authorization", "Basic TUFSS0VS"),
        ("Cookie", "sid=MARKER"),
        ("Proxy-Authorization", "x"),
        ("X-Api-Key", "MARKER"),
        ("X-Shopify-Access-Token", "MARKER"),
        ("x_auth_token", "MARKER"),
        ("accept", "*/*"),
        ("x-csrf-token", "1"),
    ];
    let brings = "header `authorization`, header `cookie`, header `proxy-authorization`, header `x-api-key`, \
                  header `x-shopify-access-token`, header `x_auth_token`";
    check("/a?b=c", &headers, brings, "/a?b=c accept x-csrf-token");
}

#[test]
fn parameters_are_found_however_they_are_spelt() {
    for name in [
        "access_token",
        "ACCESS-TOKEN",
        "access%5Ftoken",
        "%61pi_key",
        "X-Amz-Signature",
        "private_token",
        "sig",
        "key",
    ] {
        let uri = format!("/a?page=%20+2&{name}=MARKER&page=3");
        let mut request = parts(&uri, &[]);
        assert_eq!(Brought::find(&request, None).positions().len(), 1, "{name}");
        Brought::remove(&mut request, None).unwrap();
        assert_eq!(request.uri, "/a?page=%20+2&page=3", "{name}");
    }
    check("/a?b=1;access_token=MARKER&c=2", &[], "query parameter `access_token`", "/a?b=1;c=2");
    check("/a?b=1;c=2&token[]=MARKER", &[], "query parameter `token[]`", "/a?b=1;c=2");
    check("/a?token", &[], "query parameter `token`", "/a");
    check("/a?monkey=1&tokens=2&keyword=3", &[], "", "/a?monkey=1&tokens=2&keyword=3");
}

#[test]
fn user_information_is_found_in_the_address_and_in_host() {
    check(
        "http://u:MARKER@forge.example:81/a",
        &[("host", "u@v@forge.example:81")],
        "user information in the address",
        "http://forge.example:81/a host",
    );
    let mut request = parts("/a", &[("host", "MARKER@forge.example")]);
    Brought::remove(&mut request, None).unwrap();
    assert_eq!(request.headers["host"], "forge.example");
}

#[test]
fn a_token_in_a_websocket_protocol_is_found() {
    let headers =
        [("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.TUFSS0VS, v4.channel.k8s.io")];
    check("/exec", &headers, "header `sec-websocket-protocol`", "/exec");
    let headers = [("sec-websocket-protocol", "realtime, openai-insecure-api-key.MARKER")];
    check("/v1/realtime", &headers, "header `sec-websocket-protocol`", "/v1/realtime");
    check("/exec", &[("sec-websocket-protocol", "chat")], "", "/exec sec-websocket-protocol");
}

#[test]
fn the_place_of_the_resource_s_own_credential_counts() {
    let request = parts("/a?pass=1", &[("x-own", "1")]);
    assert!(Brought::find(&request, None).is_empty());
    let header = Pattern::Header { name: "X-Own".into(), prefix: String::new() };
    assert_eq!(Brought::find(&request, Some(&header)).positions(), [Position::Header("x-own".into())]);
    let query = Pattern::Query { name: "pass".into() };
    assert_eq!(Brought::find(&request, Some(&query)).positions(), [Position::Query("pass".into())]);
}

#[test]
fn what_was_found_is_never_shown() {
    let request = parts("http://MARKER@h/?token=MARKER", &[("authorization", "MARKER")]);
    let brought = Brought::find(&request, None);
    assert!(!format!("{brought} {brought:?}").contains("MARKER"));
    assert_eq!(brought.positions().len(), 3);
}

#[test]
fn one_rule_says_what_happens() {
    let none = Brought::default();
    let some = Brought::find(&parts("/", &[("cookie", "a=b")]), None);
    for (has_source, agents, expected) in [
        (true, false, Treatment::Remove),
        (true, true, Treatment::Remove),
        (false, false, Treatment::Refuse),
        (false, true, Treatment::Pass),
    ] {
        assert_eq!(none.treatment(has_source, agents), Treatment::Pass);
        assert_eq!(some.treatment(has_source, agents), expected, "{has_source} {agents}");
    }
}
