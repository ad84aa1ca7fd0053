//! The hunt finds what is there, in each place, and nothing that is not.

use std::process::{Command, Stdio};

use bailiwick_testkit::hunt::{Place, descendants, in_files, in_process};

#[test]
fn arguments_environment_and_memory_are_searched() {
    let mut child = Command::new("cat")
        .arg("-")
        .env("HUNTED", "MARKER-in-the-environment")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(descendants(std::process::id()).contains(&child.id()));
    let places = in_process(child.id(), b"MARKER-in-the-environment").unwrap();
    // The environment lies on the stack: it is in memory too.
    assert!(places.contains(&Place::Environment), "{places:?}");
    assert!(places.contains(&Place::Memory("[stack]".into())), "{places:?}");
    assert!(!places.contains(&Place::Arguments));
    assert!(in_process(child.id(), b"MARKER-that-nobody-wrote").unwrap().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn files_are_searched_at_any_depth() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("a/b");
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("file"), b"before MARKER-in-a-file after").unwrap();
    assert_eq!(in_files(directory.path(), b"MARKER-in-a-file"), [deep.join("file")]);
    assert!(in_files(directory.path(), b"MARKER-elsewhere").is_empty());
}
