//! The tools that agents use, each driven through the real command line against a real peer.
//!
//! A case passes when the peer saw the right thing, with the credential that only the gateway has, and the tool itself was content.
//! A tool that this machine lacks is named on standard error ("not tested on this host"); `cargo xtask tools` fetches what it can.
#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

#[path = "all/clients.rs"]
mod clients;
#[path = "all/forge.rs"]
mod forge;
#[path = "all/packages.rs"]
mod packages;
#[path = "all/shapes.rs"]
mod shapes;
#[path = "all/streams.rs"]
mod streams;
#[path = "all/terminal.rs"]
mod terminal;
#[path = "all/transcript.rs"]
mod transcript;
