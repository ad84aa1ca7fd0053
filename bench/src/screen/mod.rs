//! What a person at the terminal feels: when a full-screen agent has drawn itself, how long a key takes to its echo, how fast output
//! passes. Beside the terminal itself, and beside `script`, which also stands between.

mod agents;
mod terminal;

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use self::terminal::Terminal;
use crate::measure::{Contestant, Rounds, ms, quantile, rounds, us};
use crate::product::Product;
use crate::report::Row;

const KEYS: usize = 200;
const LINES: usize = 400_000;
const LINE: &str = "\x1b[32m+ let answer = compute(&mut state, 42)?; \x1b[0m// coloured, as a diff is\n";
const END: &str = "THE-LAST-LINE";

/// Echoes every key itself, as full-screen programs do.
const ECHO: &str = "stty raw -echo; printf ready; exec cat";

pub(crate) fn run(count: usize) -> Result<Vec<Row>> {
    let product = Product::new()?;
    std::fs::write(product.workspace().join("long.txt"), LINE.repeat(LINES) + END)?;
    let mut rows = agents::run(count)?;
    let keys = contest(count, &product, ECHO, keys)?;
    rows.extend(beside(&keys, "key to echo, p50", "µs"));
    let output = contest(count, &product, "stty -echo; printf ready; read go; exec cat long.txt", output)?;
    let megabytes = LINE.len() * LINES / 1_000_000;
    rows.extend(beside(&output, &format!("{megabytes} MB of coloured text"), "ms"));
    Ok(rows)
}

/// The same shell script on the terminal itself, behind `script`, and in the sandbox.
fn contest(
    count: usize,
    product: &Product,
    shell: &str,
    sample: fn(&Command) -> Result<f64>,
) -> Result<Rounds> {
    let mut direct = Command::new("sh");
    direct.args(["-c", shell]).current_dir(product.workspace());
    let mut script = Command::new("script");
    script.args(["--quiet", "--command", shell, "/dev/null"]).current_dir(product.workspace());
    let ours = product.command(&["run", "--", "sh", "-c", shell]);
    rounds(
        count,
        vec![
            Contestant::new("direct", || sample(&direct)),
            Contestant::new("script", || sample(&script)),
            Contestant::new("ours", || sample(&ours)),
        ],
    )
}

fn beside(found: &Rounds, what: &str, unit: &'static str) -> [Row; 2] {
    ["direct", "script"].map(|peer| {
        Row::new("screen", what, unit, found.value("ours"))
            .beside(peer, found.value(peer), found.ratio("ours", peer))
            .rounds(found.count())
    })
}

/// The median time from a key to its echo, in microseconds.
fn keys(command: &Command) -> Result<f64> {
    let mut terminal = Terminal::spawn(command)?;
    terminal.expect_bytes(b"ready")?;
    let mut times = Vec::new();
    for key in ('a'..='z').cycle().take(KEYS) {
        let started = Instant::now();
        terminal.send(&key.to_string())?;
        terminal.expect_bytes(&[u8::try_from(key)?])?;
        times.push(us(started.elapsed()));
    }
    Ok(quantile(&mut times, 0.5))
}

/// The time until the last of a long output has arrived, in milliseconds.
fn output(command: &Command) -> Result<f64> {
    let mut terminal = Terminal::spawn(command)?;
    terminal.expect_bytes(b"ready")?;
    let started = Instant::now();
    terminal.send("\n")?;
    terminal.expect_bytes(END.as_bytes())?;
    Ok(ms(started.elapsed()))
}
