//! Things that are not there: a session, an action, a lock, a secret, a resource.

use bailiwick_testkit::product::{LIMIT, finish};
use bailiwick_testkit::{Upstream, World};
use serde_json::Value;

use crate::told::{daemon, fails};

#[test]
fn names_and_ids_that_nothing_has() {
    let world = World::new();
    daemon(&world);
    let bailiwick = world.bailiwick();
    let never = "ses_01m88qmb47fpstk57w6hc6v5sq";
    for (arguments, wrong, remedy) in [
        (vec!["stop", "ses_none"], "`ses_none`", "bailiwick session list"),
        (vec!["stop", never], never, "bailiwick session list"),
        (vec!["stop", "-"], "no live session", "bailiwick session list"),
        (vec!["session", "show", "none"], "`none`", "bailiwick session list"),
        (vec!["session", "show", "-"], "no live session", "bailiwick session list"),
        (vec!["policy", "suggest", "none"], "`none`", "bailiwick session list"),
        (vec!["log", "--session", "none"], "`none`", "bailiwick session list"),
        (vec!["log", "--session", "a/../b?c=d"], "a/../b", "bailiwick session list"),
        (vec!["explain", "act_none"], "`act_none`", "bailiwick log"),
        (vec!["explain", "-"], "no action", "bailiwick log"),
        (vec!["explain", "a b/c"], "a b/c", "bailiwick log"),
        (vec!["explain", "%00é"], "%00é", "bailiwick log"),
        (vec!["lock", "lift", "lck_none"], "`lck_none`", "bailiwick lock list"),
        (vec!["lock", "lift", ""], "lock", "bailiwick lock list"),
        (vec!["session", "show", ""], "session", "bailiwick session list"),
        (vec!["explain", ""], "action", "bailiwick log"),
        (vec!["secret", "remove", "none"], "`none`", "bailiwick secret list"),
        (vec!["resource", "show", "none"], "`none`", "bailiwick resource list"),
        (vec!["resource", "remove", "none"], "`none`", "bailiwick resource list"),
    ] {
        fails(&bailiwick, &arguments, 4, wrong, remedy);
    }
    let delegated = ["run", "--parent", never, "--", "true"];
    fails(&bailiwick, &delegated, 125, never, "bailiwick session list");
}

#[test]
fn a_lock_on_what_nobody_knows_holds_and_is_remarked_on() {
    let world = World::new();
    daemon(&world);
    world
        .bailiwick()
        .run(["resource", "add", "service", "--address", "http://a.example", "--no-credential"])
        .ok();
    let never = "session:ses_01m88qmb47fpstk57w6hc6v5sq";
    for unknown in ["agent:codr", "resource:servce", "user:nobody-here", never] {
        let locked = world.bailiwick().run(["lock", "add", unknown]).ok();
        let said = locked.stderr();
        assert!(said.contains("warning") && said.contains(unknown) && said.contains("lock lift"), "{said}");
    }
    for known in ["resource:service", "everything"] {
        let said = world.bailiwick().run(["lock", "add", known]).ok().stderr();
        assert!(!said.contains("warning"), "{said}");
    }
    let locks: Vec<Value> = world.bailiwick().run(["lock", "list", "--json"]).ok().ndjson();
    assert_eq!(locks.len(), 6);
}

#[test]
fn a_secret_says_how_often_it_was_set() {
    let world = World::new();
    let versions = || -> Vec<u64> {
        let listed: Vec<Value> = world.bailiwick().run(["secret", "list", "--json"]).ok().ndjson();
        listed.iter().map(|secret| secret["version"].as_u64().unwrap()).collect()
    };
    let set = |name: &str| world.bailiwick().run_with(b"MARKER-a-secret", ["secret", "set", name]).ok();
    set("first");
    set("second");
    assert_eq!(versions(), [1, 1]);
    set("first");
    assert_eq!(versions(), [2, 1]);
    world.bailiwick().run(["secret", "remove", "first"]).ok();
    set("first");
    assert_eq!(versions(), [1, 1]);
}

#[test]
fn resources_that_are_none() {
    let world = World::new();
    let bailiwick = world.bailiwick();
    let add = |more: &[&'static str]| [&["resource", "add", "service", "--no-credential"], more].concat();
    fails(&bailiwick, &add(&["--address", "nonsense"]), 2, "`nonsense`", "resource add --help");
    fails(
        &bailiwick,
        &add(&["--address", "http://a.example", "--template", "none"]),
        2,
        "`none`",
        "resource add --help",
    );
    fails(
        &bailiwick,
        &add(&["--address", "https://a.example", "--ca", "/no/such.pem"]),
        2,
        "/no/such.pem",
        "--ca",
    );
    assert!(!world.home.path().join("resources/service.toml").exists());
    let upstream = Upstream::secure(&world.ca);
    world.add_open("service", &upstream.url(""), "http");
    fails(&bailiwick, &add(&["--address", "http://b.example"]), 5, "`service`", "--replace");
}

#[test]
fn a_secret_that_is_not_there() {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add("service", &upstream.url(""), "http");
    fails(&world.bailiwick(), &["secret", "set", "service"], 2, "no secret", "pipe it in");
    for (value, wrong) in [(b"\xff\xfe".to_vec(), "UTF-8"), (vec![b'x'; 20_000], "too long")] {
        let finished = world.bailiwick().run_with(&value, ["secret", "set", "service"]).expect_code(2);
        assert!(
            finished.stderr().contains(wrong) && finished.stderr().contains("to fix: "),
            "{}",
            finished.stderr()
        );
    }
    world.bailiwick().run(["secret", "remove", "service"]).ok();
    let call = format!("curl -sS -w '\\n%{{http_code}}' {}", upstream.url("/without"));
    let answer = world.script(&call).ok().stdout();
    let (problem, code) = answer.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(code, "403", "{answer}");
    let problem: Value = serde_json::from_str(problem).unwrap();
    assert_eq!(problem["code"], "credential_missing", "{problem:#}");
    assert!(problem["fix"].as_str().unwrap().contains("bailiwick secret set service"), "{problem:#}");
    assert!(upstream.seen().is_empty());
    let rows: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    assert!(rows.len() == 1 && rows[0]["resource"] == "service" && rows[0]["outcome"] != "ok", "{rows:#?}");
    let set = world.bailiwick().run_with(b"MARKER-another-secret", ["secret", "set", "service"]);
    set.ok();
    assert!(world.script(&call).ok().stdout().ends_with("200"));
}

/// A machine without any network: the daemon starts there, and says which upstream it cannot reach.
#[test]
fn without_any_network_it_starts_and_says_what_cannot_be_reached() {
    let world = World::new();
    world.home.write(
        "resources/api.toml",
        "template = \"http\"\naddress = \"https://api.example.com\"\ncredentials = \"none\"\n",
    );
    let inside = "echo works; curl -s -o answer -w '%{http_code}' https://api.example.com/";
    let command = world.run(["bash", "-c", inside]);
    let mut alone = std::process::Command::new("unshare");
    alone.args(["--user", "--map-current-user", "--net", "--"]).arg(command.get_program());
    alone.args(command.get_args()).current_dir(world.home.workspace());
    alone.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let finished = finish(alone, b"", LIMIT).ok();
    assert_eq!(finished.stdout(), "works\n502");
    let answer = std::fs::read_to_string(world.home.workspace().join("answer")).unwrap();
    assert!(answer.contains("upstream_unreachable") && answer.contains("`api` cannot be used"), "{answer}");
}
