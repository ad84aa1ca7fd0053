//! Workspaces that are none.

use std::fs;
use std::process::Command;

use bailiwick_testkit::World;
use bailiwick_testkit::product::{LIMIT, finish};

use crate::told::{fails, says, text};

#[test]
fn a_directory_that_must_not_be_one() {
    let world = World::new();
    let file = world.home.scratch().join("file");
    fs::write(&file, "mine\n").unwrap();
    let refused = [
        "/".to_owned(),
        "/usr".to_owned(),
        "/etc".to_owned(),
        text(&world.home.user()),
        text(world.home.scratch()),
        text(&world.home.path()),
        text(&world.home.path().join("resources")),
        text(&world.home.scratch().join("no-such-directory")),
        text(&file),
    ];
    fs::create_dir(world.home.path().join("resources")).unwrap();
    for directory in &refused {
        let arguments = ["run", "--workdir", directory, "--", "sh", "-c", "echo it ran > it-ran"];
        fails(&world.bailiwick(), &arguments, 125, &format!("`{directory}`"), "--workdir DIR");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine\n");
    assert!(!world.home.user().join("it-ran").exists() && !world.home.path().join("it-ran").exists());
}

#[test]
fn being_in_one_is_not_enough_to_be_allowed() {
    let world = World::new();
    for directory in ["/".into(), world.home.user()] {
        let mut command = world.bailiwick().command(["run", "--", "true"]);
        command.current_dir(&directory);
        says(&finish(command, b"", LIMIT), 125, &format!("`{}`", directory.display()), "--workdir DIR");
    }
}

#[test]
fn a_link_leads_to_what_it_names() {
    let world = World::new();
    let link = world.home.scratch().join("link");
    std::os::unix::fs::symlink(world.home.user(), &link).unwrap();
    fails(
        &world.bailiwick(),
        &["run", "--workdir", &text(&link), "--", "true"],
        125,
        "workspace",
        "--workdir DIR",
    );
}

#[test]
fn a_directory_that_was_removed() {
    let world = World::new();
    let gone = world.home.scratch().join("gone");
    fs::create_dir(&gone).unwrap();
    let bailiwick = world.bailiwick();
    let mut command = Command::new("sh");
    command.args(["-c", "cd \"$1\" && rmdir \"$1\" && exec \"$2\" run -- true", "sh"]).arg(&gone);
    command.arg(bailiwick.program()).env_clear().envs(bailiwick.variables());
    says(&finish(command, b"", LIMIT), 2, "current directory", "cd");
}
