//! A clone of 100 MB from a real `git http-backend`, through the gateway and direct.

use anyhow::Result;
use bailiwick_testkit::{GitHost, TestCa};

use crate::measure::{Contestant, rounds};
use crate::product::{Product, timed};
use crate::report::{Goal, Row};

const BYTES: usize = 100 << 20;
const TOKEN: &str = "MARKER-example-token";

pub(crate) fn run(count: usize) -> Result<Vec<Row>> {
    let mut product = Product::new()?;
    let ca = TestCa::new();
    let pem = ca.write_pem(product.scratch()).to_string_lossy().into_owned();
    let forge = GitHost::start(&ca, TOKEN);
    forge.add_large_repository("acme/large", BYTES);
    product.serve()?;
    product.add("forge", &forge.url(), &["--template", "git", "--ca", &pem, "--token-stdin"], TOKEN)?;
    let url = format!("{}/acme/large", forge.url());
    let script = |url: &str, more: &str| {
        format!("rm -rf copy && git {more} clone -q --bare {url} copy && rm -rf copy")
    };
    let direct = script(&url, &format!("-c 'http.extraHeader=Authorization: Bearer {TOKEN}'"));
    let through = script(&url, "");
    let found = rounds(
        count,
        vec![
            Contestant::new("direct", || {
                let mut command = std::process::Command::new("taskset");
                command.args(["-c", "0", "sh", "-c", &direct]).current_dir(product.workspace());
                command.env("GIT_SSL_CAINFO", &pem);
                timed(&mut command)
            }),
            Contestant::new("gateway", || timed(&mut product.inside(&[], &["sh", "-c", &through])?)),
        ],
    )?;
    Ok(vec![
        Row::new("clone", "git clone of 100 MB, start of the sandbox included", "ms", found.value("gateway"))
            .beside("direct", found.value("direct"), found.ratio("gateway", "direct"))
            .rounds(found.count())
            .goal(Goal::RatioAtMost(1.15)),
    ])
}
