//! Holds, and the answers people give: an action that waits for a yes, a yes that waits for its action.
//!
//! A yes is good for exactly what was shown, under the policies it was shown under, once (or for one target), and not for long. What was
//! asked and answered is on record, and kept for a daemon that starts anew; that a yes for one effect has been used is on stable storage
//! before the effect. This module must never answer by itself.

mod card;
mod desk;
mod hold;
mod kept;

pub(crate) use card::{Card, ask_of};
pub use desk::Announced;
pub(crate) use desk::{Announcement, Asking, Desk, Draft, Ticket};
pub(crate) use hold::{Answered, Given, Question, line};
