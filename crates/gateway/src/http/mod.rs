//! HTTP/1.1 and HTTP/2: parse once, hand in what was parsed, render what was decided, forward what was decided.
//!
//! This adapter must never decide and never see a secret. Whatever it cannot understand in exactly one way it refuses, and what it
//! forwards is built from what it understood, never from what it was sent.

mod answer;
mod body;
mod bound;
mod canonical;
mod capture;
mod exchange;
mod fields;
mod forward;
mod git;
mod graphql;
mod hook;
mod json;
mod malformed;
mod prepare;
mod render;
mod respond;
mod screen;
mod serve;
mod target;
mod trial;
mod websocket;

pub(crate) use body::OutBody;
pub use hook::HOOK_PATH;
pub(crate) use serve::serve;
pub use trial::{Case, Meaning};
pub(crate) use websocket::relay;
