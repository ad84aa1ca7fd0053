//! What an agent leaves in the workspace must not take effect outside without the person's yes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use bailiwick_testkit::World;
use bailiwick_testkit::product::{LIMIT, finish};
use serde_json::Value;

use crate::told::{daemon, kill, records, text};

/// What a hostile agent leaves: each takes effect by itself.
const PLANT: &str = r"
    git init -q . && git config core.fsmonitor ./evil && git config user.email agent@example.com
    printf '#!/bin/sh\ntouch fired\n' > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout
    mkdir -p deep/.vscode .github/workflows; echo '{}' > deep/.vscode/tasks.json; echo 'export A=1' > .envrc
    echo 'on: push' > .github/workflows/ci.yml
";

fn run(world: &World, options: &[&str], script: &str) -> bailiwick_testkit::Finished {
    let mut arguments = vec!["run"];
    arguments.extend(options);
    arguments.extend(["--", "bash", "-euc", script]);
    world.bailiwick().run(arguments)
}

#[track_caller]
fn nothing_planted(world: &World) {
    let work = world.home.workspace();
    for path in [".git/hooks/post-checkout", "deep/.vscode/tasks.json", ".envrc"] {
        assert!(!work.join(path).exists(), "{path}");
    }
    let config = fs::read_to_string(work.join(".git/config")).unwrap();
    assert!(!config.contains("fsmonitor") && config.contains("agent@example.com"), "{config}");
}

#[test]
fn a_session_leaves_nothing_that_runs_by_itself_and_says_so() {
    let world = World::new();
    let report = world.home.scratch().join("report.json");
    let finished = run(&world, &["--report", &text(&report)], PLANT).ok();
    nothing_planted(&world);
    let said = finished.stderr();
    for named in
        [".envrc", "core.fsmonitor", "deep/.vscode/tasks.json", "bailiwick quarantine restore", "runs later"]
    {
        assert!(said.contains(named), "{named}: {said}");
    }
    assert!(said.contains(".github/workflows/ci.yml"), "{said}");
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["workspace"]["quarantined"].as_array().unwrap().len(), 4, "{report:#}");
    assert_eq!(report["workspace"]["runs_later"][0]["path"], ".github/workflows/ci.yml");
    assert_eq!(report["evidence"]["workspace"]["mode"], "direct");
    let quarantined = |record: &Value| record["kind"] == "workspace_quarantined";
    assert_eq!(records(&world).iter().filter(|record| quarantined(record)).count(), 4);
}

#[test]
fn a_person_looks_and_takes_it_or_leaves_it() {
    let world = World::new();
    run(
        &world,
        &[],
        "printf 'export A=1\\033]0;x\\n' > .envrc; mkdir .vscode; echo '{}' > .vscode/tasks.json",
    )
    .ok();
    let items: Vec<Value> = world.bailiwick().run(["--json", "quarantine", "list"]).ok().ndjson();
    let id = |path: &str| {
        let item = items.iter().find(|item| item["path"] == path).unwrap();
        item["id"].as_str().unwrap().to_owned()
    };
    let shown = world.bailiwick().run(["quarantine", "show", &id(".envrc")]).ok().stdout();
    assert!(shown.contains("export A=1\\u{1b}]0;x"), "{shown}");
    world.bailiwick().run(["quarantine", "restore", &id(".envrc")]).ok();
    world.bailiwick().run(["quarantine", "discard", &id(".vscode/tasks.json")]).ok();
    let work = world.home.workspace();
    assert!(work.join(".envrc").exists() && !work.join(".vscode/tasks.json").exists());
    // It is the person's now: no later session loses it.
    run(&world, &[], "true").ok();
    assert!(work.join(".envrc").exists());
    world.bailiwick().run(["quarantine", "show", "nothing"]).expect_code(4);
    assert!(world.bailiwick().run(["quarantine", "list"]).ok().stdout().is_empty());
}

