//! Git's configuration as the guard reads it. Git itself reads it otherwise nowhere: keys are plain, values are one line.
#![no_main]

use bailiwick_guard::parse_git_config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let Some(entries) = parse_git_config(file) else { return };
    // Each entry needs a line of its own.
    assert!(entries.len() <= file.iter().filter(|byte| **byte == b'\n').count() + 1);
});
