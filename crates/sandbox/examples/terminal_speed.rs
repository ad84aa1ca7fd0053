//! How fast agent output passes the terminal filter, in MB/s, on output of different temper.
//!
//! `cargo run --release -p bailiwick-sandbox --example terminal_speed`

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use std::hint::black_box;
use std::time::Instant;

use bailiwick_sandbox::terminal::{AllowList, OutputFilter};

/// As much as the terminal's loop reads at once.
const CHUNK: usize = 16 * 1024;
const ROUNDS: usize = 7;
const BYTES: usize = 100 << 20;

fn main() {
    let log = "2026-01-02T03:04:05Z INFO server: request served path=/index.html status=200 in 12 ms\r\n";
    let wide = "Größe 漢字 → ✓ naïve café 🙂 – “quoted”\r\n";
    let colour = "\x1b[38;2;80;160;240m-\x1b[39m\x1b[1mword\x1b[22m ";
    let screens = include_bytes!("../src/terminal/filter/tests/data/codex.transcript");
    for (name, text) in [
        ("a log", log.as_bytes()),
        ("other scripts", wide.as_bytes()),
        ("a style a word", colour.as_bytes()),
        ("an agent's screens", &screens[..]),
        ("escapes only", b"\x1b"),
    ] {
        let output: Vec<u8> = text.iter().copied().cycle().take(BYTES).collect();
        println!("{name:>20}: {:.0} MB/s", median_speed(&output));
    }
}

fn median_speed(output: &[u8]) -> f64 {
    let mut speeds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (mut filter, mut screen, mut inside) = (AllowList::default(), Vec::new(), Vec::new());
            let started = Instant::now();
            for chunk in output.chunks(CHUNK) {
                filter.written(chunk, &mut screen, &mut inside);
                black_box(&screen);
                screen.clear();
                inside.clear();
            }
            output.len() as f64 / 1e6 / started.elapsed().as_secs_f64()
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    speeds[ROUNDS / 2]
}
