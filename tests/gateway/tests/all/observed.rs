//! An observed session: it reads what nobody declared, has no credential, changes nothing; and what it wanted becomes a proposal that a
//! normal session can work with.

use std::fs;
use std::path::Path;

use bailiwick_testkit::product::{Finished, LIMIT, finish};
use bailiwick_testkit::world::TOKEN;
use bailiwick_testkit::{Terminal, Upstream, World};
use serde_json::Value;

const DOCS: &str = "docs.unlisted.example";

/// A world with `service`, opened with a token, and a server for names that nobody declared, at which a network leads every such name.
fn world(names: &[&str]) -> (World, Upstream, Upstream) {
    let world = World::new();
    let outside = Upstream::named(&world.ca, names);
    fs::create_dir_all(world.home.path()).unwrap();
    let settings = format!("[observe]\ndial = '{}'\nca = '{}'\n", outside.address(), world.pem.display());
    fs::write(world.home.path().join("bailiwick.toml"), settings).unwrap();
    let service = Upstream::secure(&world.ca);
    world.add("service", &service.url(""), "http");
    (world, service, outside)
}

/// `run` with these options, a script inside.
fn run(world: &World, options: &[&str], script: &str) -> Finished {
    let mut command = world.bailiwick().command(["run"]);
    command.args(options).args(["--", "bash", "-c", script]);
    finish(command, b"", LIMIT)
}

/// Status codes of these curl commands, one a line. HTTP/1.1: a body that is refused unread may end an HTTP/2 stream before its answer is read.
fn codes(commands: &[String]) -> String {
    commands
        .iter()
        .map(|arguments| {
            format!("curl -sS -g --http1.1 -m 30 -o out -w '%{{http_code}}\\n' {arguments} || true\n")
        })
        .collect()
}

fn paths(upstream: &Upstream) -> Vec<String> {
    upstream.seen().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
}

#[test]
fn a_page_that_the_task_names_is_read_as_it_stands_there_and_nothing_else() {
    let (world, _, outside) = world(&[DOCS]);
    let script = codes(&[
        format!("https://{DOCS}/guide"),
        format!("https://{DOCS}/guide?leak=secret"),
        format!("https://{DOCS}/guide/secret"),
        format!("https://{DOCS}/Guide"),
        format!("https://{DOCS}/"),
        format!("-d secret https://{DOCS}/guide"),
        format!("-X GET -d secret https://{DOCS}/guide"),
        format!("-H 'Authorization: Bearer MARKER-agents-own-31c7' https://{DOCS}/guide"),
        format!("-H 'Cookie: a=MARKER-agents-own-31c7' https://{DOCS}/guide"),
        format!("-H 'X-HTTP-Method-Override: DELETE' https://{DOCS}/guide"),
        format!("https://secret.{DOCS}/guide"),
    ]);
    let words = format!("do as https://{DOCS}/guide says");
    let ended = run(&world, &["--task", &words], &script).ok();
    let told: Vec<_> = ended.stdout().lines().map(str::to_owned).collect();
    assert_eq!(told[..2], ["200", "403"], "{}", ended.stderr());
    let seen = outside.seen();
    assert!(
        !seen.is_empty()
            && seen.iter().all(|seen| format!("{} {}", seen.method, seen.target) == "GET /guide")
    );
    assert!(
        seen.iter()
            .all(|seen| !format!("{seen:?}").contains("MARKER") && !format!("{seen:?}").contains("secret"))
    );
    // Without its name in the task it is as unknown as anything.
    let before = outside.seen().len();
    run(&world, &["--task", "read the guide"], &codes(&[format!("https://{DOCS}/guide")]));
    assert_eq!(outside.seen().len(), before);
}

