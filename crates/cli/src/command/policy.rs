//! `policy`: what the files say, without taking them into force.

use std::{fs, path::PathBuf, process::ExitCode};

use bailiwick_authority::{LoadError, Settings, Snapshot, create_home};
use serde::Serialize;

use super::suggest;
use crate::{
    args::Policy,
    environment::Environment,
    output::{Failure, NO, Output, USAGE},
};

#[derive(Serialize)]
struct Checked {
    ok: bool,
    resources: usize,
    policies: usize,
    problems: Vec<String>,
}

pub(crate) fn execute(
    command: &Policy,
    environment: &Environment,
    output: &Output,
) -> Result<ExitCode, Failure> {
    match command {
        Policy::Check => check(environment, output),
        Policy::List => list(environment, output),
        Policy::Test { files } => test(files, environment, output),
        Policy::Suggest { sessions, write } => {
            suggest::execute(sessions, write.as_deref(), environment, output)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(environment: &Environment, output: &Output) -> Result<ExitCode, Failure> {
    create_home(&environment.home).map_err(|error| Failure::home(USAGE, &error))?;
    let checked = match read(environment) {
        Ok(snapshot) => Checked {
            ok: true,
            resources: snapshot.catalogue.iter().count(),
            policies: snapshot.policies.len(),
            problems: Vec::new(),
        },
        Err(LoadError(problems)) => Checked { ok: false, resources: 0, policies: 0, problems },
    };
    output.data(&checked, || {
        if checked.ok {
            format!("{} resources and {} policies are in order", checked.resources, checked.policies)
        } else {
            checked.problems.join("\n")
        }
    })?;
    Ok(if checked.ok { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

pub(super) fn load(environment: &Environment) -> Result<Snapshot, Failure> {
    create_home(&environment.home).map_err(|error| Failure::home(USAGE, &error))?;
    read(environment)
        .map_err(|error| Failure::usage(error).fix("correct that, then `bailiwick policy check`"))
}

/// What the person's files say, or every mistake in them.
fn read(environment: &Environment) -> Result<Snapshot, LoadError> {
    let settings = Settings::read(&environment.home).map_err(|error| LoadError(vec![error.to_string()]))?;
    Snapshot::load(&environment.home, &settings)
}

/// One policy in force.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    file: &'a str,
    effect: &'a str,
    gate: Option<&'a str>,
    why: Option<&'a str>,
}

fn list(environment: &Environment, output: &Output) -> Result<ExitCode, Failure> {
    for stated in load(environment)?.policies.stated() {
        let gate = match (stated.permits, stated.step_up) {
            (true, _) => None,
            (false, true) => Some("step_up"),
            (false, false) => Some("hard"),
        };
        let listed = Listed {
            id: &stated.id,
            file: &stated.file,
            effect: if stated.permits { "permit" } else { "forbid" },
            gate,
            why: stated.why.as_deref(),
        };
        output.data(&listed, || {
            let gate = gate.map(|gate| format!(" ({gate})")).unwrap_or_default();
            format!("{:<32} {}{gate}  {}", listed.id, listed.effect, listed.why.unwrap_or_default())
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `policy test --json`.
#[derive(Serialize)]
struct Tested {
    ok: bool,
    cases: usize,
    failures: Vec<String>,
}

fn test(files: &[PathBuf], environment: &Environment, output: &Output) -> Result<ExitCode, Failure> {
    let snapshot = load(environment)?;
    let mut tested = Tested { ok: true, cases: 0, failures: Vec::new() };
    for file in files {
        let path = environment.absolute(file);
        let wrong = |detail: String| Failure::usage(format!("`{}`: {detail}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let (cases, failures) =
            bailiwick_policy::run_cases(&text, &snapshot.policies, &snapshot.catalogue).map_err(wrong)?;
        tested.cases += cases;
        tested.failures.extend(failures.iter().map(|failure| {
            let reason = failure.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("`{}` expected {}, was {}{reason}", failure.name, failure.expected, failure.actual)
        }));
    }
    tested.ok = tested.failures.is_empty();
    output.data(&tested, || {
        let mut lines = tested.failures.clone();
        lines.push(format!("{} cases, {} failed", tested.cases, tested.failures.len()));
        lines.join("\n")
    })?;
    Ok(if tested.ok { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}
