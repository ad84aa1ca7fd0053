//! Coding agents, unmodified, run by the product as a person would run them.
//!
//! The model is a double that plays a script; everything between it and the agent is the product. A case passes when the file that the
//! model asked for is there, the double saw the real credential, and nothing inside ever had it. Agents come from `cargo xtask tools`.
#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

#[path = "all/dummies.rs"]
mod dummies;
#[path = "all/forges.rs"]
mod forges;
#[path = "all/fullscreen.rs"]
mod fullscreen;
#[path = "all/headless.rs"]
mod headless;
#[path = "all/hooks.rs"]
mod hooks;
#[path = "all/login_inside.rs"]
mod login_inside;
#[path = "all/logins.rs"]
mod logins;
#[path = "all/oauth.rs"]
mod oauth;
#[path = "all/stage.rs"]
mod stage;
#[path = "all/toolchains.rs"]
mod toolchains;
