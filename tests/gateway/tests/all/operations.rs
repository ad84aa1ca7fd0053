//! What a request does stands in its body: operations of a real service, through the real command line, judged by what the service did.

use bailiwick_testkit::world::TOKEN;
use bailiwick_testkit::{GitHub, World, tools};
use serde_json::Value;

/// A world with an enterprise server of GitHub's, declared by its template, and a policy beside the guardrails.
fn github(policy: &str) -> (World, GitHub) {
    let world = World::new();
    let server = GitHub::start(&world.ca, TOKEN);
    let address = format!("https://{}", server.host());
    world.add("github", &address, "github");
    let host = server.host();
    let parts = format!(
        "\n[at.api]\nhost = \"{host}\"\nprefix = \"/api/v3\"\n[at.graphql]\nhost = \"{host}\"\nprefix = \"/api\"\n[at.git]\nhost = \"{host}\"\n"
    );
    let file = world.home.path().join("resources/github.toml");
    let text = std::fs::read_to_string(&file).unwrap() + &parts;
    std::fs::write(&file, text).unwrap();
    world.home.write("policies/own.cedar", policy);
    // Adding one has the daemon take all files that are there.
    world.add_open("other", "https://other.example", "http");
    (world, server)
}

/// Asks for `path` with curl, and gives status and answer.
fn ask(method: &str, server: &GitHub, path: &str, body: &str) -> String {
    let data = if body.is_empty() {
        String::new()
    } else {
        format!("-H 'content-type: application/json' -d '{body}'")
    };
    format!("curl -sS -X {method} {data} -w ' %{{http_code}}\\n' 'https://{}{path}'\n", server.host())
}

#[test]
fn reading_and_writing_pass_and_what_cannot_be_undone_waits() {
    let (world, server) = github("");
    let out = world
        .script(
            &[
                ask("GET", &server, "/api/v3/repos/acme/site", ""),
                ask("POST", &server, "/api/v3/repos/acme/site/issues", r#"{"title": "x"}"#),
                ask("POST", &server, "/api/graphql", r#"{"query": "{ viewer { login } }"}"#),
                ask(
                    "POST",
                    &server,
                    "/api/graphql",
                    r#"{"query": "mutation { createIssue(input: {}) { issue { url } } }"}"#,
                ),
                ask("POST", &server, "/api/v3/repos/acme/site/actions/runners/registration-token", ""),
            ]
            .concat(),
        )
        .ok()
        .stdout();
    assert!(out.contains("acme/site") && out.contains("mia"), "{out}");
    assert_eq!(server.deeds(), ["issue", "issue"], "{out}");
    assert!(!out.contains("MARKER-minted"), "{out}");
    let seen = server.seen();
    assert!(seen.iter().all(|request| request.header("authorization") == format!("Bearer {TOKEN}")));
    let log: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let decided = |operation: &str| {
        log.iter()
            .find(|row| row["operation"] == operation)
            .map(|row| row["decision"].as_str().unwrap().to_owned())
    };
    for (operation, decision) in
        [("forge.read", "permit"), ("graphql.query", "permit"), ("forge.issue_write", "permit")]
    {
        assert_eq!(decided(operation).as_deref(), Some(decision), "{operation}: {log:#?}");
    }
}

#[test]
fn a_mutation_does_not_pass_as_a_query() {
    let (world, server) = github("forbid (principal, action in Action::\"write\", resource);");
    let merge = |document: &str| {
        let body = serde_json::json!({ "query": document }).to_string();
        ask("POST", &server, "/api/graphql", &body)
    };
    let out = world
        .script(
            &[
                merge("query { viewer { login } }"),
                merge("mutation { mergePullRequest(input: {}) { clientMutationId } }"),
                merge("mutation { viewer: mergePullRequest(input: {}) { clientMutationId } }"),
                merge("mutation query { ...F } fragment F on Mutation { mergePullRequest(input: {}) { clientMutationId } }"),
                merge("query A { viewer { login } } mutation B { mergePullRequest(input: {}) { clientMutationId } }"),
                ask(
                    "POST",
                    &server,
                    "/api/graphql",
                    r#"{"query": "{ viewer { login } }", "query": "mutation { mergePullRequest(input: {}) { clientMutationId } }"}"#,
                ),
                ask("GET", &server, "/api/graphql?query=mutation%7BmergePullRequest%7D", ""),
                ask("PUT", &server, "/api/v3/repos/acme/site/pulls/7/merge", "{}"),
                ask("POST", &server, "/api/v3/repos/acme/site/pulls/7/merge?_method=PUT", ""),
                ask("DELETE", &server, "/api/v3/repos/acme/site", ""),
            ]
            .concat(),
        )
        .ok()
        .stdout();
    let codes: Vec<_> = out.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u16>().ok()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 1, "{out}");
    assert_eq!(codes.iter().filter(|code| matches!(**code, 400 | 403)).count(), 9, "{out}");
    assert_eq!(server.deeds(), [] as [&str; 0], "{out}");
}

#[test]
fn what_is_decided_is_what_is_forwarded() {
    let (world, server) = github("");
    let body = "{ \"query\" :  \"{ viewer { login } }\" }";
    world.script(&ask("POST", &server, "/api/graphql", body)).ok();
    let seen = server.seen();
    let asked = seen.iter().find(|request| request.path() == "/api/graphql").unwrap();
    let arrived = asked.body.as_ref().unwrap();
    assert_eq!(arrived.length, body.len() as u64);
}

#[test]
fn the_command_line_client_works() {
    let Some(gh) = tools::find("gh") else {
        return tools::not_tested("gh", "it is not here; `cargo xtask tools` fetches it");
    };
    let (world, server) = github("");
    let out = world
        .script(&format!(
            "export GH_HOST={host} GH_TOKEN=ghp_dummy GH_ENTERPRISE_TOKEN=ghp_dummy GH_CONFIG_DIR=$PWD/gh\n\
             {gh} api user --jq .login\n\
             {gh} api graphql -f query='query {{ viewer {{ login }} }}' --jq .data.viewer.login\n\
             {gh} pr view 7 -R {host}/acme/site --json title --jq .title\n",
            host = server.host(),
            gh = gh.display(),
        ))
        .ok()
        .stdout();
    assert_eq!(out.lines().collect::<Vec<_>>(), ["mia", "mia", "Fix the door"]);
    let brought = server.seen().iter().any(|request| request.mentions("ghp_dummy"));
    assert!(!brought, "the agent's own went out");
}
