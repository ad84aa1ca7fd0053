use bailiwick_catalogue::{Minting, Pattern};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use proptest::prelude::*;

use super::*;
use crate::{Change, KeyFile, Sealed, SealedStore, Sought, StoreFault, Unlock};

struct NoRows;

impl SealedStore for NoRows {
    fn list(&self) -> Result<Vec<Sealed>, StoreFault> {
        Ok(Vec::new())
    }

    fn write(&self, _: &[Change]) -> Result<(), StoreFault> {
        Ok(())
    }
}

/// What a service hands out.
const REAL: &str = "MARKER0123456789abcdefghijklmnopqrst";

fn captures() -> Arc<Captures> {
    let home = tempfile::tempdir().unwrap();
    let unlock = Unlock::KeyFile(KeyFile::at(home.path().join("vault.key")));
    Arc::new(Captures::new(Arc::new(Vault::open(unlock, Arc::new(NoRows)).unwrap())))
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// What goes to, or comes from, `host` of the resource `cloud`, over TLS.
fn at<'a>(resource: &'a Name, host: &'a str) -> Site<'a> {
    Site { resource, host, secure: true }
}

fn fields(fields: &[&str], optional: &[&str]) -> Minting {
    let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    Minting { fields: owned(fields), optional: owned(optional), ..Minting::default() }
}

/// Takes `pointers` out of `body`, an answer with success: the answer as it goes on, and the dummies.
fn take(captures: &Captures, pointers: &[&str], body: &str) -> Result<(String, Vec<String>), CaptureError> {
    let cloud = name("cloud");
    let taken =
        captures.take_fields(body.as_bytes(), &fields(pointers, &[]), true, at(&cloud, "a.example"), "x");
    taken.map(|(next, captured, _)| (String::from_utf8(next.to_vec()).unwrap(), captured.dummies))
}

fn one(captures: &Captures) -> String {
    take(captures, &["/token"], &format!(r#"{{"token": "{REAL}"}}"#)).unwrap().1.remove(0)
}

#[test]
fn a_named_field_is_another_and_nothing_else_changes() {
    let captures = captures();
    let body = format!(
        "{{ \"id\":18446744073709551617.0e2,\n \"data\" : {{\"key\":\"{REAL}\"}}, \"n\":1.10, \"echo\":\"x{REAL}x\", \"b64\":\"{}\" }}",
        STANDARD.encode(format!("a:{REAL}"))
    );
    let (next, dummies) = take(&captures, &["/data/key"], &body).unwrap();
    assert!(!next.contains(REAL) && !next.contains(&STANDARD.encode(&REAL[..30])), "{next}");
    assert!(next.contains(&format!("{{\"key\":\"{}\"}}", dummies[0])), "{next}");
    assert!(
        next.starts_with("{ \"id\":18446744073709551617.0e2,\n ") && next.contains("\"n\":1.10,"),
        "{next}"
    );
    assert_eq!(next.len(), body.len());
}

#[test]
fn what_is_escaped_in_the_answer_is_found_all_the_same() {
    let escaped: String = REAL.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let (next, dummies) =
        take(&captures(), &["/t~1o~0k"], &format!("{{\"t\\/o~k\": \"{escaped}\", \"e\": \"{escaped}\"}}"))
            .unwrap();
    assert!(!next.contains(&escaped) && next.contains(&dummies[0]), "{next}");
}

#[test]
fn lists_are_captured_item_by_item() {
    let body = format!(r#"[{{"token": "{REAL}A"}}, {{"token": "{REAL}B"}}, {{"token": null}}]"#);
    let (next, dummies) = take(&captures(), &["/*/token"], &body).unwrap();
    assert!(dummies.len() == 2 && !next.contains(REAL), "{next}");
    assert_eq!(take(&captures(), &["/1/token"], &body).unwrap().1.len(), 1);
    assert_eq!(take(&captures(), &["/*/token"], "[]").unwrap().0, "[]");
}

#[test]
fn what_cannot_be_captured_does_not_go_on() {
    let twice = format!(r#"{{"token": "harmless-text", "to\u006ben": "{REAL}"}}"#);
    let many: String = (0..10_000).map(|n| format!(r#","{n:05}-{REAL}""#)).collect();
    let many = format!("[\"{REAL}\"{many}]");
    for (pointer, body, wanted) in [
        ("/token", "", CaptureError::NotJson),
        ("/token", "token=MARKER0123456789", CaptureError::NotJson),
        ("/token", "{\"token\": \"MARKER0123456789", CaptureError::NotJson),
        ("/token", &twice, CaptureError::NotJson),
        ("/token", "{\"Token\": \"MARKER0123456789\"}", CaptureError::NoField { field: "/token".into() }),
        ("/token", "{\"token\": null}", CaptureError::NoField { field: "/token".into() }),
        ("/a/b", "{\"a\": \"MARKER0123456789\"}", CaptureError::NoField { field: "/a/b".into() }),
        ("/2", "[\"MARKER0123456789\"]", CaptureError::NoField { field: "/2".into() }),
        ("/token", "{\"token\": [\"MARKER0123456789\"]}", CaptureError::NotText { field: "/token".into() }),
        ("/token", "{\"token\": 12345678901234567890}", CaptureError::NotText { field: "/token".into() }),
        ("/*", &many, CaptureError::TooMany),
    ] {
        let captures = captures();
        assert_eq!(take(&captures, &[pointer], body), Err(wanted), "{body:.60}");
        assert!(captures.patterns().is_none(), "{body:.60}");
    }
    let short = take(&captures(), &["/token"], r#"{"token": "abc"}"#).unwrap_err();
    assert!(short.to_string().contains("too short") && !short.to_string().contains("abc"), "{short}");
    let deep = format!("{}\"{REAL}\"{}", "[".repeat(5000), "]".repeat(5000));
    assert!(take(&captures(), &["/0"], &deep).is_err());
}

#[test]
fn an_answer_that_is_no_success_may_lack_what_its_route_names() {
    let cloud = name("cloud");
    let (captures, site) = (captures(), at(&cloud, "a.example"));
    let take = |body: &str| {
        captures.take_fields(body.as_bytes(), &fields(&["/token"], &[]), false, site, "x").unwrap()
    };
    assert_eq!(&**take("<h1>no</h1>").0, b"<h1>no</h1>");
    assert_eq!(take(r#"{"error": "slow_down"}"#).1.dummies.len(), 0);
    let (next, captured, _) = take(&format!(r#"{{"error": "late", "token": "{REAL}"}}"#));
    assert!(captured.dummies.len() == 1 && !String::from_utf8(next.to_vec()).unwrap().contains(REAL));
    let optional = fields(&["/a"], &["/b"]);
    let (_, captured, _) =
        captures.take_fields(br#"{"a": "MARKER-one-two"}"#, &optional, true, site, "x").unwrap();
    assert_eq!(captured.dummies.len(), 1);
}

#[test]
fn one_of_several_names_must_be_there() {
    let cloud = name("cloud");
    let (captures, site) = (captures(), at(&cloud, "a.example"));
    let minting = Minting { one_of: vec!["/token".into(), "/access_token".into()], ..Minting::default() };
    let take = |body: &str| captures.take_fields(body.as_bytes(), &minting, true, site, "x");
    for body in [
        format!(r#"{{"token": "{REAL}"}}"#),
        format!(r#"{{"access_token": "{REAL}", "expires_in": 300}}"#),
        format!(r#"{{"token": "{REAL}", "access_token": "{REAL}"}}"#),
    ] {
        let (next, captured, _) = take(&body).unwrap();
        assert!(!captured.dummies.is_empty() && !String::from_utf8(next.to_vec()).unwrap().contains(REAL));
    }
    for body in [format!(r#"{{"jwt": "{REAL}"}}"#), r#"{"token": null}"#.to_owned(), "{}".to_owned()] {
        let error = take(&body).unwrap_err();
        assert!(error.to_string().contains("`/token` or `/access_token`"), "{body}: {error}");
    }
}

#[test]
fn what_is_of_no_use_any_more_makes_room_and_nothing_else_does() {
    let cloud = name("cloud");
    let (captures, site) = (captures(), at(&cloud, "a.example"));
    let keep = |number: usize, over: Option<Instant>| {
        let secret = Secret::new(format!("MARKER-token-{number:04}-abcdef").into_bytes()).unwrap();
        captures.keep(vec![Taken { kind: Kind::Field, secret, also: None, over }], site, "x")
    };
    let now = Instant::now();
    for number in 0..MOST {
        let over = if number == 7 { now } else { now + std::time::Duration::from_secs(3600) };
        keep(number, Some(over).filter(|_| number % 2 == 1)).unwrap();
    }
    let dummy = keep(100, None).unwrap();
    assert_eq!((keep(100, None).unwrap(), captures.of(&cloud).len()), (dummy, MOST));
    assert!(captures.of(&cloud).iter().all(|one| one.secret.expose() != b"MARKER-token-0007-abcdef"));
    assert_eq!(keep(101, None), Err(CaptureError::TooMany));
}

#[test]
fn only_what_lasts_for_minutes_is_ever_over() {
    let cloud = name("cloud");
    let site = at(&cloud, "a.example");
    let body = br#"{"token": "MARKER-token-one", "refresh_token": "MARKER-refresh-one", "expires_in": 300}"#;
    for (ephemeral, ends) in [(true, vec![true, false]), (false, vec![false, false])] {
        let captures = captures();
        let minting = Minting { ephemeral, ..fields(&["/token"], &["/refresh_token"]) };
        captures.take_fields(body, &minting, true, site, "x").unwrap();
        let over: Vec<_> = captures.of(&cloud).iter().map(|one| one.over.is_some()).collect();
        assert_eq!(over, ends, "ephemeral: {ephemeral}");
    }
}

#[test]
fn the_same_value_has_the_same_dummy() {
    let captures = captures();
    assert_eq!(one(&captures), one(&captures));
    assert_eq!(captures.changes(), 1);
}

fn request(uri: &str, fields: &[(&str, &str)]) -> request::Parts {
    let mut request = Request::get(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

use http::request;

/// Presents what `request` has to `cloud`, and returns it opened.
fn open(
    captures: &Captures,
    mut request: request::Parts,
    host: &str,
    own: Option<&Pattern>,
) -> Option<request::Parts> {
    let cloud = name("cloud");
    let presented = captures.withdraw(&mut request, at(&cloud, host), own).ok()?;
    presented.inject(&mut request).unwrap();
    Some(request)
}

#[test]
fn a_dummy_is_exchanged_where_credentials_go() {
    let captures = captures();
    let dummy = one(&captures);
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let own = Pattern::Header { name: "x-own".into(), prefix: "key ".into() };
    for (field, given, wanted) in [
        ("authorization", format!("Bearer {dummy}"), format!("Bearer {REAL}")),
        ("authorization", format!("token {dummy}"), format!("token {REAL}")),
        ("private-token", dummy.clone(), REAL.to_owned()),
        ("x-own", format!("key {dummy}"), format!("key {REAL}")),
        (
            "authorization",
            basic(&format!("x-access-token:{dummy}")),
            basic(&format!("x-access-token:{REAL}")),
        ),
        ("authorization", basic(&format!("{dummy}:x-oauth-basic")), basic(&format!("{REAL}:x-oauth-basic"))),
        ("authorization", basic(&format!("{dummy}:")), basic(&format!("{REAL}:"))),
    ] {
        let opened = open(&captures, request("/", &[(field, &given)]), "a.example", Some(&own)).unwrap();
        assert_eq!(opened.headers[field], wanted, "{given}");
        assert_eq!(opened.headers.get_all(field).iter().count(), 1);
    }
    let opened =
        open(&captures, request(&format!("/a?b=c&access_token={dummy}&d"), &[]), "a.example", None).unwrap();
    assert_eq!(opened.uri.to_string(), format!("/a?b=c&d&access_token={REAL}"));
    // Anywhere else it is a text.
    let opened =
        open(&captures, request(&format!("/{dummy}"), &[("x-note", &dummy)]), "a.example", None).unwrap();
    assert!(opened.uri.path().ends_with(&dummy) && opened.headers["x-note"] == dummy);
}

#[test]
fn nothing_of_somebody_elses_goes_along() {
    let captures = captures();
    let dummy = one(&captures);
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for value in [
        format!("MARKERattackers {dummy}"),
        format!("Bearer {dummy}, Bearer MARKERattackers"),
        format!("Bearer MARKERattackers {dummy}"),
        format!("Digest response=\"{dummy}\""),
        basic(&format!("MARKERattackers:{dummy}")),
        basic(&format!("{dummy}:MARKERattackers")),
        basic(&format!("x{dummy}:")),
    ] {
        assert!(
            open(&captures, request("/", &[("authorization", &value)]), "a.example", None).is_none(),
            "{value}"
        );
    }
    let two = [("authorization", &*format!("Bearer {dummy}")), ("authorization", "Bearer MARKERattackers")];
    assert!(open(&captures, request("/", &two), "a.example", None).is_none());
    let proxy = [("proxy-authorization", &*format!("Bearer {dummy}"))];
    assert!(open(&captures, request("/", &proxy), "a.example", None).is_none());
}

#[test]
fn it_is_exchanged_at_its_resource_and_over_tls_only() {
    let captures = captures();
    let dummy = one(&captures);
    let given = || request("/", &[("authorization", &format!("Bearer {dummy}"))]);
    let (cloud, forge) = (name("cloud"), name("forge"));
    let mut there = given();
    assert!(captures.withdraw(&mut there, at(&forge, "a.example"), None).unwrap().is_empty());
    assert_eq!(there.headers["authorization"], format!("Bearer {dummy}"));
    let clear = Site { secure: false, ..at(&cloud, "a.example") };
    assert!(captures.withdraw(&mut given(), clear, None).is_err());
    assert!(self::captures().withdraw(&mut given(), at(&cloud, "a.example"), None).unwrap().is_empty());
}

fn set(captures: &Captures, cookies: &[&str], host: &str) -> Vec<String> {
    let cloud = name("cloud");
    let mut headers: HeaderMap =
        cookies.iter().map(|cookie| (header::SET_COOKIE, HeaderValue::from_str(cookie).unwrap())).collect();
    captures.take_cookies(&mut headers, at(&cloud, host), "x").unwrap();
    headers.get_all(header::SET_COOKIE).iter().map(|field| field.to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_cookie_keeps_its_attributes_and_loses_its_value() {
    let captures = captures();
    let next = set(
        &captures,
        &[
            "sid=MARKER-session-1; Path=/; HttpOnly; SameSite=Lax",
            "old=; Max-Age=0",
            "gone=MARKER-gone-1; Max-Age=-1",
            "php=deleted; Expires=Thu, 01-Jan-1970 00:00:01 GMT",
            "lang=en",
            "MARKER-nameless",
        ],
        "a.example",
    );
    assert!(next[0].starts_with("sid=") && next[0].ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{next:?}");
    assert_eq!(
        next[1..],
        ["old=; Max-Age=0", "gone=; Max-Age=-1", "php=; Expires=Thu, 01-Jan-1970 00:00:01 GMT"]
    );
    assert!(!next.concat().contains("MARKER"), "{next:?}");
}

#[test]
fn a_cookie_goes_back_to_the_hosts_it_was_set_for() {
    let captures = captures();
    let cookie = |set: String| set.split(';').next().unwrap().to_owned();
    let own = cookie(set(&captures, &["sid=\"MARKER-own-host-1\""], "a.example").remove(0));
    let wide =
        cookie(set(&captures, &["all=MARKER-all-hosts-1; Domain=.corp.example"], "a.corp.example").remove(0));
    let given = |text: &str| request("/", &[("cookie", text)]);
    let both = format!("mine=MARKERattackers; {own}");
    let opened = open(&captures, given(&both), "a.example", None).unwrap();
    assert_eq!(opened.headers["cookie"], "mine=MARKERattackers; sid=\"MARKER-own-host-1\"");
    let opened = open(&captures, given(&wide), "b.corp.example", None).unwrap();
    assert_eq!(opened.headers["cookie"], "all=MARKER-all-hosts-1");
    for (text, host) in
        [(&own, "b.example"), (&wide, "evilcorp.example"), (&own.replacen("sid", "sie", 1), "a.example")]
    {
        assert!(open(&captures, given(text), host, None).is_none(), "{text} {host}");
    }
    // A field's dummy is no cookie, and a cookie's no bearer.
    let (dummy, sid) = (one(&captures), own.trim_start_matches("sid="));
    assert!(open(&captures, given(&format!("sid={dummy}")), "a.example", None).is_none());
    assert!(
        open(&captures, request("/", &[("authorization", &format!("Bearer {sid}"))]), "a.example", None)
            .is_none()
    );
}

#[test]
fn a_cookie_is_found_as_its_service_decodes_it() {
    let captures = captures();
    set(&captures, &["sid=s%3AMARKER-a.b%2Fc"], "a.example");
    let mut bytes = *b"you are s:MARKER-a.b/c";
    assert_eq!(captures.patterns().unwrap().scrub_bytes(&mut bytes), 1);
}

#[test]
fn an_answer_under_way_is_swept_for_what_is_captured_meanwhile() {
    let captures = captures();
    let mut sweep = Sought::new(None, Arc::clone(&captures)).sweep();
    assert_eq!(sweep.feed(Bytes::from_static(b"before")), "before");
    one(&captures);
    let (first, rest) = REAL.split_at(10);
    let mut passed = sweep.feed(Bytes::from(first)).to_vec();
    passed.extend(sweep.feed(Bytes::from(rest)));
    passed.extend(sweep.finish());
    assert_eq!(passed, b"*".repeat(REAL.len()));
    assert_eq!(sweep.hits(), 1);
}

#[test]
fn nothing_is_left_of_it_after_the_session() {
    let captures = captures();
    let dummy = one(&captures);
    assert!(captures.has(&name("cloud")) && !captures.has(&name("forge")));
    captures.forget();
    assert!(captures.patterns().is_none() && !captures.has(&name("cloud")));
    let given = request("/", &[("authorization", &format!("Bearer {dummy}"))]);
    assert_eq!(
        open(&captures, given, "a.example", None).unwrap().headers["authorization"],
        format!("Bearer {dummy}")
    );
    assert!(!format!("{captures:?}").contains("MARKER"));
}

proptest! {
    #[test]
    fn no_document_hides_what_it_names(before in ".{0,20}", secret in "[a-zA-Z0-9+/=_-]{12,80}", after in ".{0,20}") {
        prop_assume!(Secret::new(secret.clone().into_bytes()).is_ok());
        prop_assume!(!before.contains(&secret) && !after.contains(&secret));
        let document = serde_json::json!({ "before": before, "deep": [{ "token": secret }], "after": format!("{after}{secret}") });
        let (next, dummies) = take(&captures(), &["/deep/0/token"], &document.to_string()).unwrap();
        prop_assert!(!next.contains(&secret), "{}", next);
        let next: serde_json::Value = serde_json::from_str(&next).unwrap();
        prop_assert_eq!(next["deep"][0]["token"].as_str(), Some(dummies[0].as_str()));
        prop_assert_eq!(next["before"].as_str(), Some(before.as_str()));
    }
}
