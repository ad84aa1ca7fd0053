//! The escape suite: attacks by a hostile program, run without a sandbox, under bubblewrap and under Bailiwick.
//!
//! It exists so that "closed" is a measurement. Three rules make it one:
//!
//! * A verdict comes from outside: a trap server, a host file, a host process, the host's terminal. The attacking program's
//!   opinion counts only where the host has nothing to look at, and then its words are a proof that it could not have guessed.
//! * An attack counts only if it succeeded without a sandbox on this host. Otherwise it is "not tested on this host".
//! * What is expected stands in `expected.toml`, and reality may differ in neither direction.
//!
//! The world that is attacked is a network name space of the suite's own, whose loopback answers for outside addresses, so
//! that nothing leaves the machine. The suite must never harm the host: what an attack would do to others there is left out
//! when it runs without a sandbox.

pub mod cases;
pub mod expected;
pub mod judge;
pub mod programs;
pub mod report;
pub mod run;
pub mod stage;
pub mod suite;
pub mod traps;
pub mod victim;
pub mod world;

/// Whatever kept the suite from judging. It is read by a person, never matched.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
