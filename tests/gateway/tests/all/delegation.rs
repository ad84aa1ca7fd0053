//! Authority handed on: a child never has more than stands above it, never outlives it, and nobody inside hands anything on.

use std::fs;
use std::time::{Duration, Instant};

use bailiwick_testkit::hunt::descendants;
use bailiwick_testkit::product::{Finished, LIMIT, finish};
use bailiwick_testkit::{Terminal, Upstream, World};
use serde_json::Value;

use crate::attack::service;

/// A command line with words in place of what only the test knows.
fn words(line: &str) -> Vec<String> {
    line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// `run` with these options, a script inside.
fn inside(world: &World, options: &str, script: &str) -> std::process::Command {
    let mut command = world.bailiwick().command(["run"]);
    command.args(words(options)).args(["--", "bash", "-c", script]);
    command
}

/// A session that goes on, on a terminal, once it has said so.
fn going_on(world: &World, options: &str, script: &str) -> Terminal {
    let session = Terminal::spawn(&inside(world, options, &format!("echo go\"\"ing; {script}")), 24, 200);
    session.expect("going");
    session
}

/// A child, to its end.
fn child(world: &World, options: &str, script: &str) -> Finished {
    finish(inside(world, options, script), b"", LIMIT)
}

/// Status codes of a GET, or a POST where that is said, of each path.
fn asks(upstream: &Upstream, requests: &[&str]) -> String {
    let one = |request: &&str| match request.strip_prefix("POST ") {
        Some(path) => {
            format!("curl -sS -o out -w '%{{http_code}} ' -d x {}; cat out >&2", upstream.url(path))
        }
        None => format!("curl -sS -o out -w '%{{http_code}} ' {}; cat out >&2", upstream.url(request)),
    };
    requests.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn sessions(world: &World) -> Vec<Value> {
    world.bailiwick().run(["session", "list", "--json"]).ok().ndjson()
}

fn grant(world: &World, name: &str, text: &str) -> String {
    let path = world.home.scratch().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn seen(upstream: &Upstream, path: &str) -> bool {
    upstream.seen().iter().any(|seen| seen.path() == path)
}

/// Panics unless `run` was refused before the first instruction, with these words.
#[track_caller]
fn refused(finished: Finished, says: &[&str]) {
    let finished = finished.expect_code(125);
    for word in says {
        assert!(finished.stderr().contains(word), "`{word}` is missing in: {}", finished.stderr());
    }
    assert!(!finished.stdout().contains("it-ran"), "{}", finished.stdout());
}

#[test]
fn a_child_has_no_more_than_its_parent_whatever_it_asks_for() {
    let (world, upstream) = service();
    let other = Upstream::secure(&world.ca);
    world.add("other", &other.url(""), "http");
    let narrow = grant(
        &world,
        "narrow.json",
        r#"{"capabilities":[{"resource":"service","operations":["http.get"],"constraints":[{"argument":"path","within":"/a"}]},
            {"resource":"agent:*","operations":["session.delegate"]}]}"#,
    );
    let _parent = going_on(&world, &format!("--agent planner --ttl 30m --grant {narrow}"), "sleep 1000");

    // It asks for nothing in particular, and so for everything.
    let script = format!(
        "{}; curl -sS -o /dev/null -w '%{{http_code}}' {}",
        asks(&upstream, &["/a/control", "/b", "POST /a/x"]),
        other.url("/x")
    );
    let greedy = child(&world, "--parent - --agent coder", &script).ok();
    assert_eq!(greedy.stdout(), "200 403 403 403", "{}", greedy.stderr());
    assert!(seen(&upstream, "/a/control") && !seen(&upstream, "/b") && !seen(&upstream, "/a/x"));
    assert!(other.seen().is_empty());

    // What it names is told at once.
    for wide in [
        r#"{"capabilities":[{"resource":"other","operations":["http.get"]}]}"#,
        r#"{"capabilities":[{"resource":"service","operations":["http.*"]}]}"#,
        r#"{"capabilities":[{"resource":"*","operations":["http.get"]}]}"#,
        r#"{"capabilities":[{"resource":"service","operations":["http.get"],"constraints":[{"argument":"path","within":"/"}]}]}"#,
    ] {
        let wide = grant(&world, "wide.json", wide);
        let asked = child(&world, &format!("--parent - --agent coder --grant {wide}"), "echo it-ran");
        refused(asked, &["is not within the grant above it", "(planner)", "bailiwick session show"]);
    }
    let tighter = grant(
        &world,
        "tighter.json",
        r#"{"capabilities":[{"resource":"service","operations":["http.get"],"constraints":[{"argument":"path","within":"/a/b"}]}]}"#,
    );
    let asked = child(
        &world,
        &format!("--parent - --agent coder --grant {tighter}"),
        &asks(&upstream, &["/a/b/c", "/a/control"]),
    );
    assert_eq!(asked.ok().stdout(), "200 403 ");

    // Nor for longer.
    let longer = child(&world, "--parent - --agent coder --ttl 2h", "echo it-ran");
    // Without a terminal an hour is the most, and that is more than its parent has left.
    refused(longer, &["ends at", "--ttl"]);
    let _child = going_on(&world, "--parent - --agent coder", "sleep 1000");
    let all = sessions(&world);
    assert_eq!(all[1]["parent"], all[0]["id"]);
    assert_eq!(all[1]["expires_at"], all[0]["expires_at"]);
    let shown = world.bailiwick().run(["session", "show", "-"]).ok().stdout();
    assert!(shown.contains("(planner) → ") && shown.contains("within \"/a\""), "{shown}");
}

#[test]
fn who_only_hands_on_cannot_use_it_and_whom_it_names_can() {
    let (world, upstream) = service();
    let hand_on = grant(
        &world,
        "hand-on.json",
        r#"{"capabilities":[{"resource":"service","operations":["http.*"],"exercise":{"by":"delegate_only","agent":"mailer"}},
            {"resource":"agent:helper","operations":["session.delegate"]}]}"#,
    );
    let options = format!("--agent planner --grant {hand_on}");
    let planner = going_on(
        &world,
        &options,
        &format!("{}; echo; cat out; echo; sleep 1000", asks(&upstream, &["/planner"])),
    );
    planner.expect("403");
    planner.expect("only for sessions delegated to agent");
    planner.expect("--agent mailer");
    let planner = sessions(&world)[0]["id"].as_str().unwrap().to_owned();

    let right =
        child(&world, "--parent - --agent mailer", &asks(&upstream, &["/mailer", "POST /mailer-post"]));
    assert_eq!(right.ok().stdout(), "200 200 ");
    let wrong = child(&world, "--parent - --agent helper", &asks(&upstream, &["/helper"]));
    assert_eq!(wrong.ok().stdout(), "403 ");
    // The grant says whom it may be handed to.
    refused(child(&world, "--parent - --agent stranger", "echo it-ran"), &["agent:stranger", "grant"]);

    // A grandchild: in the named agent's hands all the way, or not at all.
    let mailer = going_on(&world, &format!("--parent {planner} --agent mailer"), "sleep 1000");
    assert_eq!(
        child(&world, "--parent - --agent mailer", &asks(&upstream, &["/again"])).ok().stdout(),
        "200 "
    );
    assert_eq!(
        child(&world, "--parent - --agent helper", &asks(&upstream, &["/passed-on"])).ok().stdout(),
        "403 "
    );
    drop(mailer);
    let helper = going_on(&world, &format!("--parent {planner} --agent helper"), "sleep 1000");
    refused(child(&world, "--parent - --agent mailer", "echo it-ran"), &["grant"]);
    drop(helper);
    for (path, arrived) in [
        ("/planner", false),
        ("/mailer", true),
        ("/mailer-post", true),
        ("/helper", false),
        ("/again", true),
        ("/passed-on", false),
    ] {
        assert_eq!(seen(&upstream, path), arrived, "{path}");
    }
    let log: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let act = log.iter().rfind(|row| row["target"] == "/again").unwrap()["act"].as_str().unwrap().to_owned();
    let told = world.bailiwick().run(["explain", &act]).ok().stdout();
    assert!(
        told.contains(&format!("→ {planner} (planner) → ses_")) && told.contains("(mailer) → ses_"),
        "{told}"
    );
    let delegations =
        log.iter().filter(|row| row["operation"] == "session.delegate" && row["session"] == planner.as_str());
    let decided: Vec<_> = delegations
        .map(|row| (row["resource"].as_str().unwrap(), row["decision"].as_str().unwrap()))
        .collect();
    assert!(decided.contains(&("agent:mailer", "permit")) && decided.contains(&("agent:stranger", "refuse")));
    let records: Vec<Value> = world.bailiwick().run(["ledger", "export"]).ok().ndjson();
    let opened = records
        .iter()
        .filter(|record| record["kind"] == "session_opened" && record["parent"] == planner.as_str());
    let acts: Vec<_> = opened.map(|record| record["act"].as_str().unwrap().to_owned()).collect();
    let permitted =
        |act: &String| log.iter().any(|row| row["act"] == act.as_str() && row["decision"] == "permit");
    assert!(acts.len() >= 3 && acts.iter().all(permitted), "{acts:?}");
}

