//! The demo, as anyone plays it.

use bailiwick_testkit::World;
use serde_json::Value;

#[test]
fn every_step_goes_as_it_should() {
    let world = World::new();
    let played = world.bailiwick().run(["--json", "demo"]).ok();
    let played: Value = serde_json::from_str(played.stdout().lines().last().unwrap()).unwrap();
    assert_eq!(played["ok"], true, "{played:#}");
    let steps = played["steps"].as_array().unwrap();
    assert!(steps.len() >= 8);
    for step in steps {
        assert_eq!(step["actual"], step["expected"], "{step}");
    }
}
