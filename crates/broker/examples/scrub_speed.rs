//! How fast a stream passes the scrubber with one secret, in GB/s, on texts of different temper.
//!
//! `cargo run --release -p bailiwick-broker --example scrub_speed`

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use std::{hint::black_box, sync::Arc, time::Instant};

use bailiwick_broker::{Patterns, Scrubber, Secret};
use bytes::Bytes;

const CHUNK: usize = 16 * 1024;
const ROUNDS: usize = 7;
const BYTES: usize = 256 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = Secret::new(b"ghp_MARKERabcDEF0123456789xyzABCDEFGHIJKL".to_vec())?;
    let started = Instant::now();
    let patterns = Arc::new(Patterns::new([&secret]));
    println!("build: {:?} for one secret", started.elapsed());
    let json =
        r#"{"id":17,"name":"Zo\u00eb \"Z\" O'Neil","url":"https:\/\/example.org\/a?b=%20c&d","ok":true},"#;
    let html = r#"<p class="x">Tom &amp; Jerry said &quot;go&quot; &#39;home&#39; at <a href="/g?h=1&amp;g=2">g</a></p>"#;
    for (name, chunk) in [
        ("random bytes", random(CHUNK)),
        ("base64", base64_of(CHUNK)),
        ("escaped JSON", json.bytes().cycle().take(CHUNK).collect()),
        ("HTML", html.bytes().cycle().take(CHUNK).collect()),
        ("beginnings of the secret", b"ghp_MARKER ".iter().copied().cycle().take(CHUNK).collect()),
    ] {
        println!("{name:>26}: {:.2} GB/s", median_speed(&patterns, &Bytes::from(chunk)));
    }
    Ok(())
}

fn median_speed(patterns: &Arc<Patterns>, chunk: &Bytes) -> f64 {
    let mut speeds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let mut scrubber = Scrubber::new(Arc::clone(patterns));
            let started = Instant::now();
            for _ in 0..BYTES / ROUNDS / CHUNK {
                black_box(scrubber.feed(black_box(chunk.clone())));
            }
            (BYTES / ROUNDS) as f64 / started.elapsed().as_secs_f64() / 1e9
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    speeds[ROUNDS / 2]
}

fn random(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn base64_of(length: usize) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    random(length).iter().map(|byte| LETTERS[usize::from(byte & 63)]).collect()
}