#[test]
fn only_a_session_that_is_going_on_and_not_stopped_hands_anything_on() {
    let (world, _upstream) = service();
    child(&world, "--agent planner --ttl 10m", "true").ok();
    let ended = sessions_ever(&world);
    refused(child(&world, &format!("--parent {ended}"), "echo it-ran"), &["has ended"]);
    refused(child(&world, "--parent -", "echo it-ran"), &["no live session"]);
    refused(child(&world, "--parent ses_01m88wq9q2e35batstksc07ae2", "echo it-ran"), &["no live session"]);
    refused(child(&world, "--parent ../../x", "echo it-ran"), &["no session"]);

    let elsewhere = World::new();
    let _others = going_on(&elsewhere, "--agent planner", "sleep 1000");
    let others = sessions(&elsewhere)[0]["id"].as_str().unwrap().to_owned();
    refused(child(&world, &format!("--parent {others}"), "echo it-ran"), &["no live session"]);

    let mut parent = going_on(&world, "--agent planner", "sleep 1000");
    let id = sessions(&world)[0]["id"].as_str().unwrap().to_owned();
    child(&world, "--parent - --agent coder", "true").ok();
    world.bailiwick().run(["lock", "add", "agent:coder", "--reason", "test"]).ok();
    refused(child(&world, "--parent - --agent coder", "echo it-ran"), &["agent:coder", "lock"]);
    world.bailiwick().run(["lock", "add", "agent:planner", "--reason", "test"]).ok();
    assert_eq!(parent.wait_for_exit().code(), Some(124));
    refused(child(&world, &format!("--parent {id} --agent other"), "echo it-ran"), &["has ended"]);
}

