//! `cargo xtask bench [NAME…] [--rounds N] [--json]`: what the product costs, beside its peers, in the same run.
//!
//! It asserts nothing about time. It prints every figure with its extremes and the machine's load, and leaves the judgement to the
//! reader; `docs/performance.md` is written by hand from what it printed.

mod connect;
mod decision;
mod forge;
mod http;
mod ledger;
mod load;
mod measure;
mod memory;
mod peers;
mod product;
mod report;
mod screen;
mod spawn;
mod steady;
mod stop;

use anyhow::{Result, bail};

use crate::report::Row;

type Bench = fn(usize) -> Result<Vec<Row>>;

const BENCHES: [(&str, Bench); 12] = [
    ("spawn", spawn::run),
    ("screen", screen::run),
    ("ledger", ledger::run),
    ("decision", decision::run),
    ("steady", steady::run),
    ("connect", connect::run),
    ("http", http::latency),
    ("effect", http::effect),
    ("throughput", http::throughput),
    ("clone", forge::run),
    ("stop", stop::run),
    ("memory", memory::run),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        // What this executable does when it is started again, inside or beside the sandbox.
        ["load", plan] => load::main(plan),
        ["hold", plan] => load::hold(plan),
        ["connect-to", address, count] => load::connect(address, count.parse()?),
        ["repeat", times, command @ ..] => steady::repeat(times.parse()?, command),
        ["wrapped", command @ ..] => steady::wrapped(command),
        words => benches(words),
    }
}

fn benches(words: &[&str]) -> Result<()> {
    let (mut json, mut count, mut wanted) = (false, 7, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--json" => json = true,
            "--rounds" => count = words.next().map_or(Ok(count), |number| number.parse())?,
            name if BENCHES.iter().any(|(bench, _)| *bench == name) => wanted.push(name),
            other => {
                let names: Vec<_> = BENCHES.iter().map(|(name, _)| *name).collect();
                bail!("there is no benchmark `{other}`; there are {}", names.join(", "));
            }
        }
    }
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (name, bench) in BENCHES {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        eprintln!("{name}: {count} rounds, load {:.1}", report::load());
        match bench(count) {
            Ok(found) => {
                report::print(&found);
                rows.extend(found);
            }
            Err(error) => {
                eprintln!("{name}: not measured: {error:#}");
                failed.push(name);
            }
        }
    }
    if json {
        println!("{}", serde_json::json!({ "rows": rows, "not_measured": failed }));
    }
    Ok(())
}
