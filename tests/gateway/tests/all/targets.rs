//! Tricks with the request target: the path that is decided is the path that is forwarded, and it has one reading.

use bailiwick_testkit::{Upstream, World};

use crate::attack::{Case, control, control_arrived, is_refusal, request, send};

/// Spellings that some server somewhere reads as `/private`.
const TRICKS: &[(&str, &str)] = &[
    ("dot segments", "/open/../private"),
    ("encoded dots", "/open/%2e%2e/private"),
    ("half encoded dots", "/open/.%2E/private"),
    ("an encoded slash", "/open/..%2fprivate"),
    ("an encoded backslash", "/open/..%5cprivate"),
    ("a backslash", "/open/..\\private"),
    ("an empty segment", "/open//../private"),
    ("a leading double slash", "//private"),
    ("a path parameter", "/open/..;/private"),
    ("a hidden parameter", "/open/.;x/../private"),
    ("overlong UTF-8", "/open/%c0%ae%c0%ae/private"),
    ("an overlong slash", "/open%c0%afprivate"),
    ("double encoding", "/open/%252e%252e/private"),
    ("an encoded NUL", "/open/%00/private"),
    ("an encoded line end", "/open/%0d%0aX:%20y"),
    ("a broken escape", "/open/%zz"),
    ("a truncated escape", "/open/%2"),
    ("a fragment", "/open#/../private"),
];

fn world() -> (World, Upstream) {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    let toml = format!(
        "address = \"{}\"\nca = \"{}\"\nunmatched = \"refuse\"\n\
         [[route]]\nmethod = \"GET\"\npath = \"/open/{{rest..}}\"\noperation = \"service.open\"\neffects = [\"read\"]\n\
         [[route]]\nmethod = \"GET\"\npath = \"/control\"\noperation = \"service.open\"\neffects = [\"read\"]\n",
        upstream.url(""),
        world.pem.display()
    );
    world.home.write("resources/service.toml", &toml);
    (world, upstream)
}

#[test]
fn no_spelling_reaches_what_no_route_allows() {
    let (world, upstream) = world();
    let mut cases = vec![control(&upstream)];
    for (name, target) in TRICKS {
        cases.push(Case::new(name, &upstream, request(&upstream, &format!("GET {target}"), "", "")));
    }
    cases.push(Case::new("plainly private", &upstream, request(&upstream, "GET /private", "", "")));
    let answers = send(&world, &cases);
    control_arrived(&upstream, &answers);
    for case in &cases[1..] {
        assert!(is_refusal(&answers[case.name()]), "{}: {}", case.name(), answers[case.name()]);
    }
    let others: Vec<_> = upstream.seen().into_iter().filter(|seen| seen.path() != "/control").collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn methods_that_turn_the_gateway_into_something_else_are_refused() {
    let (world, upstream) = world();
    let port = upstream.port();
    let lines = [
        ("a tunnel", format!("CONNECT localhost:{port}")),
        ("a trace", "TRACE /control".to_owned()),
        ("an asterisk", "OPTIONS *".to_owned()),
        ("another origin", "GET https://elsewhere.example/control".to_owned()),
        ("the same origin in clear text", format!("GET http://localhost:{port}/control?clear")),
        ("a lower-case method", "get /control?lower".to_owned()),
        ("a method of its own", "PWN /control?pwn".to_owned()),
    ];
    let mut cases = vec![control(&upstream)];
    cases.extend(
        lines.iter().map(|(name, line)| Case::new(name, &upstream, request(&upstream, line, "", ""))),
    );
    let answers = send(&world, &cases);
    control_arrived(&upstream, &answers);
    for case in &cases[1..] {
        assert!(is_refusal(&answers[case.name()]), "{}: {}", case.name(), answers[case.name()]);
    }
    assert_eq!(upstream.seen().len(), 1, "{:#?}", upstream.seen());
}
