use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use bailiwick_guard::{Hold, rules};

use crate::world::{World, until};

/// Text that the rule does not let pass.
fn evil(hold: Hold) -> &'static str {
    match hold {
        Hold::Redirect => "gitdir: /evil\n",
        _ => "[core]\n\tfsmonitor = evil\n[submodule \"x\"]\n\tupdate = !evil\n",
    }
}

fn place(example: &str, below: &str) -> String {
    format!("{below}{}", example.replacen("GIT/", ".git/", 1))
}

#[test]
fn whatever_is_planted_on_a_line_of_the_list_is_gone_while_the_session_goes_on() {
    let world = World::new();
    world.enter("s");
    let held: Vec<_> = rules().iter().filter(|rule| rule.hold != Hold::Show).collect();
    assert!(held.len() > 100);
    for (index, rule) in held.iter().enumerate() {
        // Each in a directory of its own, at two depths, in directories made during the session.
        let path = place(&rule.example, &format!("d{index}/e/"));
        world.write(&path, evil(rule.hold));
        until(&rule.glob, || !world.read(&path).is_some_and(|text| text.contains("evil")));
    }
    let found = World::quarantined(&world.leave("s"));
    assert_eq!(found.len(), held.len());
}

#[test]
fn what_is_planted_at_once_and_left_is_found_at_the_end() {
    let world = World::new();
    world.enter("s");
    for rule in rules().iter().filter(|rule| rule.hold != Hold::Show) {
        let path = place(&rule.example, "a/");
        if !world.path(&path).exists() && !rule.glob.ends_with(".git") {
            world.write(&path, evil(rule.hold));
        }
    }
    world.leave("s");
    for rule in rules().iter().filter(|rule| rule.hold != Hold::Show) {
        let text = world.read(&place(&rule.example, "a/")).unwrap_or_default();
        assert!(!text.contains("evil"), "{}", rule.glob);
    }
}

