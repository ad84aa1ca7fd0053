//! What a coding agent does all day, with real tools against servers on this machine: nothing asks and nothing breaks. Then the same jobs
//! with instructions planted in what they read, and an agent that obeys every one: nothing happens that the task is not about.
//!
//! `cargo test -p bailiwick-job-tests -- --nocapture` prints both tables.
#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

#[path = "all/injected.rs"]
mod injected;
#[path = "all/jobs.rs"]
mod jobs;
#[path = "all/town.rs"]
mod town;
