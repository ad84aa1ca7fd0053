//! Grants: what a session may do. A grant only ever narrows what stands above it.
//!
//! Attenuation is by conjunction: an action needs *every* grant from the root session to the acting one, so exceeding a parent is
//! impossible whatever a child's grant says. [`Grant::lint_within`] is only an early, friendly warning at delegation; it decides nothing.

mod lint;
mod meet;

use serde::{Deserialize, Serialize};

use crate::{Action, Digest, EffectClass, Name, ResourceRef, Session, Value};

pub use lint::WideningError;

/// A set of capabilities. An action needs one of them; an empty grant allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// What may be done.
    pub capabilities: Vec<Capability>,
}

/// Resource × operations × constraints on arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// Which resources, by name.
    pub resource: NamePattern,
    /// Which operations, by name. Empty: none.
    pub operations: Vec<NamePattern>,
    /// The only classes of effect allowed; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<Vec<EffectClass>>,
    /// What must hold of the arguments, all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// Who may use it.
    #[serde(default)]
    pub exercise: Exercise,
}

/// Who may use a capability.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Exercise {
    /// Only sessions delegated to this agent; never the session that holds it. It passes through the hands of that agent alone: every
    /// session below the holder, down to the acting one, must be of that agent and for such a task. Holding it includes
    /// `session.delegate` to that agent.
    DelegateOnly {
        /// The agent that may use it.
        agent: Name,
        /// The statement of the tasks it may be used for; absent: any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<NamePattern>,
    },
    /// The session that holds it, and whatever it delegates to.
    #[default]
    #[serde(rename = "self", alias = "holder")]
    Holder,
}

/// An exact name, a name followed by `*` (any that start so), or `*` alone (any).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct NamePattern(pub String);

/// One thing that must hold of one argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// The argument's name. An action without it does not satisfy the constraint.
    pub argument: String,
    /// What must hold.
    #[serde(flatten)]
    pub test: Test,
}

/// A test of one argument's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// At most this integer.
    AtMost(i64),
    /// Exactly this.
    Equals(Value),
    /// One of these.
    OneOf(Vec<Value>),
    /// A `/`-separated text that is this or lies below it, by whole segments.
    Within(String),
}

/// Why a grant does not cover an action: the closest it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum GrantShortfall {
    /// No capability names the resource.
    #[error("the grant does not name resource `{resource}`")]
    Resource {
        /// The resource asked for.
        resource: String,
    },
    /// Some capability names the resource, none with the operation.
    #[error("the grant on `{resource}` does not include `{operation}`")]
    Operation {
        /// The resource asked for.
        resource: String,
        /// The operation asked for.
        operation: String,
    },
    /// The effects go beyond those allowed.
    #[error("the grant on `{resource}` does not include the effect `{effect}`")]
    Effect {
        /// The resource asked for.
        resource: String,
        /// The first effect that is not covered.
        effect: String,
    },
    /// A constraint does not hold.
    #[error("argument `{argument}` is outside what the grant on `{resource}` allows")]
    Argument {
        /// The resource asked for.
        resource: String,
        /// The argument that does not satisfy its constraint.
        argument: String,
    },
    /// The capability is there to be handed on, not to be used.
    #[error(
        "the grant on `{resource}` is only for sessions delegated to agent `{agent}` (for the tasks that it names), not to be used here"
    )]
    DelegateOnly {
        /// The resource asked for.
        resource: String,
        /// The agent that may use it.
        agent: String,
    },
}

impl NamePattern {
    /// The pattern that matches every name.
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// Whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => self.0 == name,
        }
    }

    fn within(&self, wider: &Self) -> bool {
        match wider.0.strip_suffix('*') {
            Some(start) => self.0.strip_suffix('*').unwrap_or(&self.0).starts_with(start),
            None => self.0 == wider.0,
        }
    }
}

impl Test {
    /// Whether `value` passes.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Self::AtMost(limit) => matches!(value, Value::Integer(number) if number <= limit),
            Self::Equals(expected) => value == expected,
            Self::OneOf(allowed) => allowed.contains(value),
            Self::Within(root) => matches!(value, Value::Text(path) if lies_within(path, root)),
        }
    }
}

