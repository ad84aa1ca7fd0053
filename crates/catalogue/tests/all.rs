//! What a catalogue is for, from the outside.
#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

#[path = "all/catalogue.rs"]
mod catalogue;
#[path = "all/definitions.rs"]
mod definitions;
#[path = "all/templates.rs"]
mod templates;
