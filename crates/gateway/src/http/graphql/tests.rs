use bailiwick_catalogue::{Definition, HttpRequestView, Resource};

use super::*;

const DEFINITION: &str = r#"
address = "https://api.example"

[graphql]
caseless = true
shared = ["rateLimit", "__typename"]
tenant.repository = { owner = "owner", name = "repo" }

[[graphql.mutation]]
name = ["addComment", "updateComment"]
operation = "forge.comment"
effects = ["write", "send"]

[[graphql.mutation]]
name = "delete*"
operation = "forge.delete"
effects = ["destructive"]

[[graphql.mutation]]
name = "createToken"
operation = "forge.token"
effects = ["identity"]
mints = "refuse"

[[route]]
method = ["GET", "POST"]
path = "/graphql"
body = "graphql"
operation = "graphql.query"
effects = ["read"]
shared = true

[[route]]
method = "GET"
path = "/repos/{owner:caseless}/{repo:caseless}"
operation = "forge.read"
effects = ["read"]
"#;

fn resource(tenant: &str) -> Resource {
    Definition::load("forge".parse().unwrap(), "forge.toml", &format!("{DEFINITION}\n{tenant}")).unwrap()
}

/// The operation, the effects and the fields of a request, or why it is refused.
fn meaning_of(
    resource: &Resource,
    body: &str,
    query: &[(String, String)],
) -> Result<(String, Effects, String), Reason> {
    let get = body.is_empty();
    let view = HttpRequestView {
        method: if get { "GET" } else { "POST" },
        host: "api.example",
        port: 443,
        segments: &["graphql"],
        path: "/graphql",
        query,
        websocket: false,
        content_type: Some("application/json"),
    };
    let mut meaning = resource.route(&view).unwrap();
    let rules = meaning.graphql.clone().unwrap();
    if get {
        read_query(query, &rules, &mut meaning)?;
    } else {
        super::super::json::read(body.as_bytes(), None, "forge")?;
        read_body(body.as_bytes(), query, &rules, &mut meaning)?;
    }
    Ok((meaning.operation.to_string(), meaning.effects, meaning.target))
}

fn posted(document: &str) -> Result<(String, Effects, String), Reason> {
    meaning_of(&resource(""), &serde_json::json!({ "query": document }).to_string(), &[])
}

fn named(document: &str, name: &str) -> Result<(String, Effects, String), Reason> {
    let body = serde_json::json!({ "query": document, "operationName": name }).to_string();
    meaning_of(&resource(""), &body, &[])
}

#[test]
fn queries_read_however_they_are_written() {
    for document in [
        "{ viewer { login } }",
        "query { viewer { login } }",
        "query A($n: Int = 1) @x { repository(owner: \"a\", name: \"b\") { issues(first: $n) { nodes { id } } } }",
        "# mutation { deleteAll }\nquery { viewer { login } }",
        "query { search(query: \"mutation { deleteAll }\") { id } }",
        "query { mutation: viewer { login } }",
        "query Q { ...F } fragment F on Query { viewer { login } }",
        "\u{feff}{ viewer { login } }",
    ] {
        let (operation, effects, _) = posted(document).unwrap();
        assert_eq!((operation.as_str(), effects.is_read()), ("graphql.query", true), "{document}");
    }
}

#[test]
fn a_mutation_is_never_a_read() {
    for (document, operation) in [
        ("mutation { addComment(input: {}) { id } }", "forge.comment"),
        ("mutation{query:addComment(input:{}){id}}", "forge.comment"),
        ("mutation query { addComment { id } updateComment { id } }", "forge.comment"),
        (
            "mutation M { ...F } fragment F on Mutation { ... on Mutation { ... { deleteBranch { id } } } }",
            "forge.delete",
        ),
        ("mutation { deleteBranch @skip(if: true) { id } }", "forge.delete"),
        ("mutation { addcomment { id } }", "graphql.mutation"),
        ("mutation { __typename somethingNew { id } }", "graphql.mutation"),
        ("  \n,,, mutation { addComment { id } }", "forge.comment"),
    ] {
        let (found, effects, _) = posted(document).unwrap();
        assert_eq!((found.as_str(), effects.is_read()), (operation, false), "{document}");
    }
    assert_eq!(posted("mutation { x: deleteBranch { id } }").unwrap().2, "deleteBranch");
}

#[test]
fn only_the_operation_that_runs_counts() {
    let both = "query A { viewer { id } } mutation B { deleteBranch { id } }";
    assert_eq!(named(both, "A").unwrap().0, "graphql.query");
    assert_eq!(named(both, "B").unwrap().0, "forge.delete");
    for (document, name) in [
        (both, ""),
        (both, "C"),
        ("query A { viewer { id } } mutation A { deleteBranch { id } }", "A"),
        ("query A { viewer { id } } mutation { deleteBranch { id } }", "A"),
        ("query A { viewer { id } }", "B"),
    ] {
        assert!(named(document, name).is_err(), "{document} {name}");
    }
    assert!(posted(both).is_err());
}

#[test]
fn what_cannot_be_read_in_one_way_is_refused() {
    let deep = format!("query {{ {} }}", "a { ".repeat(500));
    let nested = format!("query {}x{}", "{ a ".repeat(300), "}".repeat(300));
    for document in [
        "",
        " ",
        "mutation",
        "query { a",
        "query { a } }",
        "{ ...Missing }",
        "{ ...F } fragment F on Query { a } fragment F on Query { b }",
        "fragment F on Query { a }",
        "type A { b: Int }",
        "subscription { issueAdded { id } }",
        "mutation { addComment { id } deleteBranch { id } }",
        "mutation { createToken { token } }",
        "mutation { a: addComment { id } ...F } fragment F on Mutation { createToken { token } }",
        "query { a(b: \"\\uZZZZ\") }",
        &deep,
        &nested,
    ] {
        assert!(posted(document).is_err(), "{document:.80}");
    }
}