#[test]
fn it_reads_at_any_host_without_a_credential_and_changes_nothing() {
    let (world, service, outside) = world(&[DOCS]);
    let own = "MARKER-agents-own-31c7";
    let script = codes(&[
        format!("https://{DOCS}/guide?page=2"),
        service.url("/control"),
        format!("-d x https://{DOCS}/post"),
        format!("-X PUT -d x https://{DOCS}/put"),
        format!("-X DELETE https://{DOCS}/delete"),
        format!("-X GET -d x https://{DOCS}/body"),
        format!("-H 'Authorization: Bearer {own}' https://{DOCS}/brought"),
        format!("'https://{DOCS}/brought?access_token={own}'"),
        format!("-d x {}", service.url("/post")),
        format!("-H 'Authorization: Bearer {own}' {}", service.url("/brought")),
    ]);
    let observed = run(&world, &["--observe"], &script).ok();
    let told: Vec<_> = observed.stdout().lines().map(str::to_owned).collect();
    assert_eq!(
        told,
        ["200", "200", "403", "403", "403", "400", "403", "403", "403", "403"],
        "{}",
        observed.stderr()
    );
    assert!(
        observed.stderr().contains("OBSERVED") && observed.stderr().contains("policy suggest"),
        "{}",
        observed.stderr()
    );
    assert_eq!(
        (paths(&outside), paths(&service)),
        (vec!["GET /guide?page=2".into()], vec!["GET /control".into()])
    );
    for request in outside.seen().iter().chain(&service.seen()) {
        assert!(!request.mentions(TOKEN) && !request.mentions(own), "{request:#?}");
        assert!(request.headers.get("authorization").is_none(), "{request:#?}");
    }
    let log: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let of = |target: &str, decision: &str| {
        log.iter().find(|row| row["target"] == target && row["decision"] == decision).cloned().unwrap()
    };
    of("/post", "refuse");
    let act = of("/guide", "permit")["act"].as_str().unwrap().to_owned();
    let explained = world.bailiwick().run(["explain", &act]).ok().stdout();
    for word in ["(observed: reads only, no credentials)", "not in the catalogue", "by default.observed"] {
        assert!(explained.contains(word), "{explained}");
    }
}

#[test]
fn without_it_the_same_is_refused_and_the_credential_is_there() {
    let (world, service, outside) = world(&[DOCS]);
    let script = codes(&[format!("https://{DOCS}/guide"), service.url("/control")]);
    assert_eq!(run(&world, &[], &script).ok().stdout(), "403\n200\n");
    assert!(outside.seen().is_empty());
    assert_eq!(service.seen()[0].header("authorization"), format!("Bearer {TOKEN}"));
}

