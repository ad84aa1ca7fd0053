//! A mediated `connect`: the supervisor's checks and the daemon's yes, on top of the loopback's own handshake.

use anyhow::Result;

use crate::http::Stage;
use crate::measure::{Contestant, rounds};
use crate::product::{outside, own, result};
use crate::report::{Goal, Row};

const CONNECTS: &str = "400";

pub(crate) fn run(count: usize) -> Result<Vec<Row>> {
    let stage = Stage::new()?;
    let address = format!("localhost:{}", stage.origin.plain);
    let found = rounds(
        count,
        vec![
            Contestant::new("loopback", || result(&mut outside(&["connect-to", &address, CONNECTS])?)),
            Contestant::new("mediated", || {
                result(&mut stage.product.inside(&[], &[&own()?, "connect-to", &address, CONNECTS])?)
            }),
        ],
    )?;
    Ok(vec![
        Row::new("connect", "mediated connect, added p50", "µs", found.added("mediated", "loopback"))
            .beside("loopback", found.value("loopback"), found.ratio("mediated", "loopback"))
            .rounds(found.count())
            .goal(Goal::AtMost(20.0)),
    ])
}
