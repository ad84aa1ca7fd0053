use std::fs;
use std::time::Duration;

use bailiwick_guard::{Enter, Guards};

use crate::world::{World, until};

/// A daemon that dies leaves what is on the disk, and nobody watches.
fn dies(world: &mut World) {
    world.guards = Guards::new(&world.scratch.path().join("state"));
}

#[test]
fn what_was_planted_when_everything_died_is_gone_before_the_next_session() {
    let mut world = World::new();
    world.write(".envrc", "mine");
    world.enter("first");
    dies(&mut world);
    world.write(".envrc", "theirs");
    world.write(".vscode/tasks.json", "{}");
    world.enter("second");
    assert_eq!(world.read(".envrc").as_deref(), Some("mine"), "before the session begins");
    assert_eq!(world.read(".vscode/tasks.json"), None);
    let items: Vec<_> = world.guards.items().iter().map(|item| item.path.to_string()).collect();
    assert_eq!(items.len(), 2);
    world.leave("second");
    let left = fs::read_dir(world.scratch.path().join("state/workspaces")).unwrap().flatten();
    assert!(!left.into_iter().any(|workspace| workspace.path().join("baseline.json").exists()));
    world.write(".envrc", "the person's");
    world.enter("third");
    world.leave("third");
    assert_eq!(world.read(".envrc").as_deref(), Some("the person's"));
}

#[test]
fn a_daemon_that_begins_looks_through_what_its_predecessor_left() {
    let mut world = World::new();
    world.enter("s");
    dies(&mut world);
    world.write("a/.git/hooks/pre-commit", "evil");
    let (found, errors) = world.guards.reconcile();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(
        found.iter().map(|item| item.path.to_string()).collect::<Vec<_>>(),
        ["a/.git/hooks/pre-commit"]
    );
    assert_eq!(world.read("a/.git/hooks/pre-commit"), None);
    // The agent may be running still: what it plants now is judged by the same baseline when its session goes on.
    fs::write(world.path("a/.git/hooks/pre-commit"), "evil").unwrap();
    world.enter("s");
    until("a hook planted between two daemons goes", || world.read("a/.git/hooks/pre-commit").is_none());
    world.leave("s");
}

#[test]
fn a_file_left_aside_comes_back() {
    let mut world = World::new();
    world.write(".envrc", "mine");
    world.enter("s");
    dies(&mut world);
    fs::rename(world.path(".envrc"), world.path(".bailiwick-aside-0123456789abcdef-.envrc")).unwrap();
    world.guards.reconcile();
    assert_eq!(world.read(".envrc").as_deref(), Some("mine"));
    assert_eq!(fs::read_dir(world.work()).unwrap().count(), 1);
}

#[test]
fn a_second_session_does_not_take_what_the_first_planted_for_the_persons() {
    let world = World::new();
    world.enter("first");
    let gone = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !gone.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = fs::write(world.path(".envrc"), "evil");
            }
        });
        for index in 0..20 {
            world.enter(&format!("s{index}"));
            world.leave(&format!("s{index}"));
        }
        gone.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    world.leave("first");
    assert_eq!(world.read(".envrc"), None);
}

#[test]
fn processes_that_are_about_to_end_are_waited_for() {
    let world = World::new();
    world.enter("s");
    let left = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            world.write(".envrc", "last words");
        });
        world.guards.leave("s", Duration::from_millis(400)).unwrap()
    });
    assert_eq!(World::quarantined(&left), [".envrc"]);
}

#[test]
fn a_damaged_baseline_stops_the_session() {
    let mut world = World::new();
    world.enter("s");
    dies(&mut world);
    let workspaces = world.scratch.path().join("state/workspaces");
    for workspace in fs::read_dir(workspaces).unwrap().flatten() {
        fs::write(workspace.path().join("baseline.json"), "{").unwrap();
    }
    let workspace = world.work();
    let enter = Enter { workspace: &workspace, session: "t", unlocked: &[], overrun: Box::new(|| {}) };
    assert!(world.guards.enter(enter).is_err());
}

#[test]
fn two_processes_do_not_guard_one_workspace() {
    let world = World::new();
    world.enter("s");
    let other = Guards::new(&world.scratch.path().join("state"));
    let workspace = world.work();
    let enter = Enter { workspace: &workspace, session: "t", unlocked: &[], overrun: Box::new(|| {}) };
    assert!(other.enter(enter).unwrap_err().to_string().contains("another session"));
    world.leave("s");
}