/// The latest session on record.
fn sessions_ever(world: &World) -> String {
    let records: Vec<Value> = world.bailiwick().run(["ledger", "export"]).ok().ndjson();
    let opened = records.iter().rfind(|record| record["kind"] == "session_opened").unwrap();
    opened["session"].as_str().unwrap().to_owned()
}

#[test]
fn a_stop_at_the_root_cuts_the_grandchilds_stream_and_kills_its_processes() {
    let (world, upstream) = service();
    let mut root = going_on(&world, "--agent planner", "sleep 1000");
    let id = sessions(&world)[0]["id"].as_str().unwrap().to_owned();
    let mut middle = going_on(&world, "--parent - --agent relay", "sleep 1000");
    let script =
        format!("trap '' TERM HUP INT; curl -sSN {}; exec sleep 1000", upstream.url("/events?every_ms=20"));
    let mut leaf = going_on(&world, "--parent - --agent coder", &script);
    leaf.expect("data: event 3");
    let processes = descendants(leaf.id());
    assert!(processes.len() >= 2, "{processes:?}");
    let report: Value = world.bailiwick().run(["stop", &id, "--json"]).ok().json();
    assert_eq!(report["sessions"].as_array().unwrap().len(), 3, "{report:#}");
    for session in [&mut leaf, &mut middle, &mut root] {
        assert_eq!(session.wait_for_exit().code(), Some(124), "{}", session.contents());
    }
    // Told by the order itself, or by the end of the session above, whichever came first.
    let said = leaf.contents();
    let why = ["a session above it was stopped", "which delegated it, has ended"];
    assert!(why.iter().any(|words| said.contains(words)), "{said}");
    let alive = |pid: &u32| std::path::Path::new(&format!("/proc/{pid}/root/")).exists();
    assert!(!processes.iter().any(alive), "{processes:?}");
    let log: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let row = log.iter().find(|row| row["resource"] == "service" && row["decision"] == "permit").unwrap();
    assert_eq!(row["outcome"], "cut", "{row:#}");
}

