//! HTTP through the gateway: what it adds to one request, and how many it carries beside nginx, squid and mitmproxy.
//!
//! Client and upstream share one core; whatever stands between has the other to itself. Ours has policy, ledger and scrubbing on;
//! the peers log nothing.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use crate::load::{Found, Plan};
use crate::measure::{Contestant, quantile, rounds, us};
use crate::peers::{Origin, Peer, mitmproxy, nginx_proxy, squid};
use crate::product::{Product, outside, own, result};
use crate::report::{Goal, Row};

const LATENCY_REQUESTS: usize = 2000;
const FRESH_REQUESTS: usize = 300;
const EFFECTS: usize = 100;
const THROUGHPUT_REQUESTS: usize = 10_000;
const SLOW_REQUESTS: usize = 1500;
const CONNECTIONS: usize = 64;

/// The product before an origin that it knows by both schemes.
pub(crate) struct Stage {
    pub(crate) product: Product,
    pub(crate) origin: Origin,
    pub(crate) daemon: u32,
}

impl Stage {
    pub(crate) fn new() -> Result<Self> {
        let mut product = Product::new()?;
        let directory = product.scratch().join("peers");
        std::fs::create_dir(&directory)?;
        let origin = Origin::start(&directory)?;
        let daemon = product.serve()?;
        product.add("plain", &origin.http(), &["--no-credential"], "")?;
        let ca = origin.ca.to_string_lossy().into_owned();
        product.add("secure", &origin.https(), &["--ca", &ca, "--token-stdin"], "MARKER-example-token")?;
        Ok(Self { product, origin, daemon })
    }

    fn direct(&self, plan: &Plan, ca: Option<&Path>, proxy: Option<&Peer>) -> Result<Found> {
        let mut plan = plan.clone();
        plan.ca = ca.map(|ca| ca.to_string_lossy().into_owned());
        plan.proxy = proxy.map(|proxy| format!("127.0.0.1:{}", proxy.port));
        result(&mut outside(&["load", &serde_json::to_string(&plan)?])?)
    }

    fn through(&self, plan: &Plan) -> Result<Found> {
        let plan = serde_json::to_string(plan)?;
        result(&mut self.product.inside(&[], &[&own()?, "load", &plan])?)
    }
}

/// One after the other on one connection.
pub(crate) fn plan(url: String, requests: usize) -> Plan {
    Plan { url, requests, connections: 1, fresh: false, post: false, proxy: None, ca: None }
}

/// What the gateway adds to one request.
pub(crate) fn latency(count: usize) -> Result<Vec<Row>> {
    let stage = Stage::new()?;
    let (http, https) = (stage.origin.http(), stage.origin.https());
    let fresh = |url: &str| Plan { fresh: true, ..plan(url.to_owned(), FRESH_REQUESTS) };
    let cases = [
        ("kept-alive read, plain, added p50", plan(http.clone(), LATENCY_REQUESTS), 50.0),
        ("kept-alive read, TLS intercepted, added p50", plan(https.clone(), LATENCY_REQUESTS), 120.0),
        ("new connection, plain, added p50", fresh(&http), 300.0),
        ("new connection, TLS intercepted, added p50", fresh(&https), 1200.0),
    ];
    let mut rows = Vec::new();
    for (what, plan, most) in cases {
        let found = rounds(
            count,
            vec![
                Contestant::new("direct", || Ok(stage.direct(&plan, Some(&stage.origin.ca), None)?.p50_us)),
                Contestant::new("gateway", || Ok(stage.through(&plan)?.p50_us)),
            ],
        )?;
        rows.push(
            Row::new("http", what, "µs", found.added("gateway", "direct"))
                .beside("direct", found.value("direct"), found.ratio("gateway", "direct"))
                .rounds(found.count())
                .goal(Goal::AtMost(most)),
        );
    }
    Ok(rows)
}

