//! `cargo xtask mutate`: a defence counts only if taking it away turns a test red.
//!
//! Each file of `mutations/` is a patch that removes one defence, with a header that names what it removes and the test that must
//! notice. They are applied one at a time to a copy of the repository with a target directory of its own; the checkout itself is
//! never touched.

mod patch;
mod scratch;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, bail, ensure};

use crate::repo::Repo;
use crate::tools;

use self::patch::Patch;
use self::scratch::{Run, Scratch};

/// Arguments of `cargo xtask mutate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only patches whose file name contains one of these.
    names: Vec<String>,
}

/// What became of one patch.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// The test noticed.
    Red,
    /// The defence is gone and nothing noticed.
    Missed,
    /// The proof itself is broken: the reason says how.
    Invalid(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Red => f.write_str("red, as it must be"),
            Self::Missed => f.write_str("STILL GREEN: the test proves nothing"),
            Self::Invalid(reason) => write!(f, "INVALID: {reason}"),
        }
    }
}

/// Applies each patch, runs its test, prints a table; fails unless every one turned its test red.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let mut patches = patch::read_all(&repo.join("mutations"))?;
    patches.retain(|patch| args.names.is_empty() || args.names.iter().any(|name| patch.name.contains(name)));
    ensure!(!patches.is_empty(), "no patch of mutations/ matches");
    if let Err(error) = tools::fetch_all(repo, false) {
        eprintln!("warning: {error:#}; what needs these tools proves nothing");
    }
    let scratch = Scratch::lay_out(repo)?;
    let mut green = BTreeMap::new();
    let mut table = Vec::new();
    for patch in &patches {
        let before = match green.get(&patch.test) {
            Some(run) => Clone::clone(run),
            None => scratch.test(&patch.test)?,
        };
        green.insert(patch.test.clone(), before.clone());
        let verdict = judge(&scratch, patch, &before)?;
        eprintln!("{}: {verdict}", patch.name);
        table.push((patch, verdict));
    }
    print_table(&table);
    let bad = table.iter().filter(|(_, verdict)| *verdict != Verdict::Red).count();
    if bad == 0 { Ok(()) } else { bail!("{bad} of {} mutations were not caught", table.len()) }
}

fn judge(scratch: &Scratch, patch: &Patch, before: &Run) -> Result<Verdict> {
    if *before != Run::Green {
        return Ok(Verdict::Invalid(format!("without the patch the test is {before}")));
    }
    if let Err(error) = scratch.apply(patch) {
        return Ok(Verdict::Invalid(format!("{error:#}")));
    }
    let after = scratch.test(&patch.test);
    scratch.revert(patch)?;
    Ok(match after? {
        Run::Red => Verdict::Red,
        Run::Green => Verdict::Missed,
        other => Verdict::Invalid(format!("with the patch the test is {other}")),
    })
}

fn print_table(table: &[(&Patch, Verdict)]) {
    let width = table.iter().map(|(patch, _)| patch.name.len()).max().unwrap_or_default();
    println!();
    for (patch, verdict) in table {
        println!("{:width$}  {verdict}", patch.name);
        println!("{:width$}    removes: {}", "", patch.removes);
        println!("{:width$}    test:    cargo test {}", "", patch.test.join(" "));
    }
    let red = table.iter().filter(|(_, verdict)| *verdict == Verdict::Red).count();
    println!("\n{red} of {} defences proved", table.len());
}
