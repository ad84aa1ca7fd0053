//! The whole suite, in the world that it attacks, as whoever runs the tests; for root also as somebody who is nobody.

use bailiwick_escape_tests::{programs, world};

mod suite;

/// Not a test of its own: where the suite's process in the attacked world begins. Run as a test it has nothing to do.
#[test]
fn inside_the_world() {
    if world::is_inside() {
        assert!(programs::inside("").unwrap(), "reality differs from expected.toml: see the table above");
    }
}