#[test]
fn a_child_ends_with_its_parent_however_that_ends() {
    let (world, upstream) = service();
    let stop = world.home.workspace().join("stop");
    let mut parent = going_on(&world, "--agent planner", "until [ -e stop ]; do sleep 0.05; done");
    let script = format!("curl -sSN {}; exec sleep 1000", upstream.url("/events?every_ms=20"));
    let mut streaming = going_on(&world, "--parent - --agent coder", &script);
    streaming.expect("data: event 3");
    fs::write(stop, "").unwrap();
    assert_eq!(parent.wait_for_exit().code(), Some(0));
    assert_eq!(streaming.wait_for_exit().code(), Some(124));
    let told = streaming.contents().replace(['\r', '\n'], "");
    assert!(told.contains("which delegated it, has ended: its agent exited"), "{told}");
    assert!(sessions(&world).is_empty());

    let mut parent = going_on(&world, "--agent planner --ttl 3s", "sleep 1000");
    let mut child = going_on(&world, "--parent - --agent coder", "sleep 1000");
    assert_eq!(child.wait_for_exit().code(), Some(124));
    assert_eq!(parent.wait_for_exit().code(), Some(124));
}

#[test]
fn the_tree_stands_again_after_the_daemon_was_killed() {
    let (world, upstream) = service();
    let narrow = grant(
        &world,
        "narrow.json",
        r#"{"capabilities":[{"resource":"service","operations":["http.get"]},{"resource":"agent:*","operations":["session.delegate"]}]}"#,
    );
    let mut root = going_on(&world, &format!("--agent planner --grant {narrow}"), "sleep 1000");
    let id = sessions(&world)[0]["id"].as_str().unwrap().to_owned();
    let waits = format!(
        "until [ -e again ]; do sleep 0.05; done; {{ {}; }} 2> /dev/null; echo; sleep 1000",
        asks(&upstream, &["/after", "POST /after-post"])
    );
    let mut leaf = going_on(&world, "--parent - --agent coder", &waits);
    let before = sessions(&world);
    world.kill_daemon();
    let since = Instant::now();
    loop {
        // There may be no daemon, or one that nobody has come back to yet.
        let listed = world.bailiwick().run(["session", "list", "--json"]);
        if listed.code() == 0 && listed.stdout().lines().count() == before.len() {
            break;
        }
        assert!(since.elapsed() < LIMIT, "{}", listed.stdout());
        std::thread::sleep(Duration::from_millis(50));
    }
    let after = sessions(&world);
    for (one, other) in before.iter().zip(&after) {
        assert_eq!(
            (&one["id"], &one["parent"], &one["effective"]),
            (&other["id"], &other["parent"], &other["effective"])
        );
    }
    fs::write(world.home.workspace().join("again"), "").unwrap();
    leaf.expect("200 403");
    assert!(seen(&upstream, "/after") && !seen(&upstream, "/after-post"));
    world.bailiwick().run(["stop", &id]).ok();
    assert_eq!(leaf.wait_for_exit().code(), Some(124));
    assert_eq!(root.wait_for_exit().code(), Some(124));
}