#[test]
fn what_was_there_stays_and_comes_back() {
    let world = World::new();
    for rule in rules().iter().filter(|rule| rule.hold == Hold::Quarantine) {
        world.write(&place(&rule.example, "a/"), "mine");
    }
    fs::set_permissions(world.path("a/.npmrc"), fs::Permissions::from_mode(0o600)).unwrap();
    world.enter("s");
    for rule in rules().iter().filter(|rule| rule.hold == Hold::Quarantine) {
        world.write(&place(&rule.example, "a/"), "theirs");
    }
    let left = world.leave("s");
    assert!(
        !left.quarantined.is_empty()
            && left.quarantined.iter().all(|item| item.put_back || item.path.to_string().contains("aside"))
    );
    for rule in rules().iter().filter(|rule| rule.hold == Hold::Quarantine) {
        if !rule.glob.contains("aside") {
            assert_eq!(world.read(&place(&rule.example, "a/")).as_deref(), Some("mine"), "{}", rule.glob);
        }
    }
    let mode = fs::metadata(world.path("a/.npmrc")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_runs_later_stays_and_is_shown() {
    let world = World::new();
    world.write("package.json", "{}");
    world.write("Makefile", "all:");
    world.enter("s");
    for (index, rule) in rules().iter().enumerate().filter(|(_, rule)| rule.hold == Hold::Show) {
        world.write(&place(&rule.example, &format!("n{index}/")), "new");
    }
    world.write("package.json", "{\"scripts\":{}}");
    world.write("node_modules/x/package.json", "{}");
    let left = world.leave("s");
    assert_eq!(World::quarantined(&left), Vec::<String>::new());
    let shown: Vec<_> = left.runs_later.iter().map(|file| file.path.to_string()).collect();
    for (index, rule) in rules().iter().enumerate().filter(|(_, rule)| rule.hold == Hold::Show) {
        let path = place(&rule.example, &format!("n{index}/"));
        assert!(shown.contains(&path), "{path}");
        assert_eq!(world.read(&path).as_deref(), Some("new"));
    }
    assert!(shown.contains(&"package.json".to_owned()));
    assert!(!shown.contains(&"Makefile".to_owned()), "it did not change");
    assert!(!shown.iter().any(|path| path.starts_with("node_modules")), "not the person's work");
}

#[test]
fn a_file_made_executable_or_replaced_by_a_link_is_another_file() {
    let world = World::new();
    world.write(".git/hooks/pre-commit", "#!/bin/sh\n");
    world.write(".envrc", "mine");
    world.write("other", "theirs");
    world.enter("s");
    fs::set_permissions(world.path(".git/hooks/pre-commit"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(world.path(".envrc")).unwrap();
    symlink("other", world.path(".envrc")).unwrap();
    let left = world.leave("s");
    assert_eq!(World::quarantined(&left), [".envrc", ".git/hooks/pre-commit"]);
    assert!(fs::symlink_metadata(world.path(".envrc")).unwrap().file_type().is_file());
    let mode = fs::metadata(world.path(".git/hooks/pre-commit")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0);
    assert_eq!(world.read("other").as_deref(), Some("theirs"), "the link was not followed");
}

#[test]
fn links_into_the_sandboxes_own_files_go() {
    let world = World::new();
    let home = world.scratch.path().canonicalize().unwrap().join("state/homes/agent");
    fs::create_dir_all(&home).unwrap();
    world.enter("s");
    symlink(&home, world.path("src")).unwrap();
    symlink("/proc/1/root/tmp", world.path("logs")).unwrap();
    symlink("README", world.path("fine")).unwrap();
    until("the links go", || {
        fs::symlink_metadata(world.path("src")).is_err() && fs::symlink_metadata(world.path("logs")).is_err()
    });
    assert_eq!(World::quarantined(&world.leave("s")), ["logs", "src"]);
    assert!(fs::symlink_metadata(world.path("fine")).is_ok());
}

#[test]
fn a_hidden_directory_is_opened_at_the_end() {
    let world = World::new();
    world.enter("s");
    world.write("a/.vscode/tasks.json", "{}");
    fs::set_permissions(world.path("a/.vscode"), fs::Permissions::from_mode(0o000)).unwrap();
    world.write("b/.vscode/tasks.json", "");
    fs::set_permissions(world.path("b/.vscode"), fs::Permissions::from_mode(0o311)).unwrap();
    fs::write(world.path("b/.vscode/tasks.json"), "{}").unwrap();
    until("a directory that can be used is looked into", || world.read("b/.vscode/tasks.json").is_none());
    world.leave("s");
    fs::set_permissions(world.path("a/.vscode"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(world.read("a/.vscode/tasks.json"), None);
}

#[test]
fn what_the_persons_configuration_names_is_held_too() {
    let world = World::new();
    let repository = world.repository("");
    world.git_ok(&repository, &["config", "core.hooksPath", "tools/hooks"]);
    world.git_ok(&repository, &["config", "include.path", "../.gitconfig"]);
    world.write("tools/hooks/pre-commit", "#!/bin/sh\n");
    world.write(".gitconfig", "[core]\n\tabbrev = 8\n");
    world.enter("s");
    world.write("tools/hooks/post-checkout", "#!/bin/sh\nevil\n");
    world.write(".gitconfig", "[core]\n\tabbrev = 9\n\tpager = evil\n");
    world.write("tools/build.sh", "evil");
    let left = world.leave("s");
    assert_eq!(World::quarantined(&left), [".gitconfig", "tools/hooks/post-checkout"]);
    assert_eq!(world.read(".gitconfig").as_deref(), Some("[core]\n\tabbrev = 9\n\t\n"));
}

#[test]
fn one_path_may_be_unlocked() {
    let world = World::new();
    world.write(".envrc", "old");
    world.enter_with("s", &[".envrc".into(), world.path("sub/.vscode")]);
    world.write(".envrc", "new");
    world.write("sub/.vscode/tasks.json", "{}");
    world.write(".vscode/tasks.json", "{}");
    assert_eq!(World::quarantined(&world.leave("s")), [".vscode/tasks.json"]);
    assert_eq!(world.read(".envrc").as_deref(), Some("new"));
    assert!(world.read("sub/.vscode/tasks.json").is_some());
    let workspace = world.work();
    for bad in ["../x", "/etc/passwd", "."] {
        let unlocked = [bad.into()];
        let enter = bailiwick_guard::Enter {
            workspace: &workspace,
            session: "t",
            unlocked: &unlocked,
            overrun: Box::new(|| {}),
        };
        assert!(world.guards.enter(enter).is_err(), "{bad}");
    }
}
