//! Starting `true` in the sandbox, beside bubblewrap: what a person waits before anything happens.

use std::process::Command;

use anyhow::Result;

use crate::measure::{Contestant, Spread, quantile, rounds, spread};
use crate::product::{Product, timed};
use crate::report::{Goal, Row};

const STARTS: usize = 15;

pub(crate) fn run(count: usize) -> Result<Vec<Row>> {
    let product = Product::new()?;
    timed(&mut product.command(&["run", "--offline", "--", "true"]))?;
    timed(&mut product.command(&["run", "--", "true"]))?;
    let mut turns = vec![
        Contestant::new("offline", || {
            median(|| timed(&mut product.command(&["run", "--offline", "--", "true"])))
        }),
        Contestant::new("warm", || median(|| timed(&mut product.command(&["run", "--", "true"])))),
    ];
    let bubblewrap = timed(&mut bubblewrap_command()).is_ok();
    if bubblewrap {
        turns.insert(0, Contestant::new("bwrap", || median(|| timed(&mut bubblewrap_command()))));
    }
    let found = rounds(count, turns)?;
    let mut rows = Vec::new();
    for (name, what) in [("offline", "run --offline -- true"), ("warm", "run -- true, warm daemon")] {
        let mut row = Row::new("spawn", what, "ms", found.value(name)).rounds(found.count());
        if bubblewrap {
            row = row.beside("bwrap --unshare-all", found.value("bwrap"), found.ratio(name, "bwrap"));
        }
        let goal = if name == "warm" { Goal::AtMost(15.0) } else { Goal::RatioAtMost(1.0) };
        rows.push(row.goal(goal));
    }
    rows.push(
        Row::new("spawn", "run -- true, no daemon yet", "ms", cold(count)?)
            .rounds(count)
            .goal(Goal::AtMost(150.0)),
    );
    Ok(rows)
}

fn bubblewrap_command() -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--new-session", "--die-with-parent", "--ro-bind", "/", "/"]);
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "true"]);
    command
}

/// Each time with a home that no daemon serves; the first start there, vault and ledger made anew, included.
fn cold(count: usize) -> Result<Spread> {
    let mut values = Vec::new();
    for _ in 0..count {
        let product = Product::new()?;
        values.push(timed(&mut product.command(&["run", "--", "true"]))?);
    }
    Ok(spread(&values))
}

fn median(mut sample: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut values = (0..STARTS).map(|_| sample()).collect::<Result<Vec<_>>>()?;
    Ok(quantile(&mut values, 0.5))
}
