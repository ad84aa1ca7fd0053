//! A proposal is what its records say and nothing an agent wrote; it meets its own cases; it reads the same each time.

use std::collections::BTreeMap;

use bailiwick_catalogue::{Catalogue, Definition, Resource, lint, lint_together};
use bailiwick_core::{Arguments, Name};
use bailiwick_policy::{PolicySet, preset, run_cases};
use serde_json::{Value, json};

use super::*;

/// One attempt of a session that is observed.
fn attempted(number: u32, resource: &Value, what: (&str, &str), path: &str, more: &Value) -> Attempted {
    let (operation, effect) = what;
    let method = operation.rsplit('.').next().unwrap_or_default().to_uppercase();
    let mut all = json!({
        "index": number, "act": format!("act_{number:0>26}"), "session": format!("ses_{:0>26}", 1), "observed": true,
        "resource": resource, "operation": operation, "effects": [effect], "target": path,
        "arguments": { "method": method, "host": "h", "path": path },
        "decision": { "decision": "permit", "policies": ["default.observed"] }, "outcome": "ok", "count": 1
    });
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        all[name] = value;
    }
    serde_json::from_value(all).unwrap()
}

fn get(number: u32, address: &str, path: &str) -> Attempted {
    attempted(number, &unlisted(address), ("http.get", "read"), path, &json!({}))
}

fn unlisted(address: &str) -> Value {
    json!({ "kind": "unlisted", "address": address })
}

fn refused(code: &str, detail: &str) -> Value {
    json!({ "decision": "refuse", "reasons": [{ "code": code, "detail": detail }] })
}

fn declared() -> Vec<Resource> {
    let load = |name: &str, text: &str| Definition::load(name.parse().unwrap(), name, text).unwrap();
    vec![load("forge", "address = 'https://forge.example'\n")]
}

fn here(catalogue: &Catalogue) -> Here<'_> {
    Here { catalogue, policies: BTreeSet::new(), refused: BTreeMap::new() }
}

fn proposed(attempts: &[Attempted]) -> Proposal {
    propose(attempts, &here(&Catalogue::new(declared()).unwrap()))
}

fn file<'p>(proposal: &'p Proposal, name: &str) -> &'p str {
    let found = proposal.files.iter().find(|proposed| proposed.file == name);
    &found.unwrap_or_else(|| panic!("no {name} in {:#?}", proposal.files)).text
}

/// What is declared, and what is proposed.
fn together(proposal: &Proposal) -> Vec<Resource> {
    let mut resources = declared();
    for Proposed { file, text } in &proposal.files {
        if let Some(name) = file.strip_prefix("resources/") {
            let name: Name = name.strip_suffix(".toml").unwrap().parse().unwrap();
            resources
                .push(Definition::load(name, file, text).unwrap_or_else(|error| panic!("{error}\n{text}")));
        }
    }
    resources
}

/// The policies of a preset and those proposed, for that catalogue.
fn policies(proposal: &Proposal, catalogue: &Catalogue, name: &str) -> PolicySet {
    let mut files = vec![(name, preset(name).unwrap_or_default())];
    let own = proposal.files.iter().filter(|proposed| proposed.file.starts_with("policies/"));
    files.extend(own.map(|proposed| (proposed.file.as_str(), proposed.text.as_str())));
    PolicySet::parse(&files, catalogue.operations())
        .unwrap_or_else(|problems| panic!("{problems:#?}\n{files:#?}"))
}

/// Holds a proposal to everything that files of a home are held to, and to its own cases.
fn in_order(proposal: &Proposal) -> usize {
    let resources = together(proposal);
    let findings: Vec<_> = resources.iter().skip(1).flat_map(lint).collect();
    let worse = |level| level != bailiwick_catalogue::Level::Note;
    assert!(!findings.iter().any(|finding| worse(finding.level)), "{findings:#?}");
    assert!(lint_together(&resources).is_empty());
    let catalogue = Catalogue::new(resources).unwrap();
    let mut number = 0;
    for preset in ["default", "strict", "none"] {
        let set = policies(proposal, &catalogue, preset);
        let (count, failures) = run_cases(file(proposal, CASES), &set, &catalogue).unwrap();
        assert!(failures.is_empty(), "{preset}: {failures:#?}");
        number = count;
    }
    number
}

