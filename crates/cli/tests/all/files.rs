//! Files that a person edits, with mistakes in them: told with file and line, never half in force, and no session feels it.

use std::fs;

use bailiwick_testkit::{Bailiwick, Terminal, Upstream, World};
use serde_json::Value;

use crate::told::{daemon, fails, kill, records, text, until, verified};

/// What is wrong in one file, and on which line.
const MISTAKES: [(&str, &str, u32); 7] = [
    ("policies/own.cedar", "// Mine.\nforbid (principal, action, resource\n", 2),
    ("policies/own.cedar", "// Mine.\npermit (principal, action == Action::\"no.such\", resource);\n", 2),
    ("resources/own.toml", "template = \"http\"\naddress = \"http://a.example\n", 2),
    ("resources/own.toml", "address = \"http://a.example\"\nadress = \"x\"\n", 2),
    ("resources/own.toml", "template = \"none\"\naddress = \"http://a.example\"\n", 1),
    ("bailiwick.toml", "[session]\nidel = \"90s\"\n", 2),
    ("bailiwick.toml", "[session]\nidle = \"90 parsecs\"\n", 2),
];

#[track_caller]
fn check(bailiwick: &Bailiwick<'_>, place: &str) {
    let told = bailiwick.run(["policy", "check"]).expect_code(1).stdout();
    assert!(told.contains(place), "`{place}` is not named: {told}");
    let told: Value = bailiwick.run(["policy", "check", "--json"]).expect_code(1).json();
    assert_eq!(told["ok"], false, "{told:#}");
    assert!(told["problems"][0].as_str().unwrap().contains(place), "{told:#}");
}

#[test]
fn every_mistake_is_told_with_its_file_and_line() {
    for (name, contents, line) in MISTAKES {
        let world = World::new();
        world.home.write(name, contents);
        let place = format!("{}:{line}: ", world.home.path().join(name).display());
        check(&world.bailiwick(), &place);
        fails(&world.bailiwick(), &["policy", "list"], 2, &place, "bailiwick policy check");
        // Nothing is in force yet, and nothing is guessed.
        fails(&world.bailiwick(), &["run", "--", "true"], 125, &place, "bailiwick policy check");
        fails(&world.bailiwick(), &["serve"], 2, &place, "bailiwick policy check");
        std::fs::remove_file(world.home.path().join(name)).unwrap();
        world.bailiwick().run(["policy", "check"]).ok();
        world.script("true").ok();
    }
}

#[test]
fn mistakes_in_several_files_are_all_told() {
    let world = World::new();
    for name in ["a", "b"] {
        world.home.write(&format!("resources/{name}.toml"), "adress = \"http://a.example\"\n");
    }
    let told = world.bailiwick().run(["run", "--", "true"]).expect_code(125).stderr();
    assert!(told.contains("a.toml:1: ") && told.contains("b.toml:1: "), "{told}");
    let file = text(&world.home.path().join("resources/a.toml"));
    fails(&world.bailiwick(), &["resource", "show", "a"], 2, &format!("{file}:1: "), &format!("`{file}`"));
}

/// A session that asks for every path that is typed, and shows the answer's status.
fn asking(world: &World, upstream: &Upstream) -> Terminal {
    let script = format!(
        "echo rea\"\"dy; while read path; do curl -s -o /dev/null -w \"$path was %{{http_code}}\\n\" {}$path; done",
        upstream.url("")
    );
    let terminal = world.terminal(["sh", "-c", &script]);
    terminal.expect("ready");
    terminal
}

#[track_caller]
fn ask(terminal: &Terminal, path: &str, status: u16) {
    terminal.send(&format!("{path}\n"));
    terminal.expect(&format!("{path} was {status}"));
}

/// Everything that the daemon has said so far.
fn said(world: &World) -> String {
    std::fs::read_to_string(world.home.path().join("daemon.log")).unwrap()
}

/// Writes a file with a mistake in it, and waits until the daemon has said, loudly, that it does not take it.
#[track_caller]
fn mistake(world: &World, name: &str, contents: &str, place: &str) {
    let before = said(world).len();
    world.home.write(name, contents);
    until(&format!("the daemon names `{place}`"), || {
        let news = said(world).split_off(before);
        news.lines().any(|line| line.contains("the last good set stays") && line.contains(place))
    });
}

