//! The daemon's own memory (`RssAnon`): with nothing to do, and with a thousand idle connections.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::http::{Stage, plan};
use crate::load::Plan;
use crate::measure::spread;
use crate::product::own;
use crate::report::{Goal, Row};

const CONNECTIONS: usize = 1000;

pub(crate) fn run(_: usize) -> Result<Vec<Row>> {
    let stage = Stage::new()?;
    let idle = anonymous(stage.daemon)?;
    let plan = Plan { connections: CONNECTIONS, ..plan(stage.origin.http(), CONNECTIONS) };
    let plan = serde_json::to_string(&plan)?;
    let mut command = stage.product.inside(&[], &[&own()?, "hold", &plan])?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("a pipe")?;
    let held = BufReader::new(output).lines().next().context("the connections were not held")??;
    let busy = anonymous(stage.daemon)?;
    drop(child.stdin.take());
    child.wait()?;
    Ok(vec![
        Row::new("memory", "daemon's RssAnon, idle", "MiB", spread(&[idle])).goal(Goal::AtMost(15.0)),
        Row::new("memory", format!("daemon's RssAnon, {held} idle connections"), "MiB", spread(&[busy]))
            .goal(Goal::AtMost(60.0)),
    ])
}

fn anonymous(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
