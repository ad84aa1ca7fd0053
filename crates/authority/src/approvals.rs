//! Holds, and the answers people give: an action that waits for a yes, a yes that waits for its action.
//!
//! Kept in memory only: a daemon that starts anew has no yes to give, so whatever was approved and not used is asked again. What was asked
//! and answered is on record. A yes is good for exactly what was shown, under the policies it was shown under, once (or for one target),
//! and not for long. This module must never answer by itself.

mod card;
mod desk;
mod hold;

pub(crate) use card::{Card, ask_of};
pub(crate) use desk::{Announcement, Asking, Desk, Draft, Ticket};
pub(crate) use hold::{Answered, Given, Question, line};