const DOCS: &str = "https://docs.example.com";

/// With this query.
fn asking(mut attempt: Attempted, query: &[&str]) -> Attempted {
    let pairs = query.iter().map(|pair| (*pair).into()).collect();
    attempt.arguments.as_mut().unwrap().insert("query".into(), bailiwick_core::Value::List(pairs));
    attempt
}

/// Refused, with this code.
fn turned_away(number: u32, code: &str, address: &str, what: (&str, &str)) -> Attempted {
    let refused = refused(code, &format!("refused as {code}"));
    attempted(number, &unlisted(address), what, "/x", &json!({ "decision": refused, "outcome": null }))
}

/// What a job tried beside its work.
fn beside() -> Vec<Attempted> {
    let of = |number, address: &str, what, path: &str, more: &Value| {
        attempted(number, &unlisted(address), what, path, more)
    };
    let leads_inside = "`inside.example.com` leads to 10.0.0.1, which is a private address";
    let failed = json!({ "outcome": "failed", "error": leads_inside });
    let no = json!({ "decision": refused("unlisted", "no resource is declared"), "outcome": null });
    let (read, resolve, connect) = (("http.get", "read"), ("net.resolve", "read"), ("net.connect", "send"));
    vec![
        turned_away(10, "credential_brought", DOCS, read),
        get(11, "http://169.254.169.254", "/latest/meta-data/"),
        of(12, "https://inside.example.com", read, "/", &failed),
        of(13, "tcp://db.example.com:5432", connect, "db.example.com:5432", &no),
        of(14, "dns://docs.example.com", resolve, "docs.example.com", &json!({})),
        of(15, "dns://only.example.com", resolve, "only.example.com", &json!({})),
        turned_away(18, "locked", "https://other.example.com", read),
    ]
}

/// What it tried on a declared resource.
fn on_forge() -> Vec<Attempted> {
    let forge = json!({ "kind": "listed", "name": "forge" });
    let refused = |code: &str| json!({ "decision": refused(code, "no policy permits it"), "outcome": null });
    vec![
        attempted(16, &forge, ("http.get", "read"), "/", &refused("not_permitted")),
        attempted(17, &forge, ("http.delete", "destructive"), "/", &refused("observed")),
    ]
}

/// A day's work of an ordinary job, and what it tried beside it.
fn day() -> Vec<Attempted> {
    let work = [
        get(1, "https://pypi.org", "/simple/requests/"),
        get(2, "https://files.pythonhosted.org", "/packages/requests-2.0.tar.gz"),
        get(3, "https://pypi.org", "/simple/requests/"),
        asking(get(4, "https://github.com", "/acme/site/info/refs"), &["service=git-upload-pack"]),
        get(5, DOCS, "/v1/items/42"),
        asking(get(6, DOCS, "/search"), &["q=a b", "page=2"]),
        get(7, DOCS, "/v1/items/7"),
        turned_away(8, "observed", DOCS, ("http.post", "write")),
        turned_away(9, "observed", "https://hooks.example.com", ("http.post", "write")),
        get(19, "https://xn--pyp-0na.example", "/simple/requests/"),
    ];
    work.into_iter().chain(beside()).chain(on_forge()).collect()
}

#[test]
fn a_day_becomes_what_it_read_and_nothing_else() {
    let proposal = proposed(&day());
    assert!(in_order(&proposal) > 10);
    let mut told: Vec<String> =
        proposal.files.iter().map(|one| format!("=== {}\n{}", one.file, one.text)).collect();
    told.extend(
        proposal.left.iter().map(|left| format!("--- {} x{}: {}", left.what, left.times, left.because)),
    );
    let told = told.join("\n") + "\n";
    let golden = include_str!("golden.txt");
    assert!(told == golden, "differs from crates/cli/src/suggest/golden.txt:\n{told}");
}

