//! Profiles: what an agent program needs to work inside a sandbox, as data a person can read.
//!
//! A [`Profile`] is a file (`profiles/NAME.toml`), embedded or the person's own. It says which files and variables the program gets, which
//! [`Login`]s it knows, and which [`Form`] the dummy in the place of each credential has.
//!
//! This crate must never do I/O, know the time or draw random bytes, and never put anything of a real credential into what stands inside:
//! a dummy is made of its form and of fresh randomness, and has never seen the secret.

mod dummy;
mod library;
mod login;
mod profile;
mod takeover;
mod text;

pub use dummy::{Alphabet, Form, Stamp};
pub use library::{Library, LibraryError};
pub use login::{FactSource, Login, Source};
pub use profile::{Copied, File, Profile, ProfileError, Variables};
pub use takeover::{Found, TakeoverError, Tokens};
pub use text::{Fillings, UnknownFilling};
