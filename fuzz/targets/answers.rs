//! What arrives from the terminal while the program asks: everything is a key or the answer to a question, and nothing is both; a
//! program that asked nothing is told nothing.
#![no_main]

use bailiwick_sandbox::terminal::{AllowList, OutputFilter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // Half of it the program writes, half arrives.
    let (written, arrived) = input.split_at(input.len() / 2);
    let hear = |filter: &mut AllowList, pieces: &[&[u8]]| {
        let (mut keys, mut inside) = (Vec::new(), Vec::new());
        for piece in pieces {
            filter.heard(piece, &mut keys, &mut inside);
        }
        (keys, inside)
    };
    let (_, told) = hear(&mut AllowList::default(), &[arrived]);
    assert!(told.is_empty(), "an answer without a question");
    let mut filter = AllowList::default();
    let (mut screen, mut inside) = (Vec::new(), Vec::new());
    filter.written(written, &mut screen, &mut inside);
    let (keys, told) = hear(&mut filter, &[arrived, b"\r\r"]);
    // Escape alone opens nothing, and nothing typed is made up.
    assert!(keys.len() <= arrived.len() + 2);
    // What is told is made of numbers and the forms around them.
    assert!(told.iter().all(|byte| matches!(byte, 0x1b | 0x07 | 0x20..=0x7e)));
    assert!(!told.contains(&b'\r') && !told.contains(&b'\n'));
});
