//! `policy suggest`: what would permit what sessions wanted, for a person to look at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use bailiwick_authority::{Additions, LoadError, Settings, Snapshot};
use bailiwick_client::Client;
use bailiwick_core::{Name, SessionId};
use bailiwick_wire::Attempted;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    command::{policy, reference},
    environment::Environment,
    output::{CONFLICT, Failure, NO, Output},
    suggest::{CASES, Here, Left, Proposal, Proposed, propose},
};

/// Attempts that are looked at, at most.
const MOST_ATTEMPTS: usize = 50_000;
/// How often a proposal is made anew without what the policies in force do not let through.
const ROUNDS: usize = 4;
/// What is not suggested, in the lines that a person reads.
const SHOWN: usize = 100;

/// `policy suggest --json`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Suggested {
    /// The sessions that were looked at.
    sessions: Vec<SessionId>,
    /// How many attempts they made.
    attempts: usize,
    /// Where the files were written.
    written: Option<PathBuf>,
    /// How many cases the files meet, beside everything that is in force.
    cases: usize,
    #[serde(flatten)]
    proposal: Proposal,
}

pub(super) fn execute(
    sessions: &[String],
    write: Option<&Path>,
    environment: &Environment,
    output: &Output,
) -> Result<(), Failure> {
    let latest = ["-".to_owned()];
    let sessions = if sessions.is_empty() { latest.as_slice() } else { sessions };
    let attempts = attempts(sessions, environment, output)?;
    let (proposal, cases) = checked(&attempts, environment)?;
    let written = write.map(|directory| environment.absolute(directory));
    if let Some(directory) = written.as_ref().filter(|_| !proposal.files.is_empty()) {
        write_all(directory, &proposal.files, environment)?;
    }
    let sessions: BTreeSet<SessionId> = attempts.iter().map(|attempt| attempt.session).collect();
    let sessions = sessions.into_iter().collect();
    let suggested = Suggested { sessions, attempts: attempts.len(), written, cases, proposal };
    Ok(output.data(&suggested, || describe(&suggested, environment))?)
}

fn attempts(
    sessions: &[String],
    environment: &Environment,
    output: &Output,
) -> Result<Vec<Attempted>, Failure> {
    let client = Client::new(&environment.home);
    let mut attempts: Vec<Attempted> = Vec::new();
    for session in sessions {
        let session = reference("session", session, "bailiwick session list")?;
        let mut from = 0;
        loop {
            let path = format!("/v1/sessions/{session}/attempts?from={from}");
            let more: Vec<Attempted> = client.get(&path)?;
            let Some(last) = more.last() else { break };
            from = last.index + 1;
            attempts.extend(more);
            if attempts.len() >= MOST_ATTEMPTS {
                output.say(format!("bailiwick: only the first {} attempts are looked at", attempts.len()));
                return Ok(attempts);
            }
        }
    }
    Ok(attempts)
}

/// A proposal that meets its own cases beside everything that is in force, and how many they are.
fn checked(attempts: &[Attempted], environment: &Environment) -> Result<(Proposal, usize), Failure> {
    let snapshot = policy::load(environment)?;
    let policies = snapshot.policies.stated().map(|stated| stated.id.clone()).collect();
    let mut here = Here { catalogue: &snapshot.catalogue, policies, refused: BTreeMap::new() };
    for _ in 0..ROUNDS {
        let proposal = propose(attempts, &here);
        let (cases, failures) = meet(&proposal, environment)?;
        if failures.is_empty() {
            return Ok((proposal, cases));
        }
        here.refused.extend(failures);
    }
    Err(Failure::new(NO, "suggest", "the policies in force let nothing through that could be proposed")
        .fix("bailiwick policy list"))
}

