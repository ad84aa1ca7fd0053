//! `ledger`: checks and proofs, offline, from nothing but the files.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use bailiwick_client::Client;
use bailiwick_ledger::{Disk, LogReader, Report, stored_key, verify};

use bailiwick_wire::Done;

use crate::{
    args::Ledger,
    environment::Environment,
    output::{Failure, NO, NOT_FOUND, Output},
};

/// `ledger verify --json`.
pub(crate) type Verified = Report;

/// Records read at a time.
const BATCH: usize = 4096;

pub(crate) fn execute(
    command: &Ledger,
    environment: &Environment,
    output: &Output,
) -> Result<ExitCode, Failure> {
    match command {
        Ledger::Verify { directory } => {
            let directory = directory.as_ref().map(|directory| environment.absolute(directory));
            check(&directory.unwrap_or_else(|| environment.home.join("ledger")), output)
        }
        Ledger::Proof { index } => proof(*index, environment),
        Ledger::Export { format } => export(format, environment, output),
    }
}

fn check(directory: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let report = verify(&disk(directory)?, None);
    output.data(&report, || describe(&report))?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn describe(report: &Report) -> String {
    let mut lines = vec![
        format!(
            "records   {} ({} attempts, {} outcomes, {} unknown)",
            report.records, report.attempts, report.outcomes, report.unknown_outcomes
        ),
        format!("root      {}", report.root),
        format!("signed    {} records, as `{}`", report.checkpoint, report.origin),
    ];
    match &report.problem {
        None => lines.push("verified  every record, tile, signature and chain fits".to_owned()),
        Some(problem) => {
            let place = problem.index.map(|index| format!(" at record {index}")).unwrap_or_default();
            lines.push(format!("NOT OK    `{}`{place}: {}", problem.file, problem.detail));
            lines.push(
                "to fix    change nothing, and check a copy: bailiwick ledger verify --directory COPY"
                    .to_owned(),
            );
        }
    }
    lines.push(format!("note      {}", report.note));
    lines.join("\n")
}

/// Has a daemon, if there is one, sign what it wrote last, and says whether it did. Without one everything is signed already, or will be
/// when it starts.
fn sign_what_is_there(environment: &Environment) -> bool {
    Client::new(&environment.home).post::<Done>("/v1/checkpoint", &()).is_ok()
}

fn proof(index: u64, environment: &Environment) -> Result<ExitCode, Failure> {
    sign_what_is_there(environment);
    let disk = disk(&environment.home.join("ledger"))?;
    let reader = reader(&disk)?;
    let proof = reader.proof(index).map_err(|error| {
        Failure::new(NOT_FOUND, "not_found", error)
            .fix("bailiwick ledger verify   (it says how many there are)")
    })?;
    io::stdout().write_all(proof.to_string().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn export(format: &str, environment: &Environment, output: &Output) -> Result<ExitCode, Failure> {
    if format != "ndjson" {
        return Err(Failure::usage(format!("there is no format `{format}`")).fix("--format ndjson"));
    }
    let signed = sign_what_is_there(environment);
    let disk = disk(&environment.home.join("ledger"))?;
    let reader = reader(&disk)?;
    let mut stdout = io::stdout().lock();
    let mut from = 0;
    loop {
        let records = reader.records(from, BATCH).map_err(|error| Failure::new(NO, "ledger", error))?;
        let Some(last) = records.last() else { break };
        from = last.index + 1;
        for record in &records {
            stdout.write_all(&record.leaf)?;
            stdout.write_all(b"\n")?;
        }
    }
    let unsigned = if signed { 0 } else { verify(&disk, None).records.saturating_sub(from) };
    if unsigned > 0 {
        output.say(format!(
            "bailiwick: {unsigned} further records are left out: no daemon has signed them yet\n  to fix: bailiwick run -- true   (starts one)"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn disk(directory: &Path) -> Result<Disk, Failure> {
    Disk::for_reading(directory).map_err(|error| {
        Failure::new(NOT_FOUND, "ledger", error)
            .fix("bailiwick run -- true   (the first run begins a ledger)")
    })
}

fn reader(disk: &Disk) -> Result<LogReader<'_>, Failure> {
    let failed = |error| Failure::new(NO, "ledger", error).fix("bailiwick ledger verify");
    let key = stored_key(disk).map_err(failed)?;
    LogReader::open(disk, &key).map_err(failed)
}
