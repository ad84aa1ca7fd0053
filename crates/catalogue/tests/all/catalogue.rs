//! Whose address is this, and what a person probably did not mean.

use bailiwick_catalogue::{Catalogue, Definition, Level, Resource, Scheme, lint, lint_together};

fn load(name: &str, text: &str) -> Resource {
    Definition::load(name.parse().unwrap(), name, text).unwrap()
}

#[test]
fn an_exact_name_goes_before_a_wildcard() {
    let catalogue = Catalogue::new(vec![
        load("wide", "address = 'https://*.acme.example'"),
        load("narrow", "address = 'https://api.acme.example'"),
    ])
    .unwrap();
    let found = |host: &str| catalogue.lookup(Scheme::Https, host, 443).map(|found| found.name.to_string());
    assert_eq!(found("api.acme.example").as_deref(), Some("narrow"));
    assert_eq!(found("www.acme.example").as_deref(), Some("wide"));
    for unknown in ["acme.example", "a.b.acme.example", "api.acme.example."] {
        assert_eq!(found(unknown), None, "{unknown}");
    }
}

#[test]
fn one_address_has_one_resource() {
    let resources =
        || vec![load("a", "address = 'https://a.example'"), load("b", "address = 'https://a.example'")];
    assert!(Catalogue::new(resources()).is_err());
    let found = lint_together(&resources());
    assert_eq!((found[0].0.as_str(), found[0].1.level, found[0].1.code), ("b", Level::Error, "same_address"));
    let wide = vec![
        load("a", "address = 'https://*.acme.example'"),
        load("b", "address = 'https://x.acme.example'"),
    ];
    let found = lint_together(&wide);
    assert_eq!((found[0].0.as_str(), found[0].1.code), ("a", "overlap"));
}

#[test]
fn mistakes_that_a_person_makes_are_found() {
    let route = |method: &str, path: &str, effects: &str, more: &str| {
        format!(
            "[[route]]\nmethod = {method}\npath = '{path}'\noperation = 'a.b'\neffects = ['{effects}']\n{more}\n"
        )
    };
    let secure = "address = 'https://api.example'\n";
    for (code, text) in [
        ("clear_text", "address = 'http://api.example'\ncredential = { pattern = 'bearer' }\n".to_owned()),
        (
            "wildcard_credential",
            "address = 'https://*.acme.example'\ncredential = { pattern = 'bearer' }\n".to_owned(),
        ),
        ("wildcard_host", "address = 'https://*.acme.example'\n".to_owned()),
        ("secret_in_address", format!("{secure}credential = {{ pattern = 'query', name = 'key' }}\n")),
        ("agent_credentials", format!("{secure}credentials = 'agent'\n")),
        ("private_name", format!("{secure}private = true\n")),
        ("opaque", format!("{secure}opaque = true\n")),
        (
            "tenant_needs_routes",
            format!("{secure}tenant.owner = 'acme'\n{}", route("'GET'", "/{owner}", "read", "")),
        ),
        (
            "no_tenant",
            format!(
                "{secure}credential = {{ pattern = 'bearer' }}\n{}",
                route("'GET'", "/{owner}", "read", "")
            ),
        ),
        (
            "always_refused",
            format!(
                "{secure}unmatched = 'refuse'\ntenant.owner = 'acme'\n{}{}",
                route("'GET'", "/{owner}", "read", ""),
                route("'GET'", "/x/y", "read", "")
            ),
        ),
        ("reading_delete", secure.to_owned() + &route("'DELETE'", "/x", "read", "why = 'x'")),
        ("reading_write", secure.to_owned() + &route("['GET', 'POST']", "/x", "read", "")),
        ("mints_uncaptured", secure.to_owned() + &route("'POST'", "/oauth/token", "write", "")),
        (
            "mints_and_brings",
            format!("{secure}credentials = 'agent'\n")
                + &route("'POST'", "/x", "write", "mints = { fields = ['/token'] }"),
        ),
        (
            "shadowed",
            secure.to_owned()
                + &route("['GET', 'PUT']", "/{a}/{b..}", "write", "")
                + &route("'PUT'", "/x/secret/{name}", "write", ""),
        ),
        ("part_unreached", format!("{secure}at.x = {{ host = 'x.example' }}\n")),
        (
            "address_without_part",
            format!("{secure}at.x = {{ host = 'x.example' }}\n{}", route("'GET'", "/", "read", "at = 'x'")),
        ),
    ] {
        let codes: Vec<_> = lint(&load("api", &text)).into_iter().map(|finding| finding.code).collect();
        assert!(codes.contains(&code), "{code} is not among {codes:?}\n{text}");
    }
}

#[test]
fn an_ordinary_resource_has_no_finding() {
    let route = |path: &str, more: &str| {
        format!(
            "[[route]]\nmethod = 'POST'\npath = '{path}'\noperation = 'a.b'\neffects = ['read']\n{more}\n"
        )
    };
    let text = "address = 'https://api.example'\ncredential = { pattern = 'bearer' }\n".to_owned()
        + &route("/search", "why = 'it searches'")
        + &route("/{what}/search", "why = 'it searches'")
        + &route("/search", "why = 'shadowed by method only'").replace("POST", "PUT");
    assert_eq!(lint(&load("api", &text)), []);
}