#[test]
fn the_order_of_attempts_changes_nothing_but_which_is_named() {
    let mut turned = day();
    turned.reverse();
    let files = |attempts: &[Attempted]| {
        let proposal = proposed(attempts);
        proposal.files.iter().map(|proposed| proposed.file.clone()).collect::<Vec<_>>()
    };
    assert_eq!(files(&day()), files(&turned));
    in_order(&proposed(&turned));
}

#[test]
fn another_path_of_the_same_host_has_no_meaning() {
    let resources = together(&proposed(&day()));
    let docs = resources.iter().find(|resource| resource.name.as_str() == "docs-example-com").unwrap();
    let refused = |request: &str| {
        let case = format!("request = '{request}'");
        toml::from_str::<bailiwick_gateway::Case>(&case).unwrap().meaning(docs).is_err()
    };
    for permitted in ["/v1/items/42", "/v1/items/1000", "/search?q=anything"] {
        assert!(!refused(&format!("GET https://docs.example.com{permitted}")), "{permitted}");
    }
    for other in [
        "/",
        "/v1/items/",
        "/v1/items/x",
        "/v1/items/1/2",
        "/v1/items/1?x=1",
        "/search?other=1",
        "/v2/items/1",
    ] {
        assert!(refused(&format!("GET https://docs.example.com{other}")), "{other}");
    }
    assert!(refused("POST https://docs.example.com/v1/items/42"));
}

#[test]
fn what_is_uncommented_has_a_person_asked() {
    let mut proposal = proposed(&day());
    for proposed in &mut proposal.files {
        proposed.text = proposed.text.replace("//| ", "").replace("#| ", "");
    }
    let catalogue = Catalogue::new(together(&proposal)).unwrap();
    let case = "[[case]]\nname = 'x'\nresource = 'docs-example-com'\noperation = 'http.post'\neffects = ['write']\nexpect = 'hold'\n";
    for preset in ["default", "strict", "none"] {
        let set = policies(&proposal, &catalogue, preset);
        let (_, failures) = run_cases(case, &set, &catalogue).unwrap();
        assert!(failures.is_empty(), "{preset}: {failures:#?}");
    }
}

/// Texts that would end a string, a comment or a line, or show something else than is there.
const HOSTILE: [&str; 14] = [
    "\"; permit (principal, action, resource); //",
    "\\\"); permit(principal,action,resource);",
    "*/ permit (principal, action, resource); /*",
    "\n@id(\"x\")\npermit (principal, action, resource);",
    "'''\n[credential]\npattern = \"bearer\"\n",
    "\"\"\"\n[[route]]\nmethod = \"POST\"",
    "{rest..}",
    "{x:segment}",
    "*",
    "\u{1b}[2J\u{1b}]0;x\u{7}",
    "\u{202e}elif",
    "a\u{0}b\r\nc",
    "\u{2028}//| \u{2029}",
    "%2e%2e",
];

#[test]
fn nothing_that_an_agent_wrote_says_anything_in_a_file() {
    for hostile in HOSTILE {
        let plain = get(1, "https://a.example.com", "/plain");
        let in_path = get(2, "https://a.example.com", &format!("/{hostile}"));
        let mut in_query = get(3, "https://a.example.com", "/query");
        let pairs = vec![format!("{hostile}=x").into(), format!("y={hostile}").into()];
        in_query.arguments.as_mut().unwrap().insert("query".into(), bailiwick_core::Value::List(pairs));
        let mut in_value = get(4, "https://a.example.com", "/value");
        let pairs = vec![format!("y={hostile}").into()];
        in_value.arguments.as_mut().unwrap().insert("query".into(), bailiwick_core::Value::List(pairs));
        let mut in_method = get(5, "https://a.example.com", "/method");
        in_method.arguments.as_mut().unwrap().insert("method".into(), hostile.into());
        let in_host = get(6, &format!("https://{hostile}.example.com"), "/host");
        let mut in_error = get(7, "https://b.example.com", "/error");
        in_error.outcome = Some("failed".into());
        in_error.error = Some(hostile.into());
        let mut listed = get(8, "https://a.example.com", "/");
        listed.resource = serde_json::from_value(json!({ "kind": "listed", "name": "forge" })).unwrap();
        listed.target = hostile.into();
        listed.arguments = Some(Arguments::from([
            (hostile.to_owned(), hostile.into()),
            ("owner".to_owned(), hostile.into()),
        ]));
        listed.decision = serde_json::from_value(refused("not_permitted", hostile)).unwrap();
        let proposal = proposed(&[plain, in_path, in_query, in_value, in_method, in_host, in_error, listed]);
        hold(&proposal, hostile);
    }
}

