//! What is ended or refused leaves nothing behind that hurts later.

use bailiwick_testkit::World;

use crate::told::fails;

#[test]
fn an_offline_run_ends_with_its_time() {
    let world = World::new();
    let ended = world.bailiwick().run(["run", "--offline", "--ttl", "1s", "--", "sleep", "1000"]);
    assert_eq!(ended.code(), 124, "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_resource_that_breaks_the_set_is_not_added() {
    let world = World::new();
    world.add_open("one", "https://one.example", "http");
    let again = [
        "resource",
        "add",
        "two",
        "--address",
        "https://one.example",
        "--template",
        "http",
        "--no-credential",
    ];
    fails(&world.bailiwick(), &again, 2, "`one` and `two` both claim", "bailiwick resource list");
    let left: Vec<_> = std::fs::read_dir(world.home.path().join("resources"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["one.toml"]);
    world.add_open("three", "https://three.example", "http");
}

#[test]
fn output_that_a_full_disk_does_not_take_is_missed_aloud() {
    let world = World::new();
    let mut command = world.bailiwick().command(["run", "--offline", "--", "echo", "lost"]);
    command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let said = command.output().unwrap().stderr;
    assert!(String::from_utf8_lossy(&said).contains("some of the output is lost"), "{said:?}");
}