#[test]
fn a_running_daemon_keeps_the_last_good_set() {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add_open("service", &upstream.url(""), "http");
    let mut terminal = asking(&world, &upstream);
    ask(&terminal, "/first", 200);
    let loaded =
        |world: &World| records(world).iter().filter(|record| record["kind"] == "policy_loaded").count();
    let before = loaded(&world);
    for (name, contents, line) in MISTAKES {
        let place = format!("{}:{line}: ", world.home.path().join(name).display());
        mistake(&world, name, contents, &place);
        // Another file of the set is right, and would stop everything: as long as one is wrong, it is not taken either.
        world.home.write("policies/right.cedar", "forbid (principal, action, resource);\n");
        check(&world.bailiwick(), &place);
        let add = ["resource", "add", "other", "--address", "http://b.example", "--no-credential"];
        fails(&world.bailiwick(), &add, 2, &place, "bailiwick policy check");
        ask(&terminal, &format!("/still{}{line}", name.len()), 200);
        world.script(&format!("curl -sSf -o /dev/null {}", upstream.url("/another"))).ok();
        assert_eq!(loaded(&world), before, "something of a wrong set was taken");
        std::fs::remove_file(world.home.path().join("policies/right.cedar")).unwrap();
        std::fs::remove_file(world.home.path().join(name)).unwrap();
    }
    assert!(!world.home.path().join("resources/other.toml").exists());
    world.home.write("policies/right.cedar", "forbid (principal, action, resource);\n");
    until("the right set is taken", || loaded(&world) > before);
    ask(&terminal, "/last", 403);
    terminal.send("\x04");
    assert!(terminal.wait_for_exit().success(), "{}", terminal.contents());
    verified(&world);
}

#[test]
fn a_daemon_that_comes_back_to_a_wrong_set_does_not_begin() {
    let world = World::new();
    let owner = daemon(&world);
    kill(owner);
    let (name, contents, line) = MISTAKES[0];
    world.home.write(name, contents);
    let place = format!("{}:{line}: ", world.home.path().join(name).display());
    fails(&world.bailiwick(), &["run", "--", "true"], 125, &place, "bailiwick policy check");
    verified(&world);
    std::fs::remove_file(world.home.path().join(name)).unwrap();
    world.script("true").ok();
}

#[test]
fn policy_tests_that_do_not_hold_or_cannot_be_read() {
    let world = World::new();
    let missing = world.bailiwick().run(["policy", "test", "/no/such.toml"]).expect_code(2);
    assert!(missing.stderr().contains("`/no/such.toml`"), "{}", missing.stderr());
    std::fs::write(world.home.workspace().join("cases.toml"), "nonsense\n").unwrap();
    let wrong = world.bailiwick().run(["policy", "test", "cases.toml"]).expect_code(2);
    assert!(wrong.stderr().contains("cases.toml"), "{}", wrong.stderr());
}

#[test]
fn a_broken_definition_hides_no_other_and_is_found_by_lint() {
    let world = World::new();
    let resources = world.home.path().join("resources");
    fs::create_dir_all(&resources).unwrap();
    fs::write(resources.join("alpha.toml"), "adress = 'https://alpha.example'\n").unwrap();
    fs::write(resources.join("beta.toml"), "address = 'https://beta.example'\n").unwrap();
    fs::write(resources.join("gamma.toml"), "address = 'http://gamma.example'\ntemplate = 'http'\n").unwrap();
    let listed = world.bailiwick().run(["resource", "list"]);
    assert_eq!(listed.code(), 2);
    assert!(listed.stdout().contains("beta") && listed.stdout().contains("gamma"), "{}", listed.stdout());
    assert!(listed.stderr().contains("`alpha`") && listed.stderr().contains("adress"), "{}", listed.stderr());
    let codes = |arguments: &[&str]| {
        let linted = world.bailiwick().run([&["resource", "lint", "--json"], arguments].concat());
        let found: Vec<serde_json::Value> = linted
            .stdout()
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|line| line["level"].is_string())
            .collect();
        let codes: Vec<_> = found.iter().map(|row| row["code"].as_str().unwrap().to_owned()).collect();
        (linted.code(), codes)
    };
    assert_eq!(codes(&[]), (2, vec!["invalid".into(), "clear_text".into()]));
    assert_eq!(codes(&["beta"]), (0, vec![]));
    assert_eq!(codes(&["gamma"]), (1, vec!["clear_text".into()]));
    assert_eq!(codes(&["none"]).0, 4);
    let file = resources.join("gamma.toml");
    assert_eq!(codes(&[file.to_str().unwrap()]), (1, vec!["clear_text".into()]));
}

#[test]
fn a_table_of_requests_holds_a_definition_to_its_word() {
    let world = World::new();
    let resources = world.home.path().join("resources");
    fs::create_dir_all(&resources).unwrap();
    fs::write(resources.join("github.toml"), "template = 'github'\n").unwrap();
    let table = world.home.scratch().join("cases.toml");
    let check = |effects: &str| {
        let case = "request = 'GET https://api.github.com/user'\noperation = 'forge.read'\n";
        fs::write(&table, format!("[[case]]\n{case}effects = ['{effects}']\n")).unwrap();
        world.bailiwick().run(["resource", "test", "github", table.to_str().unwrap()])
    };
    assert_eq!(check("read").code(), 0);
    let wrong = check("write");
    assert_eq!(wrong.code(), 1);
    assert!(wrong.stdout().contains("effects"), "{}", wrong.stdout());
}
