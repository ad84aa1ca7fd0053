//! A lock while a thousand streams are live: how long until the upstream has seen the last of them end. The verdict is the
//! upstream's, since nothing inside the sandbox is left to ask.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::http::plan;
use crate::load::Plan;
use crate::measure::{Spread, ms, quantile, spread};
use crate::product::{Product, own, timed, wait_until};
use crate::report::{Goal, Row};

const STREAMS: usize = 1000;

pub(crate) fn run(count: usize) -> Result<Vec<Row>> {
    let mut product = Product::new()?;
    let streamer = Streamer::start()?;
    product.serve()?;
    product.add("up", &format!("http://localhost:{}", streamer.port), &["--no-credential"], "")?;
    let (mut last, mut most, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let mut ends = Vec::new();
        calls.push(once(&product, &streamer, &mut ends)?);
        last.push(ends.iter().copied().fold(0.0, f64::max));
        most.push(quantile(&mut ends, 0.99));
    }
    let row = |what: &str, value: Spread| Row::new("stop", what, "ms", value).rounds(count);
    Ok(vec![
        row("lock to last byte at the upstream, 1,000 streams, p99", spread(&most)).goal(Goal::AtMost(100.0)),
        row("the same, the last one", spread(&last)),
        row("`bailiwick stop`, start to return", spread(&calls)),
    ])
}

/// Milliseconds from the start of the command to the end of each stream; the result is how long the command took.
fn once(product: &Product, streamer: &Streamer, ends: &mut Vec<f64>) -> Result<f64> {
    let plan = Plan {
        connections: STREAMS,
        fresh: true,
        ..plan(format!("http://localhost:{}/", streamer.port), STREAMS)
    };
    let plan = serde_json::to_string(&plan)?;
    let mut command = product.inside(&[], &[&own()?, "hold", &plan])?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let output = child.stdout.take().context("a pipe")?;
    let held = BufReader::new(output).lines().next().context("the streams did not start")??;
    ensure!(held == STREAMS.to_string(), "{held} streams");
    streamer.ended.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.clear();
    let started = Instant::now();
    let took = timed(&mut product.command(&["stop", "-"]))?;
    wait_until("the end of every stream", || {
        streamer.ended.lock().is_ok_and(|ended| ended.len() >= STREAMS)
    })?;
    let ended = streamer.ended.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
    ends.extend(ended.iter().map(|at| ms(at.duration_since(started))));
    drop(ended);
    child.wait()?;
    Ok(took)
}

/// Answers everything with a stream that never ends by itself, and notes when each does.
struct Streamer {
    port: u16,
    ended: Arc<Mutex<Vec<Instant>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Streamer {
    fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let ended = Arc::new(Mutex::new(Vec::new()));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let port = listener.local_addr()?.port();
        let note = Arc::clone(&ended);
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let note = Arc::clone(&note);
                tokio::spawn(async move {
                    let _ = stream(connection).await;
                    if let Ok(mut ended) = note.lock() {
                        ended.push(Instant::now());
                    }
                });
            }
        });
        Ok(Self { port, ended, _runtime: runtime })
    }
}

async fn stream(mut connection: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    if connection.read(&mut buffer).await? == 0 {
        return Ok(());
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes()).await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            read = connection.read(&mut buffer) => if read? == 0 { return Ok(()) },
            _ = ticks.tick() => connection.write_all(b"9\r\ndata: x\n\n\r\n").await?,
        }
    }
}