#[test]
fn work_is_handed_on_so_far_and_so_often() {
    let world = World::new();
    world.home.write("bailiwick.toml", "[delegation]\ndepth = 2\nchildren = 2\n");
    let _root = going_on(&world, "--agent planner", "sleep 1000");
    let id = sessions(&world)[0]["id"].as_str().unwrap().to_owned();
    let _first = going_on(&world, "--parent - --agent a", "sleep 1000");
    let _deepest = going_on(&world, "--parent - --agent b", "sleep 1000");
    refused(child(&world, "--parent - --agent c", "echo it-ran"), &["2 times", "`[delegation]`"]);
    let second = going_on(&world, &format!("--parent {id} --agent a"), "sleep 1000");
    refused(
        child(&world, &format!("--parent {id} --agent c"), "echo it-ran"),
        &["2 sessions", "`[delegation]`"],
    );
    drop(second);
}

#[test]
fn a_policy_decides_who_hands_work_to_whom() {
    let world = World::new();
    world.home.write(
        "policies/own.cedar",
        "@id(\"not-to-cloud\") @why(\"nobody enlists it\")\nforbid (principal, action == Action::\"session.delegate\", resource in Agent::\"cloud\");\n",
    );
    let _root = going_on(&world, "--agent planner", "sleep 1000");
    child(&world, "--parent - --agent coder", "true").ok();
    refused(child(&world, "--parent - --agent cloud", "echo it-ran"), &["not-to-cloud", "nobody enlists it"]);
}

#[test]
fn nothing_inside_hands_anything_on_and_a_forged_parent_gives_nothing() {
    let (world, _upstream) = service();
    let home = world.home.path();
    fs::write(world.home.workspace().join("forge.py"), include_str!("forge.py")).unwrap();
    let _root = going_on(&world, "--agent planner", "sleep 1000");
    let id = sessions(&world)[0]["id"].as_str().unwrap().to_owned();
    let version = world.bailiwick().run(["version", "--json"]).ok().json::<Value>();
    let build = version["build"].as_str().unwrap_or_default().to_owned();
    let forge = |parent: &str| {
        ["/usr/bin/python3", "forge.py", home.to_str().unwrap(), &build, "1", parent].map(str::to_owned)
    };
    // Outside, as the same user, the script does reach the daemon, and is told that there is no such session.
    let outside = |parent: &str| {
        let [program, arguments @ ..] = forge(parent);
        let mut command = std::process::Command::new(program);
        command.args(arguments).current_dir(world.home.workspace());
        finish(command, b"", LIMIT).ok().stdout()
    };
    let unknown = outside("ses_01m88wq9q2e35batstksc07ae2");
    assert!(unknown.starts_with("hello") && unknown.contains("not_found"), "{unknown}");
    // A process of the same user outside sandboxes is trusted as that user: it may name any of their sessions, and gets what the
    // person could have started by hand, a place below with the same initiator. Nothing else it says counts.
    let forged = outside(&id);
    assert!(forged.contains("\"opened\""), "{forged}");
    let records: Vec<Value> = world.bailiwick().run(["ledger", "export"]).ok().ndjson();
    let opened =
        records.iter().find(|record| record["kind"] == "session_opened" && record["parent"] == id.as_str());
    let opened = opened.unwrap();
    assert_ne!(opened["initiator"]["name"], "boss");
    assert_eq!(opened["depth"], 1);
    // Inside, there is nothing to reach: not where the home is, and not where it was made visible.
    for readable in [Vec::new(), vec!["--readable", home.to_str().unwrap()]] {
        let mut command = world.bailiwick().command(["run"]);
        command.args(&readable).arg("--").args(forge(&id));
        let tried = finish(command, b"", LIMIT);
        assert!(!tried.stdout().contains("hello"), "{}", tried.stdout());
        assert!(
            tried.code() != 0 || tried.stdout().contains("unreached"),
            "{} {}",
            tried.stdout(),
            tried.stderr()
        );
    }
}
