//! What a forge's answer tells of its branches: no prefix of an answer tells of a branch that the whole does not.
#![no_main]

use bailiwick_git::Heads;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| {
    let Some(whole) = Heads::read(answer) else { return };
    assert!(answer.len() < 8 || Heads::may_begin(answer), "what is read does not begin as it may");
    for end in 0..answer.len() {
        if let Some(part) = Heads::read(&answer[..end]) {
            assert!(part.tips.iter().all(|tip| whole.tips.contains(tip)));
        }
    }
});
