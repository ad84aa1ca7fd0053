//! `doctor`: what this machine enforces, proved by self-test and not by what a file says.

use std::{env, fs, process::ExitCode};

use bailiwick_sandbox::{Check, Tier, apparmor_profile, doctor};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    environment::Environment,
    output::{Failure, NO, Output},
    profile::agents::{self, Agent},
};

/// `doctor --json`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Doctor {
    /// How far this machine lets a sandbox go: `T0` none, `T1` Landlock and seccomp, `T2` and user namespaces.
    tier: String,
    /// What was tried.
    checks: Vec<Line>,
    /// The coding agents on this machine, and who each would be inside.
    agents: Vec<Agent>,
}

/// One check.
#[derive(Serialize, JsonSchema)]
struct Line {
    /// What it is about.
    name: String,
    /// Whether it holds.
    ok: bool,
    /// Whether nothing runs without it.
    required: bool,
    /// What proved it.
    proven_by: String,
    /// What would make it hold.
    fix: Option<String>,
}

/// Prints what would let this very program make user namespaces on a system whose AppArmor asks for it.
pub(crate) fn print_apparmor_profile(output: &Output) -> Result<ExitCode, Failure> {
    let program = env::current_exe()?;
    let profile = apparmor_profile(&program.display().to_string());
    output.data(&Profile { profile: profile.clone() }, || profile)?;
    Ok(ExitCode::SUCCESS)
}

/// `doctor --print-apparmor-profile --json`.
#[derive(Serialize, JsonSchema)]
struct Profile {
    /// The file for `/etc/apparmor.d`.
    profile: String,
}

pub(crate) fn execute(environment: &Environment, output: &Output) -> Result<ExitCode, Failure> {
    // Its own directory, so that it can be run without a home.
    let state = env::temp_dir().join(format!("bailiwick-doctor-{}", std::process::id()));
    fs::create_dir_all(&state)?;
    let diagnosis = doctor(&state);
    let _ = fs::remove_dir_all(&state);
    let checks: Vec<_> = diagnosis.checks.into_iter().map(Line::from).collect();
    let failed = checks.iter().any(|check| check.required && !check.ok) || diagnosis.tier < Tier::T2;
    let agents = agents::detected(environment, output)?;
    let doctor = Doctor { tier: format!("{:?}", diagnosis.tier), checks, agents };
    output.data(&doctor, || describe(&doctor))?;
    Ok(if failed { ExitCode::from(NO) } else { ExitCode::SUCCESS })
}

impl From<Check> for Line {
    fn from(check: Check) -> Self {
        Self {
            name: check.name,
            ok: check.ok,
            required: check.required,
            proven_by: check.proven_by,
            fix: check.fix,
        }
    }
}

fn describe(doctor: &Doctor) -> String {
    let mut lines = vec![format!("tier {}", doctor.tier)];
    for check in &doctor.checks {
        let mark = match (check.ok, check.required) {
            (true, _) => "ok     ",
            (false, true) => "MISSING",
            (false, false) => "absent ",
        };
        lines.push(format!("{mark} {:<24} {}", check.name, check.proven_by));
        lines.extend(check.fix.iter().filter(|_| !check.ok).map(|fix| format!("        to fix: {fix}")));
    }
    for agent in &doctor.agents {
        lines.push(format!("agent   {:<24} login: {}", agent.profile, agent.login));
    }
    lines.push("mode    single-user: your own processes outside sandboxes are trusted".to_owned());
    lines.join("\n")
}
