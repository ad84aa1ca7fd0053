//! Policy tests: actions, and what should be decided of them, as a person writes them.
//!
//! ```toml
//! [[case]]
//! name = "a push is a write"
//! agent = "coder"                # default: `agent`
//! task = "work on acme/site"     # the person's words; default: none
//! resource = "forge"             # an entry of the catalogue
//! operation = "git.push"
//! effects = ["write"]
//! arguments = { repo = "acme/site", delete = true }
//! expect = "permit"              # or `hold`, `refuse`
//! ```

use bailiwick_catalogue::Catalogue;
use bailiwick_core::{
    Action, ActionId, AgentName, Arguments, Chain, Effects, Grant, Initiator, InstanceId, Labels, Name,
    Operation, Repositories, ResourceRef, Session, SessionId, Task, TaskId, Timestamp,
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{Context, PolicySet, decide};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "case")]
    cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Which agent acts.
    #[serde(default)]
    pub agent: Option<AgentName>,
    /// Who initiated the work.
    #[serde(default)]
    pub user: Option<Name>,
    /// What the person said the work is about.
    #[serde(default)]
    pub task: String,
    /// Whether the session is observed.
    #[serde(default)]
    pub observed: bool,
    /// What the session has been exposed to; absent: to nothing.
    #[serde(default)]
    pub labels: Option<Labels>,
    /// On which resource; for `session.delegate`, to which agent.
    pub resource: Name,
    /// Doing what.
    pub operation: Operation,
    /// With which effects.
    pub effects: Effects,
    /// On what in the resource.
    #[serde(default)]
    pub target: String,
    /// With which arguments.
    #[serde(default)]
    pub arguments: Arguments,
    /// What should be decided: `permit`, `hold` or `refuse`.
    pub expect: String,
}

/// A case that was decided otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFailure {
    /// Its name.
    pub name: String,
    /// What should have been decided.
    pub expected: String,
    /// What was.
    pub actual: String,
    /// Why, where it was not a permit.
    pub reason: Option<String>,
}

/// Runs the cases in `text` and gives their number, and those that were decided otherwise.
///
/// # Errors
/// If the text is not a file of cases.
pub fn run_cases(
    text: &str,
    policies: &PolicySet,
    catalogue: &Catalogue,
) -> Result<(usize, Vec<CaseFailure>), String> {
    let File { cases } = toml::from_str(text).map_err(|error| error.to_string())?;
    let failures = cases.iter().filter_map(|case| run(case, policies, catalogue)).collect();
    Ok((cases.len(), failures))
}

fn run(case: &Case, policies: &PolicySet, catalogue: &Catalogue) -> Option<CaseFailure> {
    let session = session(case);
    let action = action(case, &session);
    let failure = |actual: String, reason| CaseFailure {
        name: case.name.clone(),
        expected: case.expect.clone(),
        actual,
        reason,
    };
    let chain = match Chain::new(vec![&session]) {
        Ok(chain) => chain,
        Err(error) => return Some(failure(error.to_string(), None)),
    };
    let resource = catalogue.by_name(&case.resource).map(AsRef::as_ref);
    let context = Context::new(session.opened_at, &chain, policies).with_resource(resource);
    let decision = decide(&action, &context);
    let reason = decision.reason().map(|reason| reason.detail.clone());
    (decision.word() != case.expect).then(|| failure(decision.word().to_owned(), reason))
}

fn session(case: &Case) -> Session {
    let id = Uuid::nil();
    let named = |name: &Option<Name>, default: &str| name.clone().or_else(|| default.parse().ok());
    let opened_at = Timestamp::from_micros(0);
    Session {
        id: SessionId::from_uuid(id),
        parent: None,
        initiator: Initiator::User {
            name: named(&case.user, "user").unwrap_or_else(|| case.resource.clone()),
            uid: None,
        },
        agent: named(&case.agent, "agent").unwrap_or_else(|| case.resource.clone()),
        instance: InstanceId::from_uuid(id),
        task: Task {
            repositories: Repositories {
                names: Repositories::named_in(&case.task),
                ..Repositories::default()
            },
            pages: Task::pages_in(&case.task),
            ..Task::new(TaskId::from_uuid(id), &case.task)
        },
        grant: Grant::unrestricted(),
        labels: case.labels.clone().unwrap_or(Labels::CLEAN),
        depth: 0,
        opened_at,
        expires_at: opened_at.after(std::time::Duration::from_secs(1)),
        evidence: None,
        observed: case.observed,
        workspace: None,
    }
}

fn action(case: &Case, session: &Session) -> Action {
    Action {
        id: ActionId::from_uuid(Uuid::nil()),
        at: session.opened_at,
        session: session.id,
        process: None,
        claimed: None,
        resource: if case.operation.is_delegation() {
            ResourceRef::Agent { name: case.resource.clone() }
        } else {
            ResourceRef::Listed { name: case.resource.clone() }
        },
        operation: case.operation.clone(),
        effects: case.effects,
        target: case.target.clone(),
        arguments: case.arguments.clone(),
        body: None,
        head: None,
    }
}
