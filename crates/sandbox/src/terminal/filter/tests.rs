//! The list, tried from all sides: case by case, split at each byte, at random, and on what real agents write.

mod answers;
mod cases;
mod golden;
mod judge;
mod random;
mod state;

use std::num::NonZero;

use super::{AllowList, OutputFilter};

/// What the terminal sees, and what the program is told.
fn filtered(written: &[u8]) -> (Vec<u8>, Vec<u8>) {
    filtered_in(&[written])
}

/// The same, written piece by piece.
fn filtered_in(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let (mut filter, mut screen, mut inside) = (AllowList::default(), Vec::new(), Vec::new());
    for piece in pieces {
        filter.written(piece, &mut screen, &mut inside);
    }
    (screen, inside)
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// What a person sees.
fn terminal(rows: u16, columns: u16) -> vt100::Parser {
    vt100::Parser::new(NonZero::new(rows).unwrap(), NonZero::new(columns).unwrap(), 100)
}