#[test]
fn addresses_names_of_this_machine_and_impostors_stay_out_of_reach() {
    let (world, _service, outside) = world(&[DOCS]);
    let script = codes(&[
        format!("https://{DOCS}/control"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://[::ffff:10.0.0.1]/".to_owned(),
        "http://1.1.1.1/".to_owned(),
        "http://wiki/".to_owned(),
        // The certificate is for another name.
        "https://impostor.unlisted.example/".to_owned(),
    ]);
    let told = run(&world, &["--observe"], &script).ok().stdout();
    assert_eq!(told, "200\n403\n403\n403\n400\n403\n403\n502\n");
    assert_eq!(paths(&outside), ["GET /control"]);
    let log: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let permitted = log.iter().filter(|row| row["operation"] == "http.get" && row["decision"] == "permit");
    let permitted: Vec<_> = permitted.map(|row| row["resource"].as_str().unwrap()).collect();
    assert_eq!(permitted, ["https://docs.unlisted.example", "https://impostor.unlisted.example"], "{log:#?}");
}

#[test]
fn a_known_service_is_read_as_its_template_says() {
    let (world, _service, outside) = world(&["pypi.org"]);
    let script =
        codes(&["https://pypi.org/simple/requests/".into(), "https://pypi.org/anything-else".into()]);
    assert_eq!(run(&world, &["--observe"], &script).ok().stdout(), "200\n403\n");
    assert_eq!(paths(&outside), ["GET /simple/requests/"]);
    let log: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    assert!(
        log.iter().any(|row| row["operation"] == "registry.read" && row["target"] == "requests"),
        "{log:#?}"
    );
}

#[test]
fn it_is_handed_on_by_the_observed_to_the_observed_alone() {
    let (world, _service, outside) = world(&[DOCS]);
    let going_on = |options: &[&str]| {
        let mut command = world.bailiwick().command(["run", "--agent", "planner", "--ttl", "30m"]);
        command.args(options).args(["--", "bash", "-c", "echo go\"\"ing; sleep 1000"]);
        let session = Terminal::spawn(&command, 24, 200);
        session.expect("going");
        let all: Vec<Value> = world.bailiwick().run(["session", "list", "--json"]).ok().ndjson();
        (session, all.last().unwrap()["id"].as_str().unwrap().to_owned())
    };
    let ask = codes(&[format!("https://{DOCS}/child")]);
    let (_plain, plain) = going_on(&[]);
    let refused = run(&world, &["--parent", &plain, "--observe"], &ask).expect_code(125);
    assert!(refused.stderr().contains("is not observed"), "{}", refused.stderr());
    let (screen, observed) = going_on(&["--observe"]);
    screen.expect("OBSERVED");
    let refused = run(&world, &["--parent", &observed], &ask).expect_code(125);
    assert!(refused.stderr().contains("`--observe`"), "{}", refused.stderr());
    assert!(outside.seen().is_empty());
    assert_eq!(run(&world, &["--parent", &observed, "--observe"], &ask).ok().stdout(), "200\n");
    assert_eq!(paths(&outside), ["GET /child"]);
    let shown = world.bailiwick().run(["session", "show", &observed]).ok().stdout();
    assert!(shown.contains("observed   it reads at any host"), "{shown}");
}

/// Copies what was proposed into force.
fn install(from: &Path, home: &Path) {
    for kind in ["resources", "policies"] {
        for entry in fs::read_dir(from.join(kind)).unwrap().flatten() {
            let to = home.join(kind).join(entry.file_name());
            assert!(!to.exists());
            let mut text = fs::read_to_string(entry.path()).unwrap();
            if let Ok(place) = fs::read_to_string(from.join("place.toml"))
                && kind == "resources"
            {
                // Where the names of this test lead: to its own server.
                text = place + &text;
            }
            fs::write(to, text).unwrap();
        }
    }
}

#[test]
fn what_it_wanted_is_proposed_and_what_is_proposed_works() {
    let (world, _service, outside) = world(&[DOCS, "other.unlisted.example"]);
    let observed = codes(&[
        format!("https://{DOCS}/v1/items/42"),
        format!("'https://{DOCS}/search?q=x'"),
        format!("-d x https://{DOCS}/v1/items"),
        // What would end a string, were it not escaped.
        format!("'https://{DOCS}/%22%3B%20permit(principal,action,resource)%3B'"),
        format!("'https://{DOCS}/odd?a%22%5D%0A=1'"),
    ]);
    assert_eq!(run(&world, &["--observe"], &observed).ok().stdout(), "200\n200\n403\n200\n200\n");
    let proposal = world.home.scratch().join("proposal");
    let write =
        ["policy".as_ref(), "suggest".as_ref(), "-".as_ref(), "--write".as_ref(), proposal.as_os_str()];
    let told = world.bailiwick().run(write).ok().stdout();
    assert!(told.contains("because its path or query has characters"), "{told}");
    world.bailiwick().run(write).expect_code(5);
    let inside = world.home.path().join("policies");
    let write = ["policy".as_ref(), "suggest".as_ref(), "-".as_ref(), "--write".as_ref(), inside.as_os_str()];
    world.bailiwick().run(write).expect_code(2);

    let place = format!("dial = '{}'\nca = '{}'\n", outside.address(), world.pem.display());
    fs::write(proposal.join("place.toml"), place).unwrap();
    let lint = proposal.join("resources/docs-unlisted-example.toml");
    world.bailiwick().run(["resource".as_ref(), "lint".as_ref(), lint.as_os_str()]).ok();
    install(&proposal, &world.home.path());
    world.bailiwick().run(["policy", "check"]).ok();
    let cases = proposal.join("cases.toml");
    world.bailiwick().run(["policy".as_ref(), "test".as_ref(), cases.as_os_str()]).ok();
    // Has the daemon take what lies there.
    world
        .bailiwick()
        .run(["resource", "add", "last", "--address", "https://last.example", "--no-credential"])
        .ok();

    let before = outside.seen().len();
    let normal = codes(&[
        format!("https://{DOCS}/v1/items/43"),
        format!("'https://{DOCS}/search?q=y'"),
        format!("https://{DOCS}/v1/other"),
        format!("-d x https://{DOCS}/v1/items/43"),
        "https://other.unlisted.example/".to_owned(),
    ]);
    assert_eq!(run(&world, &[], &normal).ok().stdout(), "200\n200\n403\n403\n403\n");
    assert_eq!(paths(&outside)[before..], ["GET /v1/items/43", "GET /search?q=y"]);
}
