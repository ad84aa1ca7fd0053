//! `demo`: a ticket that attacks, played for real. Four services with a secret each, two agents in two sandboxes, the second in a session
//! that the first handed on, a key that one is lent and never sees, and for each step what was expected beside what happened, read from the services' own logs or from the record,
//! never from what the play believes.

mod agent;
mod approver;
mod scenes;
mod service;
mod stage;

use std::process::ExitCode;

use serde::Serialize;

use self::{
    agent::Agent,
    scenes::{SCENES, Scene},
    service::{Kind, Service},
    stage::Stage,
};
use crate::{
    environment::Environment,
    output::{Failure, NO, Output},
};

/// One step, and how it went.
#[derive(Clone, Debug, Serialize)]
struct Step {
    name: &'static str,
    expected: &'static str,
    actual: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<String>,
}

/// The last line of `demo --json`.
#[derive(Debug, Serialize)]
struct Played {
    ok: bool,
    steps: Vec<Step>,
}

/// Everything on stage.
struct Play<'a> {
    stage: Stage,
    services: Vec<Service>,
    /// Reads tickets, and may hand the power over the cloud on; never use it.
    reader: Agent,
    /// Was handed that power, for one service.
    operator: Agent,
    output: &'a Output,
}

impl Play<'_> {
    fn service(&self, kind: Kind) -> Result<&Service, Failure> {
        let found = self.services.iter().find(|service| service.kind == kind);
        found.ok_or_else(|| Failure::new(NO, "demo", format!("the service `{}` did not start", kind.name())))
    }
}

/// Plays it.
pub(crate) fn execute(environment: &Environment, output: &Output) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut services = Vec::new();
    for kind in [Kind::Tickets, Kind::Cloud, Kind::Mail, Kind::Model] {
        let started = runtime.block_on(Service::start(kind));
        services.push(started.map_err(|error| Failure::new(NO, "demo", error))?);
    }
    let stage = Stage::build(environment, &services)?;
    let steps = match perform(&stage, services, output) {
        Ok(steps) => steps,
        Err(failure) => {
            stage.clear();
            return Err(failure);
        }
    };
    stage.clear();
    let ok = steps.iter().all(|step| step.actual == step.expected);
    let played = Played { ok, steps };
    output.data(&played, || {
        let verdict = if ok { "everything went as it should" } else { "NOT everything went as it should" };
        format!("{verdict}: {} steps", played.steps.len())
    })?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn perform(stage: &Stage, services: Vec<Service>, output: &Output) -> Result<Vec<Step>, Failure> {
    let reader = Agent::start(stage, "reader", "answer ticket 7", None)?;
    let operator = Agent::start(stage, "operator", "restart api-7", Some(reader.session()))?;
    let mut play = Play { stage: stage.clone(), services, reader, operator, output };
    let mut steps = Vec::new();
    for scene in SCENES {
        let scene: &Scene = scene;
        let step = scene(&mut play)?;
        output.say(line(&step));
        steps.push(step);
    }
    Ok(steps)
}

fn line(step: &Step) -> String {
    let mark = if step.actual == step.expected { "✓" } else { "✗" };
    let act = step.act.as_deref().unwrap_or_default();
    format!("{mark} {:<66} {:<10} {act}", step.name, step.actual).trim_end().to_owned()
}
