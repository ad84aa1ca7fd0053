//! The two places where bytes between the user's terminal and the sandbox are looked at.
//!
//! What a program inside writes is hostile input to the user's terminal emulator, and what arrives from the terminal is where an
//! answer that nobody asked for, or a key of ours, would be found. Both traits see each byte exactly once and in order, and see
//! arbitrary chunk boundaries.
//!
//! * [`AllowList`] is the filter of what is written: it reads sequences, and writes those it knows anew.
//! * [`Unfiltered`] passes what is typed.

mod allow_list;
mod answers;
mod modes;
mod perform;
mod sequence;
mod text;

#[cfg(test)]
mod tests;

use std::fmt::Debug;

pub use allow_list::AllowList;

/// Looks at what the program writes before the user's terminal sees it, and at what the terminal answers.
pub trait OutputFilter: Debug + Send {
    /// Appends to `screen` what the terminal may see of `written`, and to `inside` what the program is told in answer.
    fn written(&mut self, written: &[u8], screen: &mut Vec<u8>, inside: &mut Vec<u8>);

    /// Takes the terminal's own answers out of what `arrived` from it: appends to `inside` those that the program asked for, and to
    /// `keys` what a person typed. An answer that nobody asked for goes nowhere.
    fn heard(&mut self, arrived: &[u8], keys: &mut Vec<u8>, inside: &mut Vec<u8>);

    /// Whether an answer of the terminal is still on its way.
    fn awaits_answer(&self) -> bool;

    /// Appends to `screen` what leaves the terminal as it was found. Called when the terminal is given back: at the end, and each time
    /// the program is suspended.
    fn leave(&mut self, screen: &mut Vec<u8>);

    /// Appends to `screen` what the program had set before [`leave`](Self::leave): it is continued, and believes that it still holds.
    fn enter(&mut self, screen: &mut Vec<u8>);

    /// Appends to `screen` what gives us an empty screen of our own, on which nothing of the program's state is in force: no style, no
    /// margins, no mouse, no keyboard protocol. What the program writes until [`back`](Self::back) must be held back by the caller.
    fn aside(&mut self, screen: &mut Vec<u8>);

    /// Appends to `screen` what brings the program's state back. Returns whether the program has to paint its screen anew, as after a
    /// change of size: a full-screen program's screen cannot be kept.
    fn back(&mut self, screen: &mut Vec<u8>) -> bool;
}

/// Looks at what the user types before the program reads it.
pub trait InputFilter: Debug + Send {
    /// Appends to `inside` what the program may read of `typed`, and to `screen` anything to show the user at once.
    fn typed(&mut self, typed: &[u8], inside: &mut Vec<u8>, screen: &mut Vec<u8>);
}

/// Passes everything as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unfiltered;

impl InputFilter for Unfiltered {
    fn typed(&mut self, typed: &[u8], inside: &mut Vec<u8>, _screen: &mut Vec<u8>) {
        inside.extend_from_slice(typed);
    }
}