/// By whole segments, and only for paths without empty, `.` or `..` segments: what is not canonical lies nowhere.
fn lies_within(path: &str, root: &str) -> bool {
    let canonical = |path: &str| path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    let root = root.trim_end_matches('/');
    let below = path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    below && canonical(path) && !matches!(path.split('/').next(), Some("." | ".."))
}

impl Grant {
    /// Everything, everywhere: the grant of a root session that only policy restrains.
    pub fn unrestricted() -> Self {
        Self {
            capabilities: vec![Capability {
                resource: NamePattern::any(),
                operations: vec![NamePattern::any()],
                effects: None,
                constraints: Vec::new(),
                exercise: Exercise::Holder,
            }],
        }
    }

    /// Whether one capability covers `action`, performed by the last of `below`: the sessions on the path below the one whose grant this
    /// is. Where that one acts itself, there are none. On failure: the shortfall of the capability that came closest.
    ///
    /// # Errors
    /// If none does.
    pub fn covers(&self, action: &Action, below: &[&Session]) -> Result<(), GrantShortfall> {
        let mut closest = GrantShortfall::Resource { resource: action.resource.qualified() };
        for capability in &self.capabilities {
            match capability.covers(action, below) {
                Ok(()) => return Ok(()),
                Err(shortfall) => closest = closest.max(shortfall),
            }
        }
        Err(closest)
    }

    /// The same grant for the record: digests stand for the words of tasks.
    #[must_use]
    pub fn without_words(&self) -> Self {
        let mut grant = self.clone();
        for capability in &mut grant.capabilities {
            if let Exercise::DelegateOnly { task: Some(task), .. } = &mut capability.exercise {
                *task = NamePattern(Digest::of(task.0.as_bytes()).to_string());
            }
        }
        grant
    }
}

impl Capability {
    fn covers(&self, action: &Action, below: &[&Session]) -> Result<(), GrantShortfall> {
        if action.operation.is_delegation() && self.hands_to(&action.resource, below) {
            return Ok(());
        }
        let resource = action.resource.qualified();
        if !self.resource.matches(&resource) {
            return Err(GrantShortfall::Resource { resource });
        }
        let operation = action.operation.as_str();
        if !self.operations.iter().any(|pattern| pattern.matches(operation)) {
            return Err(GrantShortfall::Operation { resource, operation: operation.to_owned() });
        }
        if let Some(allowed) = &self.effects
            && let Some(effect) = action.effects.iter().find(|effect| !allowed.contains(effect))
        {
            return Err(GrantShortfall::Effect { resource, effect: effect.name().to_owned() });
        }
        let unmet = self.constraints.iter().find(|constraint| {
            !action.arguments.get(&constraint.argument).is_some_and(|value| constraint.test.holds(value))
        });
        if let Some(constraint) = unmet {
            return Err(GrantShortfall::Argument { resource, argument: constraint.argument.clone() });
        }
        match &self.exercise {
            Exercise::DelegateOnly { agent, .. } if !self.exercise.allows(below) => {
                Err(GrantShortfall::DelegateOnly { resource, agent: agent.to_string() })
            }
            Exercise::DelegateOnly { .. } | Exercise::Holder => Ok(()),
        }
    }

    /// Whether this is there to be handed to that agent, by the session that holds it or by one that it was handed to.
    fn hands_to(&self, resource: &ResourceRef, below: &[&Session]) -> bool {
        let Exercise::DelegateOnly { agent, .. } = &self.exercise else { return false };
        matches!(resource, ResourceRef::Agent { name } if agent == name)
            && (below.is_empty() || self.exercise.allows(below))
    }
}

impl Exercise {
    /// Whether the last of `below` may use what the session above them all holds.
    fn allows(&self, below: &[&Session]) -> bool {
        match self {
            Self::DelegateOnly { agent, task } => {
                let named = |session: &&Session| {
                    session.agent == *agent
                        && task.as_ref().is_none_or(|task| task.matches(&session.task.statement))
                };
                !below.is_empty() && below.iter().all(named)
            }
            Self::Holder => true,
        }
    }
}
