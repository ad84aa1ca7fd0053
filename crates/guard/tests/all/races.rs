use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bailiwick_guard::Enter;

use crate::world::{World, until};

/// Something of the person's outside, which must never change or be read.
fn host(world: &World) -> std::path::PathBuf {
    let host = world.scratch.path().join("host");
    fs::create_dir_all(host.join("sub")).unwrap();
    for name in ["config", "tasks.json", "settings.json", "HEAD"] {
        fs::write(host.join(name), "host").unwrap();
    }
    host
}

#[track_caller]
fn untouched(host: &std::path::Path) {
    let mut names: Vec<_> =
        fs::read_dir(host).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["HEAD", "config", "settings.json", "sub", "tasks.json"]);
    for name in ["config", "tasks.json", "settings.json", "HEAD"] {
        assert_eq!(fs::read_to_string(host.join(name)).unwrap(), "host", "{name}");
    }
}

#[test]
fn a_directory_that_is_swapped_for_a_link_leads_nowhere() {
    let world = World::new();
    let host = host(&world);
    world.enter("s");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (at, real) = (world.path(".vscode"), world.path("real"));
            while !over.load(Ordering::Relaxed) {
                let _ = fs::create_dir(&at);
                let _ = fs::write(at.join("tasks.json"), "{\"evil\":1}");
                let _ = fs::rename(&at, &real);
                let _ = symlink(&host, &at);
                let _ = fs::write(real.join("settings.json"), "{\"evil\":1}");
                let _ = fs::remove_file(&at);
                let _ = fs::remove_dir_all(&real);
            }
        });
        for _ in 0..60 {
            world.guards.hand_off("s");
        }
        over.store(true, Ordering::Relaxed);
    });
    world.leave("s");
    untouched(&host);
    for name in [".vscode/tasks.json", ".vscode/settings.json"] {
        let text = fs::symlink_metadata(world.path(".vscode")).map(|_| world.read(name)).unwrap_or_default();
        assert!(!text.is_some_and(|text| text.contains("evil")), "{name}");
    }
}

#[test]
fn directories_that_keep_moving_are_found() {
    let world = World::new();
    world.enter("s");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut index = 0;
            while !over.load(Ordering::Relaxed) {
                let _ = fs::create_dir_all(world.path(&format!("a/b{index}/c")));
                let _ = fs::rename(world.path("a"), world.path("z"));
                let _ = fs::write(world.path(&format!("z/b{index}/c/.envrc")), "evil");
                let _ = fs::rename(world.path("z"), world.path("a"));
                index += 1;
                std::thread::sleep(Duration::from_micros(200));
                if index > 400 {
                    return;
                }
            }
        });
    });
    over.store(true, Ordering::Relaxed);
    let all_gone = || (0..=400).all(|index| world.read(&format!("a/b{index}/c/.envrc")).is_none());
    until("everything planted in moving directories goes", all_gone);
    world.leave("s");
}

#[test]
fn a_session_that_does_not_stop_is_ended() {
    let world = World::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    let workspace = world.work();
    let overrun = Box::new(move || sender.send(()).unwrap());
    world.guards.enter(Enter { workspace: &workspace, session: "s", unlocked: &[], overrun }).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = fs::write(world.path("new"), "evil");
                let _ = fs::rename(world.path("new"), world.path(".envrc"));
            }
        });
        receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        over.store(true, Ordering::Relaxed);
    });
    world.leave("s");
    assert!(world.guards.items().len() < 5, "the same file is kept once");
}

#[test]
fn a_file_written_through_another_name_of_it_is_found() {
    let world = World::new();
    world.enter("s");
    world.write("x", "");
    world.write("d/keep", "");
    fs::hard_link(world.path("x"), world.path("d/.envrc")).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    fs::write(world.path("x"), "evil").unwrap();
    until("an alias does not help", || world.read("d/.envrc").is_none_or(|text| text.is_empty()));
    assert_eq!(world.read("x").as_deref(), Some("evil"), "the other name is nobody's concern");
    world.leave("s");
}

#[test]
fn a_late_writer_is_seen() {
    use std::io::Write;
    let world = World::new();
    world.write(".envrc", "mine");
    world.enter("s");
    let mut file = fs::OpenOptions::new().append(true).open(world.path(".envrc")).unwrap();
    file.write_all(b"evil").unwrap();
    until("a change in place is found", || world.read(".envrc").as_deref() == Some("mine"));
    file.write_all(b"more evil").unwrap();
    assert_eq!(
        world.read(".envrc").as_deref(),
        Some("mine"),
        "the agent has the old file, the person a new one"
    );
    let left = world.leave("s");
    assert_eq!(World::quarantined(&left), [".envrc"]);
}

#[test]
fn a_queue_that_overflows_hides_nothing() {
    let world = World::new();
    world.enter("s");
    let most: usize =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    fs::create_dir(world.path("many")).unwrap();
    for index in 0..most * 2 {
        fs::File::create(world.path(&format!("many/{index}"))).unwrap();
    }
    world.write("late/.envrc", "evil");
    until("it is found", || world.read("late/.envrc").is_none());
    world.leave("s");
}