/// Everything is printable ASCII, and what it permits is what the harmless one would.
fn hold(proposal: &Proposal, hostile: &str) {
    let printable = |text: &str| text.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic());
    for proposed in &proposal.files {
        assert!(printable(&proposed.text), "{hostile:?}: {}", proposed.text);
    }
    for left in &proposal.left {
        assert!(printable(&left.what) && printable(&left.because), "{left:?}");
    }
    in_order(proposal);
    let resources = together(proposal);
    let a = resources.iter().find(|resource| resource.name.as_str() == "a-example-com").unwrap();
    assert!(a.credential.is_none() && a.addresses.len() == 1, "{hostile:?}");
    for route in &a.routes {
        assert!(route.effects.is_read() && route.methods == ["GET"], "{hostile:?}: {route:?}");
        assert_eq!(route.path.names().count(), 0, "{hostile:?}: {route:?}");
    }
    let catalogue = Catalogue::new(resources).unwrap();
    let set = policies(proposal, &catalogue, "none");
    let permits = set.stated().filter(|stated| stated.permits).count();
    assert_eq!((permits, set.len()), (2, 3), "{hostile:?}");
}

#[test]
fn only_so_much_is_suggested_as_a_person_can_look_at() {
    let many: Vec<_> = (0..500).map(|n| get(n, "https://a.example.com", &format!("/p{n}"))).collect();
    let proposal = proposed(&many);
    assert_eq!(file(&proposal, "resources/a-example-com.toml").matches("[[route]]").count(), MOST);
    assert_eq!(proposal.left.len(), 500 - MOST);
    let hosts: Vec<_> = (0..500).map(|n| get(n, &format!("https://h{n}.example.com"), "/")).collect();
    let proposal = proposed(&hosts);
    assert_eq!(proposal.files.iter().filter(|one| one.file.starts_with("resources/")).count(), MOST);
    in_order(&proposal);
}

#[test]
fn a_host_cannot_take_the_name_of_a_resource_that_policies_speak_of() {
    let proposal =
        proposed(&[get(1, "https://forge.example.net", "/"), get(2, "https://pypi.example.net", "/")]);
    let names: Vec<_> = proposal.files.iter().map(|one| one.file.as_str()).collect();
    assert!(
        names.contains(&"resources/forge-example-net.toml")
            && names.contains(&"resources/pypi-example-net.toml")
    );
}

#[test]
fn git_is_not_told_apart_by_paths() {
    let refs =
        asking(get(1, "https://forge.example.net", "/acme/site/info/refs"), &["service=git-upload-pack"]);
    let proposal = proposed(&[refs]);
    assert!(proposal.files.is_empty(), "{proposal:#?}");
    assert!(proposal.left[0].because.ends_with("--address https://forge.example.net --template git`"));
}

#[test]
fn what_the_policies_in_force_refuse_is_left_out() {
    let attempts = [get(1, "https://a.example.com", "/x"), get(2, "https://a.example.com", "/y")];
    let catalogue = Catalogue::new(declared()).unwrap();
    let mut here = here(&catalogue);
    let name = format!("http.get (read) on https://a.example.com: /x [act_{:0>26}]", 1);
    assert!(file(&propose(&attempts, &here), CASES).contains(&name));
    here.refused.insert(name, "policy `own` forbids it".to_owned());
    let proposal = propose(&attempts, &here);
    assert!(!file(&proposal, "resources/a-example-com.toml").contains("\"/x\""));
    assert_eq!(proposal.left[0].because, "policy `own` forbids it");
}
