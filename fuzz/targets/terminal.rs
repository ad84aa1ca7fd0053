//! What an agent writes to the terminal: only what is listed passes, however it is cut, and what passed passes again as it is.
#![no_main]

#[expect(unreachable_pub, reason = "it belongs to the unit tests of the filter")]
#[path = "../../crates/sandbox/src/terminal/filter/tests/judge.rs"]
mod judge;

use bailiwick_sandbox::terminal::{AllowList, OutputFilter};
use libfuzzer_sys::fuzz_target;

fn filtered(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let (mut filter, mut screen, mut inside) = (AllowList::default(), Vec::new(), Vec::new());
    for piece in pieces {
        filter.written(piece, &mut screen, &mut inside);
    }
    (screen, inside)
}

fuzz_target!(|written: &[u8]| {
    let whole = filtered(&[written]);
    assert_eq!(judge::fault(&whole.0), None);
    let (first, second) =
        written.split_at(written.first().map_or(0, |cut| usize::from(*cut) % (written.len() + 1)));
    assert_eq!(filtered(&[first, second]), whole);
    assert_eq!(filtered(&[&whole.0]).0, whole.0);
});
