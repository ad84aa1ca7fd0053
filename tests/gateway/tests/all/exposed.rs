//! What one session read lies in the workspace for the next: a second session, a later daemon and a directory above it know that it does.

use std::path::Path;
use std::time::{Duration, Instant};

use bailiwick_testkit::product::{Finished, LIMIT, finish};
use bailiwick_testkit::{Terminal, Upstream, World};
use serde_json::Value;

/// Whoever has seen the payroll writes nowhere else.
const POLICY: &str = r#"
@id("own.payroll_stays") @why("what the payroll says stays there")
forbid (principal, action in Action::"write", resource)
unless { resource.compartments.containsAll(context.labels.compartments) };
"#;
const PAYROLL: &str = "\n[attributes]\nsensitivity = 'confidential'\ncompartments = ['payroll']\n";

/// A service with the payroll, one for everybody, and the rule that keeps them apart.
fn world() -> (World, Upstream, Upstream) {
    let world = World::new();
    world.home.write("policies/own.cedar", POLICY);
    let (payroll, paste) = (Upstream::secure(&world.ca), Upstream::secure(&world.ca));
    world.add("payroll", &payroll.url(""), "http");
    let file = world.home.path().join("resources/payroll.toml");
    let text = std::fs::read_to_string(&file).unwrap() + PAYROLL;
    std::fs::write(&file, text).unwrap();
    // Adding one has the daemon take all files that are there.
    world.add_open("paste", &paste.url(""), "http");
    (world, payroll, paste)
}

/// What the script prints, run in the workspace `directory`.
fn run_in(world: &World, directory: &Path, script: &str) -> Finished {
    std::fs::create_dir_all(directory).unwrap();
    let mut command = world.bailiwick().command(["run", "--task", "tell", "--workdir"]);
    command.arg(directory).args(["--", "bash", "-c", script]);
    finish(command, b"", LIMIT)
}

fn read(payroll: &Upstream) -> String {
    format!("curl -sS -o seen -w '%{{http_code}}' {}", payroll.url("/salaries"))
}

fn tell(paste: &Upstream) -> String {
    format!(
        "touch seen; curl -sS -o answer -w '%{{http_code}}' --data-binary @seen {}; cat answer",
        paste.url("/new")
    )
}

#[test]
fn a_second_session_does_not_lose_what_the_first_has_seen() {
    let (world, payroll, paste) = world();
    let project = world.home.workspace().join("app");
    std::fs::create_dir_all(&project).unwrap();
    let told = |directory: &Path| run_in(&world, directory, &tell(&paste)).ok().stdout();
    assert!(told(&project).starts_with("200"), "nothing was seen yet");
    assert_eq!(run_in(&world, &project, &read(&payroll)).ok().stdout(), "200");
    assert!(project.join("seen").metadata().unwrap().len() > 0);
    let sent = paste.seen().len();

    for again in ["a second session", "one of a later daemon"] {
        let answer = told(&project);
        assert!(answer.starts_with("403") && answer.contains("own.payroll_stays"), "{again}: {answer}");
        world.kill_daemon();
    }
    for around in [project.join("deep"), project.parent().unwrap().to_owned()] {
        let answer = told(&around);
        assert!(answer.starts_with("403"), "{}: {answer}", around.display());
    }
    assert_eq!(paste.seen().len(), sent, "nothing more arrived");
    // The payroll itself may be told, and so may everybody by who never saw it.
    let back = format!("curl -sS -o answer -w '%{{http_code}}' -d x {}", payroll.url("/note"));
    assert_eq!(run_in(&world, &project, &back).ok().stdout(), "200");
}

#[test]
fn what_a_child_has_seen_stays_where_it_worked_and_comes_back_with_its_answer() {
    let (world, payroll, paste) = world();
    let (above, below) = (world.home.workspace().join("above"), world.home.workspace().join("below"));
    std::fs::create_dir_all(&above).unwrap();
    std::fs::create_dir_all(&below).unwrap();
    let script = format!(
        "echo go\"\"ing; while [ ! -e back ]; do sleep 0.05; done; {{ {}; }} > told; touch done; sleep 1000",
        tell(&paste)
    );
    let mut command = world.bailiwick().command(["run", "--agent", "planner", "--workdir"]);
    command.arg(&above).args(["--", "bash", "-c", &script]);
    let parent = Terminal::spawn(&command, 24, 80);
    parent.expect("going");
    let mut command = world.bailiwick().command(["run", "--agent", "coder", "--parent", "-", "--workdir"]);
    command.arg(&below).args(["--", "bash", "-c", &read(&payroll)]);
    assert_eq!(finish(command, b"", LIMIT).ok().stdout(), "200");
    std::fs::write(above.join("back"), "").unwrap();
    let begun = Instant::now();
    while !above.join("done").exists() {
        assert!(begun.elapsed() < LIMIT, "{}", parent.contents());
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = std::fs::read_to_string(above.join("told")).unwrap();
    assert!(told.starts_with("403") && told.contains("own.payroll_stays"), "{told}");
    let answer = run_in(&world, &below, &tell(&paste)).ok().stdout();
    assert!(answer.starts_with("403"), "{answer}");
}

#[test]
fn a_person_says_that_it_is_gone_and_that_is_on_record() {
    let (world, payroll, paste) = world();
    let project = world.home.workspace().join("app");
    std::fs::create_dir_all(&project).unwrap();
    run_in(&world, &project, &read(&payroll)).ok();
    let listed: Vec<Value> = world.bailiwick().run(["workspace", "list", "--json"]).ok().ndjson();
    assert_eq!(listed.len(), 1, "{listed:#?}");
    assert_eq!(listed[0]["labels"]["compartments"][0], "payroll");
    assert_eq!(listed[0]["labels"]["confidentiality"], "confidential");

    let path = project.to_str().unwrap();
    world.bailiwick().run(["workspace", "forget", "/nowhere"]).expect_code(4);
    let mut command = world.bailiwick().command(["run", "--workdir", path]);
    command.args(["--", "bash", "-c", "echo at wo\"\"rk; read -r _"]);
    let mut session = Terminal::spawn(&command, 24, 80);
    session.expect("at work");
    let refused = world.bailiwick().run(["workspace", "forget", path]).expect_code(5);
    assert!(refused.stderr().contains("bailiwick session list"), "{}", refused.stderr());
    session.send("\n");
    session.wait_for_exit();
    world.bailiwick().run(["workspace", "forget", path]).ok();
    assert!(run_in(&world, &project, &tell(&paste)).ok().stdout().starts_with("200"));
    let export = world.bailiwick().run(["ledger", "export"]).ok().stdout();
    assert!(export.contains("\"kind\":\"workspace_forgotten\""), "{export}");
}
