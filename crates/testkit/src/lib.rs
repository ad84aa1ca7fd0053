//! Real servers, certificates, terminals and a runner of the product, for tests and nothing else.
//!
//! Every server is one that a real client believes: it listens on port 0 of the loopback, speaks the real protocol, remembers what
//! reached it, and stops when its handle is dropped. Nothing here knows how the product works inside; a test that needs to know
//! belongs in the product's own crate. No production crate may depend on this one.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a double fails its test by panicking"
)]

pub mod authority;
pub mod git_host;
pub mod github;
pub mod home;
pub mod hunt;
pub mod images;
pub mod issuer;
pub mod journal;
pub mod model;
pub mod product;
pub mod registry;
pub mod terminal;
pub mod tools;
pub mod trap;
pub mod upstream;
pub mod world;

mod background;
mod http_server;

pub use authority::{Flaw, TestCa};
pub use git_host::GitHost;
pub use github::GitHub;
pub use home::TempHome;
pub use images::Images;
pub use issuer::Issuer;
pub use journal::Seen;
pub use model::{Model, Turn};
pub use product::{Bailiwick, Finished};
pub use registry::Registry;
pub use terminal::Terminal;
pub use trap::Trap;
pub use upstream::Upstream;
pub use world::World;