/// The number of cases, and those that the files and everything in force decide otherwise, with the reason.
fn meet(
    proposal: &Proposal,
    environment: &Environment,
) -> Result<(usize, BTreeMap<String, String>), Failure> {
    let Some(cases) = proposal.files.iter().find(|proposed| proposed.file == CASES) else {
        return Ok((0, BTreeMap::new()));
    };
    let unfit = |detail: String| Failure::new(NO, "suggest", format!("the proposal does not fit: {detail}"));
    let settings = Settings::read(&environment.home).map_err(Failure::usage)?;
    let snapshot = Snapshot::load_with(&environment.home, &settings, additions(proposal))
        .map_err(|LoadError(problems)| unfit(problems.join("; ")))?;
    let (count, failures) =
        bailiwick_policy::run_cases(&cases.text, &snapshot.policies, &snapshot.catalogue).map_err(unfit)?;
    let failures = failures.into_iter().map(|failure| {
        let reason = failure.reason.unwrap_or_else(|| format!("it would be {}", failure.actual));
        (failure.name, reason)
    });
    Ok((count, failures.collect()))
}

fn additions(proposal: &Proposal) -> Additions {
    let mut additions = Additions::default();
    for Proposed { file, text } in &proposal.files {
        let stem = |start: &str, end: &str| file.strip_prefix(start)?.strip_suffix(end);
        if let Some(name) = stem("resources/", ".toml").and_then(|name| name.parse::<Name>().ok()) {
            additions.resources.push((name, text.clone()));
        } else if file != CASES {
            additions.policies.push((file.clone(), text.clone()));
        }
    }
    additions
}

/// Writes new files into a directory that is not in force.
fn write_all(directory: &Path, files: &[Proposed], environment: &Environment) -> Result<(), Failure> {
    if directory.starts_with(&environment.home) {
        let detail = "what is in BAILIWICK_HOME is in force, and nobody has looked at this yet";
        return Err(Failure::usage(detail).fix("name another directory with `--write DIR`"));
    }
    for file in files {
        let path = directory.join(&file.file);
        if path.symlink_metadata().is_ok() {
            let detail = format!("`{}` is there already", path.display());
            return Err(
                Failure::new(CONFLICT, "exists", detail).fix("name a new directory with `--write DIR`")
            );
        }
    }
    for file in files {
        let path = directory.join(&file.file);
        write_new(&path, &file.text).map_err(|error| {
            Failure::usage(format!("cannot write `{}`: {error}", path.display()))
                .fix("name a directory of your own with `--write DIR`")
        })?;
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn describe(suggested: &Suggested, environment: &Environment) -> String {
    let Suggested { attempts, written, cases, proposal, .. } = suggested;
    let mut lines = Vec::new();
    if written.is_none() {
        for Proposed { file, text } in &proposal.files {
            lines.push(format!("=== {file}\n{text}"));
        }
    }
    if !proposal.left.is_empty() {
        lines.push("=== not suggested".to_owned());
        lines.extend(proposal.left.iter().take(SHOWN).map(left));
        if proposal.left.len() > SHOWN {
            lines.push(format!("and {} more; see them with --json", proposal.left.len() - SHOWN));
        }
        lines.push(String::new());
    }
    let files = proposal.files.len();
    lines.push(match (files, written) {
        (0, _) => format!("nothing to suggest from {attempts} attempts"),
        (_, None) => format!("{cases} cases are met. To look at it in files: bailiwick policy suggest --write DIR"),
        (_, Some(directory)) => {
            let (from, home) = (directory.display(), environment.home.display());
            let have = |kind: &str| proposal.files.iter().any(|proposed| proposed.file.starts_with(kind));
            let kinds: Vec<_> = ["resources", "policies"].into_iter().filter(|kind| have(kind)).collect();
            let copy: Vec<_> = kinds.iter().map(|kind| format!("cp -n {from}/{kind}/* {home}/{kind}/")).collect();
            format!(
                "{files} files are in {from}; {cases} cases are met. Look at them; to take them into force:\n  {}\n  \
                 bailiwick policy check && bailiwick policy test {from}/{CASES}",
                copy.join("\n  ")
            )
        }
    });
    lines.join("\n")
}

fn left(left: &Left) -> String {
    let times = if left.times > 1 { format!(" x{}", left.times) } else { String::new() };
    format!("{}{times}\n  because {}; bailiwick explain {}", left.what, left.because, left.act)
}
