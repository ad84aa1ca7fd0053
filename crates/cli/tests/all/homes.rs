//! Homes that cannot be one, and a home with a very long name that can.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bailiwick_testkit::{Bailiwick, World, tools};
use serde_json::Value;

use crate::told::{fails, kill, owner, text};

fn with_home<'w>(world: &'w World, home: &Path) -> Bailiwick<'w> {
    world.bailiwick().env("BAILIWICK_HOME", home)
}

fn directory(world: &World, name: &str, mode: u32) -> PathBuf {
    let path = world.home.scratch().join(name);
    DirBuilder::new().recursive(true).mode(0o700).create(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_home_whose_sockets_have_longer_paths_than_sockets_can_have() {
    let world = World::new();
    let home = directory(&world, &"long/".repeat(30), 0o700);
    assert!(home.as_os_str().len() > 108);
    let bailiwick = with_home(&world, &home);
    assert_eq!(bailiwick.run(["run", "--", "echo", "inside"]).ok().stdout(), "inside\n");
    bailiwick.run(["session", "list"]).ok();
    bailiwick.run(["log"]).ok();
    let verified: Value = bailiwick.run(["ledger", "verify", "--json"]).ok().json();
    assert_eq!(verified["ok"], true, "{verified:#}");
}

#[test]
fn a_home_that_others_can_read() {
    let world = World::new();
    let home = directory(&world, "open", 0o755);
    let bailiwick = with_home(&world, &home);
    let (wrong, remedy) = (text(&home), format!("chmod 700 {}", home.display()));
    fails(&bailiwick, &["run", "--", "true"], 125, &wrong, &remedy);
    fails(&bailiwick, &["run", "--offline", "--", "true"], 125, &wrong, &remedy);
    fails(&bailiwick, &["serve"], 2, &wrong, &remedy);
    fails(&bailiwick, &["policy", "check"], 2, &wrong, &remedy);
    fails(&bailiwick, &["policy", "list"], 2, &wrong, &remedy);
    let add = ["resource", "add", "service", "--address", "http://127.0.0.1:9", "--no-credential"];
    fails(&bailiwick, &add, 2, &wrong, &remedy);
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "something was made in it");
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    bailiwick.run(["run", "--", "true"]).ok();
}

#[test]
fn a_home_that_cannot_be_written() {
    if rustix::process::geteuid().is_root() {
        tools::not_tested("a read-only home", "root writes everywhere");
        return;
    }
    let world = World::new();
    let home = directory(&world, "read-only", 0o500);
    let bailiwick = with_home(&world, &home);
    fails(&bailiwick, &["run", "--", "true"], 125, &text(&home), "set BAILIWICK_HOME");
    fails(&bailiwick, &["serve"], 2, &text(&home), "set BAILIWICK_HOME");
    // One that was in use before.
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    bailiwick.run(["run", "--", "true"]).ok();
    kill(owner(&home));
    fs::set_permissions(&home, Permissions::from_mode(0o500)).unwrap();
    bailiwick.run(["ledger", "verify"]).ok();
    fails(&bailiwick, &["run", "--", "true"], 125, &text(&home), "set BAILIWICK_HOME");
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_home_that_is_no_directory() {
    let world = World::new();
    let file = world.home.scratch().join("file");
    fs::write(&file, "mine\n").unwrap();
    for home in [file.clone(), file.join("below"), "/proc/no-such-home".into()] {
        let bailiwick = with_home(&world, &home);
        fails(&bailiwick, &["run", "--", "true"], 125, &text(&home), "set BAILIWICK_HOME");
        fails(&bailiwick, &["serve"], 2, &text(&home), "set BAILIWICK_HOME");
        fails(&bailiwick, &["log"], 3, &text(&home), "bailiwick serve");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine\n");
}

#[test]
fn a_home_that_depends_on_where_one_is() {
    let world = World::new();
    let bailiwick = with_home(&world, Path::new("relative"));
    for arguments in [vec!["run", "--", "true"], vec!["serve"], vec!["log"], vec!["ledger", "verify"]] {
        fails(&bailiwick, &arguments, 2, "`relative`", "export BAILIWICK_HOME=");
    }
    assert!(!world.home.workspace().join("relative").exists());
}

#[test]
fn a_user_without_a_home() {
    let world = World::new();
    let bailiwick = world.bailiwick().env("HOME", "nowhere");
    fails(&bailiwick, &["run", "--", "true"], 2, "HOME", "export HOME=");
}

#[test]
fn a_home_that_is_new() {
    let world = World::new();
    fails(&world.bailiwick(), &["ledger", "verify"], 4, "ledger", "bailiwick run -- true");
    for command in [vec!["log"], vec!["session", "list"], vec!["lock", "list"], vec!["secret", "list"]] {
        fails(&world.bailiwick(), &command, 3, &text(&world.home.path()), "bailiwick serve");
    }
    fails(&world.bailiwick(), &["explain", "-"], 3, "no daemon", "bailiwick serve");
    fails(&world.bailiwick(), &["stop", "-"], 3, "no daemon", "bailiwick serve");
}