#[test]
fn a_fragment_that_holds_itself_ends() {
    assert!(posted("mutation { ...F } fragment F on Mutation { addComment { id } ...F }").is_ok());
}

#[test]
fn the_request_around_the_document_has_one_reading() {
    let hash = "0".repeat(64);
    let own: String = Sha256::digest(b"{ a }").iter().map(|byte| format!("{byte:02x}")).collect();
    let bodies = [
        format!(r#"{{"extensions": {{"persistedQuery": {{"version": 1, "sha256Hash": "{hash}"}}}}}}"#),
        format!(r#"{{"query": "{{ a }}", "extensions": {{"persistedQuery": {{"sha256Hash": "{hash}"}}}}}}"#),
        r#"{"query": "{ a }", "query": "mutation { deleteBranch { id } }"}"#.to_owned(),
        r#"{"query": "{ a }", "documentId": "x"}"#.to_owned(),
        r#"{"id": "x"}"#.to_owned(),
        r#"{"query": null}"#.to_owned(),
        r#"{"query": ["{ a }"]}"#.to_owned(),
        r#"{"query": "{ a }", "Query": "mutation { deleteBranch { id } }"}"#.to_owned(),
        "[]".to_owned(),
        r#"[{"query": "{ a }"}, {"query": "mutation { deleteBranch { id } }"}]"#.to_owned(),
        r#"[[{"query": "{ a }"}]]"#.to_owned(),
        r#""{ a }""#.to_owned(),
    ];
    for body in &bodies {
        assert!(meaning_of(&resource(""), body, &[]).is_err(), "{body}");
    }
    let good =
        format!(r#"{{"query": "{{ a }}", "extensions": {{"persistedQuery": {{"sha256Hash": "{own}"}}}}}}"#);
    assert!(meaning_of(&resource(""), &good, &[]).is_ok());
    let batch = r#"[{"query": "{ a }"}, {"query": "{ b }", "variables": null}]"#;
    assert_eq!(meaning_of(&resource(""), batch, &[]).unwrap().2, "a b");
    for name in ["query", "QUERY", "operationName", "extensions"] {
        let query = [(name.to_owned(), "mutation { deleteBranch { id } }".to_owned())];
        assert!(meaning_of(&resource(""), r#"{"query": "{ a }"}"#, &query).is_err(), "{name}");
    }
}

#[test]
fn a_document_in_the_address_is_read_as_well() {
    let query = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        meaning_of(&resource(""), "", &pairs)
    };
    assert_eq!(query(&[("query", "{ a }")]).unwrap().0, "graphql.query");
    assert_eq!(query(&[("query", "mutation { deleteBranch { id } }")]).unwrap().0, "forge.delete");
    for bad in [
        &[("query", "{ a }"), ("query", "mutation { deleteBranch { id } }")] as &[_],
        &[("query", "{ a }"), ("documentId", "x")],
        &[("query", "{ a }"), ("variables", "{\"a\": 1, \"a\": 2}")],
        &[("query", "{ a }"), ("variables", "[]")],
        &[("extensions", "{\"persistedQuery\": {}}")],
        &[],
    ] {
        assert!(query(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn every_root_field_names_the_tenant() {
    let forge = resource("[tenant]\nowner = 'acme'\nrepo = ['site', 'api']");
    let asked = |document: &str, variables: serde_json::Value| {
        let body = serde_json::json!({ "query": document, "variables": variables }).to_string();
        meaning_of(&forge, &body, &[])
    };
    let none = || serde_json::json!({});
    for (document, variables) in [
        (r#"{ repository(owner: "acme", name: "site") { id } }"#, none()),
        (r#"{ repository(owner: "ACME", name: "Site") { id } rateLimit { cost } }"#, none()),
        (
            "query($o: String!, $n: String!) { repository(owner: $o, name: $n) { id } }",
            serde_json::json!({ "o": "acme", "n": "api" }),
        ),
    ] {
        assert!(asked(document, variables).is_ok(), "{document}");
    }
    for (document, variables) in [
        (r#"{ repository(owner: "evil", name: "site") { id } }"#, none()),
        (r#"{ repository(owner: "acme") { id } }"#, none()),
        (r#"{ viewer { repositories { nodes { id } } } }"#, none()),
        (r#"{ node(id: "x") { id } }"#, none()),
        (
            r#"{ a: repository(owner: "acme", name: "site") { id } b: repository(owner: "evil", name: "site") { id } }"#,
            none(),
        ),
        (
            r#"{ repository(owner: "acme", name: "site") { id } ...F } fragment F on Query { organization(login: "evil") { id } }"#,
            none(),
        ),
        (r#"{ repository(owner: "acme", owner: "evil", name: "site") { id } }"#, none()),
        (r#"{ repository(owner: "\u0061cme", name: "site") { id } }"#, none()),
        (
            "query($o: String = \"acme\") { repository(owner: $o, name: \"site\") { id } }",
            serde_json::json!({ "o": "evil" }),
        ),
        ("query($o: String = \"acme\") { repository(owner: $o, name: \"site\") { id } }", none()),
        (
            "query($o: String!) { repository(owner: $o, name: \"site\") { id } }",
            serde_json::json!({ "o": ["acme"] }),
        ),
    ] {
        assert!(asked(document, variables).is_err(), "{document}");
    }
    let (_, effects, _) = asked("mutation { addComment { id } }", none()).unwrap();
    assert!(effects.contains(EffectClass::Destructive), "whose it is does not show, so a person looks");
}