#[test]
fn hooks_that_are_there_cannot_be_written() {
    let world = World::new();
    let hooks = world.home.workspace().join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    fs::write(hooks.join("pre-commit"), "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(hooks.join("pre-commit"), fs::Permissions::from_mode(0o755)).unwrap();
    let script = "echo evil > .git/hooks/pre-commit || true; echo evil > .git/hooks/pre-push || true
        rm -f .git/hooks/pre-commit || true; mv .git/hooks .git/h2 || true; echo fine > fine";
    let finished = run(&world, &[], script).ok();
    assert_eq!(fs::read_to_string(hooks.join("pre-commit")).unwrap(), "#!/bin/sh\nexit 0\n");
    assert_eq!(fs::read_dir(&hooks).unwrap().count(), 1);
    assert!(world.home.workspace().join("fine").exists());
    assert!(!finished.stderr().contains("quarantine"), "{}", finished.stderr());
    run(&world, &["--writable", ".git/hooks"], "echo mine > .git/hooks/pre-push").ok();
    assert!(hooks.join("pre-push").exists(), "unlocked");
}

#[test]
fn one_file_may_be_unlocked_and_that_is_on_record() {
    let world = World::new();
    let report = world.home.scratch().join("report.json");
    fs::write(world.home.workspace().join(".env"), "MARKER=1\n").unwrap();
    let options = ["--writable", ".envrc", "--writable", ".env", "--report", &text(&report)];
    run(&world, &options, "echo A > .envrc; grep -q MARKER .env; echo '{}' > .mcp.json").ok();
    assert!(world.home.workspace().join(".envrc").exists());
    assert!(!world.home.workspace().join(".mcp.json").exists());
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert!(
        report["evidence"]["workspace"]["writable"][0].as_str().unwrap().ends_with("/.envrc"),
        "{report:#}"
    );
    run(&world, &["--writable", "/etc/passwd"], "true").expect_code(2);
}

#[test]
fn without_a_daemon_the_launcher_guards() {
    let world = World::new();
    run(&world, &["--offline"], PLANT).ok();
    nothing_planted(&world);
}

#[test]
fn what_was_written_when_everything_was_killed_is_gone_before_the_next_run() {
    let world = World::new();
    let pid = daemon(&world);
    let mut command = world.run(["bash", "-c", "touch ready; sleep 1000"]);
    let mut launcher = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let work = world.home.workspace();
    while !work.join("ready").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // The launcher first would let the daemon look; the daemon first would let the launcher start another.
    launcher.kill().unwrap();
    kill(pid);
    launcher.wait().unwrap();
    // As if it had been the agent's last write.
    fs::write(work.join(".envrc"), "evil").unwrap();
    run(&world, &[], "test ! -e .envrc").ok();
    assert!(!work.join(".envrc").exists());
    let items = world.bailiwick().run(["quarantine", "list"]).ok().stdout();
    assert!(items.contains(".envrc"), "{items}");
    // It is on record, without the session that nobody knows any more.
    let of_nobody = |record: &Value| {
        record["kind"] == "workspace_quarantined"
            && record["path"] == ".envrc"
            && record["workspace"] == text(&work)
            && record["written_in"].is_null()
    };
    assert_eq!(records(&world).iter().filter(|record| of_nobody(record)).count(), 1);
}

#[test]
fn a_launcher_that_is_killed_takes_its_agents_writes_with_it() {
    let world = World::new();
    let work = world.home.workspace();
    let mut command = world.run(["bash", "-c", "touch ready; while :; do echo evil > .envrc; done"]);
    let mut launcher = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !work.join("ready").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    let quiet = || {
        let left: Vec<_> = fs::read_dir(world.home.path().join("workspaces")).unwrap().flatten().collect();
        !left.iter().any(|workspace| workspace.path().join("baseline.json").exists())
    };
    let deadline = std::time::Instant::now() + LIMIT;
    while !quiet() {
        assert!(std::time::Instant::now() < deadline, "the workspace was never looked through");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // Killed between making the file and writing it, it leaves an empty one: nothing in it runs.
    assert_eq!(fs::read_to_string(work.join(".envrc")).unwrap_or_default(), "");
}

#[test]
fn files_of_the_host_cannot_be_linked_into_the_workspace() {
    let world = World::new();
    let tools = world.home.scratch().join("tools");
    fs::create_dir(&tools).unwrap();
    fs::write(tools.join("file"), "host").unwrap();
    let script = format!("ln {}/file .envrc || ln /etc/passwd x || echo none > none", tools.display());
    run(&world, &["--readable", &text(&tools)], &script).ok();
    assert!(world.home.workspace().join("none").exists());
}

#[test]
fn ordinary_git_works_inside() {
    let world = World::new();
    let script = "
        export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=protocol.file.allow GIT_CONFIG_VALUE_0=always
        git init -q -b main . && git config user.name a && git config user.email a@example.com
        echo x > x && git add x && git commit -qm one
        git init -q --bare -b main origin.git && git remote add origin ./origin.git && git push -q -u origin HEAD:main
        git checkout -q -b topic && git push -q -u origin topic && git branch -q --unset-upstream
        git checkout -q main && git branch -qD topic && git checkout -q --track origin/topic && git clone -q . copy
        git submodule --quiet add \"$PWD/origin.git\" lib
        git commit -qm two && git submodule update --init && git worktree add -q w && git worktree remove w
        git config core.hooksPath .husky/_ && mkdir -p .husky/_ && printf '*' > .husky/_/.gitignore
        echo 'npm test' > .husky/pre-commit && git commit -q --no-verify --allow-empty -m three
        git lfs version >/dev/null 2>&1 || true";
    run(&world, &[], script).ok();
    let mut git = Command::new("git");
    git.args(["-C", &text(&world.home.workspace()), "-c", "safe.directory=*", "log", "--oneline", "--all"]);
    let log = finish(git, b"", LIMIT).ok().stdout();
    assert!(log.contains("three"), "{log}");
}
