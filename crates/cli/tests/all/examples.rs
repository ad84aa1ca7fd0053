//! The examples are homes that the product takes, and do what their cases say.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bailiwick_testkit::{World, tools};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn every_example_is_right_and_passes_its_cases() {
    let examples = fs::read_dir(tools::repository().join("examples")).unwrap().flatten();
    let examples: Vec<_> = examples.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let world = World::new();
        copy(&example, &world.home.path());
        world.bailiwick().run(["policy", "check"]).ok();
        let cases = world.home.path().join("cases.toml");
        world.bailiwick().run(["policy".as_ref(), "test".as_ref(), cases.as_os_str()]).ok();
    }
}