/// What the gateway adds to one request that changes something, beside one sync of the same disk.
pub(crate) fn effect(count: usize) -> Result<Vec<Row>> {
    let stage = Stage::new()?;
    let alone = Plan { post: true, ..plan(stage.origin.http(), EFFECTS) };
    let burst = Plan { connections: 16, requests: 16 * EFFECTS, ..alone.clone() };
    let found = rounds(
        count,
        vec![
            Contestant::new("sync", || bare_sync(&stage.product.scratch().join("sync"))),
            Contestant::new("direct", || Ok(stage.direct(&alone, None, None)?.p50_us)),
            Contestant::new("gateway", || Ok(stage.through(&alone)?.p50_us)),
            Contestant::new("burst", || Ok(1e6 / stage.through(&burst)?.per_second)),
        ],
    )?;
    let added = found.added("gateway", "direct");
    let sync = found.value("sync");
    let ratio = crate::measure::Spread {
        median: added.median / sync.median,
        min: added.min / sync.max,
        max: added.max / sync.min,
    };
    Ok(vec![
        Row::new("effect", "POST, plain, added p50", "µs", added)
            .beside("fdatasync", sync, ratio)
            .rounds(found.count())
            .goal(Goal::RatioAtMost(1.5)),
        Row::new("effect", "POST, plain, whole, each of 16 at a time", "µs", found.value("burst"))
            .beside("fdatasync", sync, found.ratio("burst", "sync"))
            .rounds(found.count()),
    ])
}

/// Appends a record's worth of bytes and syncs; the median in microseconds.
fn bare_sync(file: &Path) -> Result<f64> {
    let mut file = File::options().append(true).create(true).open(file)?;
    let mut times = Vec::new();
    for _ in 0..EFFECTS {
        let started = Instant::now();
        file.write_all(&[b'x'; 1024])?;
        file.sync_data()?;
        times.push(us(started.elapsed()));
    }
    Ok(quantile(&mut times, 0.5))
}

/// How many requests a second it carries over 64 kept-alive connections.
pub(crate) fn throughput(count: usize) -> Result<Vec<Row>> {
    let stage = Stage::new()?;
    let directory = stage.product.scratch().join("peers");
    let many = |url: String| Plan { connections: CONNECTIONS, ..plan(url, THROUGHPUT_REQUESTS) };
    let (plain, secure) = (many(stage.origin.http()), many(stage.origin.https()));
    let mut rows = Vec::new();
    match nginx_proxy(&directory, &stage.origin) {
        Ok(nginx) => {
            let beside = many(format!("http://localhost:{}/", nginx.port));
            let peer = || Ok(stage.direct(&beside, None, None)?.per_second);
            let ours = || Ok(stage.through(&plain)?.per_second);
            rows.push(duel(count, "throughput, plain", ("nginx", peer), ours, 0.6)?);
        }
        Err(error) => eprintln!("not measured: nginx: {error:#}"),
    }
    let intercepting =
        [("squid", 1.0, squid(&stage.origin)), ("mitmproxy", 20.0, mitmproxy(&directory, &stage.origin))];
    for (name, least, peer) in intercepting {
        match peer.and_then(|peer| beside(&stage, count, &secure, (name, least), &peer)) {
            Ok(row) => rows.push(row),
            Err(error) => eprintln!("not measured: {name}: {error:#}"),
        }
    }
    Ok(rows)
}

fn beside(
    stage: &Stage,
    count: usize,
    plan: &Plan,
    (name, least): (&'static str, f64),
    (peer, ca): &(Peer, PathBuf),
) -> Result<Row> {
    let slow = if name == "mitmproxy" { SLOW_REQUESTS } else { plan.requests };
    let theirs = Plan { requests: slow, ..plan.clone() };
    let peer = || Ok(stage.direct(&theirs, Some(ca), Some(peer))?.per_second);
    let ours = || Ok(stage.through(plan)?.per_second);
    duel(count, "throughput, TLS intercepted", (name, peer), ours, least)
}

fn duel(
    count: usize,
    what: &'static str,
    (name, peer): (&'static str, impl FnMut() -> Result<f64>),
    ours: impl FnMut() -> Result<f64>,
    least: f64,
) -> Result<Row> {
    let found = rounds(count, vec![Contestant::new(name, peer), Contestant::new("gateway", ours)])?;
    Ok(Row::new("throughput", what, "/s", found.value("gateway"))
        .beside(name, found.value(name), found.ratio("gateway", name))
        .rounds(found.count())
        .goal(Goal::RatioAtLeast(least)))
}
