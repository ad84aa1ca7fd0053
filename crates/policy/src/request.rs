//! An action and its circumstances, as Cedar sees them.
//!
//! The action entity is made anew for each action: what it is *in* are the effects of this very attempt, not what its name usually does.

use std::collections::{BTreeSet, HashMap, HashSet};

use bailiwick_catalogue::{Attributes, Resource};
use bailiwick_core::{
    Action, Confidentiality, EffectClass, Integrity, Labels, Name, Repositories, Session, Value,
};
use cedar_policy::{
    Context as CedarContext, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression,
};

use crate::{Context, decide::stated};

/// What an action is aimed at, once it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim<'a> {
    /// An agent that work is handed to.
    Agent(&'a Name),
    /// An entry of the catalogue.
    Resource(&'a Resource),
    /// The address of what the catalogue does not know.
    Unlisted(&'a str),
}

/// Everything Cedar needs, and what the scope index needs.
pub(crate) struct Prepared {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
    /// The principal, the action, the resource, and everything they are in.
    pub(crate) named: Vec<EntityUid>,
}

/// An action that cannot be put to Cedar. It is refused.
#[derive(Debug, thiserror::Error)]
#[error("the action cannot be put to the policies: {0}")]
pub(crate) struct Unaskable(String);

impl Prepared {
    pub(crate) fn new(
        action: &Action,
        aim: Aim<'_>,
        context: &Context<'_>,
        approved: bool,
    ) -> Result<Self, Unaskable> {
        let names = Names::new()?;
        let mut entities = names.sessions(context.chain.iter())?;
        let (verb, verb_entities) = names.action(action)?;
        let (thing, thing_entities) = match aim {
            Aim::Agent(name) => names.handed_to(name)?,
            Aim::Resource(resource) => names.upstream(resource.name.as_str(), &resource.attributes, true)?,
            // Nobody said anything about it.
            Aim::Unlisted(address) => names.upstream(address, &Attributes::default(), false)?,
        };
        entities.extend(verb_entities);
        for entity in thing_entities {
            // The agent may be one of those that act.
            if !entities.iter().any(|known| known.uid() == entity.uid()) {
                entities.push(entity);
            }
        }
        let acting = names.uid(&names.session, &context.chain.acting().id.to_string());
        let named = entities.iter().map(Entity::uid).collect();
        let circumstances = circumstances(action, context, approved)?;
        Ok(Self {
            request: Request::new(acting, verb, thing, circumstances, None).map_err(unaskable)?,
            entities: Entities::from_entities(entities, None).map_err(unaskable)?,
            named,
        })
    }
}

struct Names {
    action: EntityTypeName,
    agent: EntityTypeName,
    resource: EntityTypeName,
    session: EntityTypeName,
    task: EntityTypeName,
    user: EntityTypeName,
}

impl Names {
    fn new() -> Result<Self, Unaskable> {
        let name = |name: &str| name.parse::<EntityTypeName>().map_err(unaskable);
        Ok(Self {
            action: name("Action")?,
            agent: name("Agent")?,
            resource: name("Resource")?,
            session: name("Session")?,
            task: name("Task")?,
            user: name("User")?,
        })
    }

    #[expect(clippy::unused_self, reason = "reads as what the names are for")]
    fn uid(&self, kind: &EntityTypeName, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
    }

    /// The sessions of a chain, root first, each in its agent, its task and the one before it.
    fn sessions<'a>(&self, chain: impl Iterator<Item = &'a Session>) -> Result<Vec<Entity>, Unaskable> {
        let mut entities = Vec::new();
        let mut seen = HashSet::new();
        let mut about: Option<Repositories> = None;
        for session in chain {
            let own = &session.task.repositories;
            // A task is about no more than the one it serves.
            let met = about.as_ref().map_or_else(|| own.clone(), |above| above.meet(own));
            let agent = self.uid(&self.agent, session.agent.as_str());
            let task = self.uid(&self.task, &session.task.id.to_string());
            let user = self.uid(&self.user, session.initiator.name().as_str());
            let mut parents = HashSet::from([agent.clone(), task.clone()]);
            parents.extend(session.parent.map(|parent| self.uid(&self.session, &parent.to_string())));
            let attributes = HashMap::from([
                ("agent".to_owned(), text(session.agent.as_str())),
                ("depth".to_owned(), RestrictedExpression::new_long(session.depth.into())),
                ("initiator".to_owned(), RestrictedExpression::new_entity_uid(user.clone())),
                ("observed".to_owned(), RestrictedExpression::new_bool(session.observed)),
                ("protected".to_owned(), texts(&met.protected())),
                ("repositories".to_owned(), texts(&met.spellings())),
            ]);
            about = Some(met);
            let id = self.uid(&self.session, &session.id.to_string());
            entities.push(Entity::new(id, attributes, parents).map_err(unaskable)?);
            if seen.insert(user.clone()) {
                let name = HashMap::from([("name".to_owned(), text(session.initiator.name().as_str()))]);
                entities.push(Entity::new(user, name, HashSet::new()).map_err(unaskable)?);
            }
            for plain in [agent, task] {
                if seen.insert(plain.clone()) {
                    entities.push(Entity::new_no_attrs(plain, HashSet::new()));
                }
            }
        }
        Ok(entities)
    }

    /// The action, in its effect classes and its protocol.
    fn action(&self, action: &Action) -> Result<(EntityUid, Vec<Entity>), Unaskable> {
        let id = self.uid(&self.action, action.operation.as_str());
        let class = |class: EffectClass| self.uid(&self.action, class.name());
        let mut parents: HashSet<_> = action.effects.iter().map(class).collect();
        let protocol = self.uid(&self.action, action.operation.protocol());
        parents.insert(protocol.clone());
        let mut entities = vec![Entity::new_no_attrs(protocol, HashSet::new())];
        for effect in action.effects.iter() {
            let implied = effect.implies().map(class).into_iter().collect();
            entities.push(Entity::new_no_attrs(class(effect), implied));
        }
        if parents.contains(&id) {
            return Err(unaskable("an operation is called like an effect class"));
        }
        entities.push(Entity::new_no_attrs(id.clone(), parents));
        Ok((id, entities))
    }

    /// An agent, as something acted on: nothing is known of it but its name.
    fn handed_to(&self, name: &Name) -> Result<(EntityUid, Vec<Entity>), Unaskable> {
        let agent = self.uid(&self.agent, name.as_str());
        let id = self.uid(&self.resource, &format!("agent:{name}"));
        let attributes = HashMap::from([
            ("compartments".to_owned(), texts(&BTreeSet::new())),
            ("environment".to_owned(), text("")),
            ("integrity".to_owned(), text(integrity(Integrity::User))),
            ("listed".to_owned(), RestrictedExpression::new_bool(false)),
            ("owner".to_owned(), text("")),
            ("reversible".to_owned(), RestrictedExpression::new_bool(true)),
            ("sensitivity".to_owned(), text(confidentiality(Confidentiality::Public))),
        ]);
        let entity =
            Entity::new(id.clone(), attributes, HashSet::from([agent.clone()])).map_err(unaskable)?;
        Ok((id, vec![entity, Entity::new_no_attrs(agent, HashSet::new())]))
    }

    /// Something upstream, and whether the catalogue knows it.
    fn upstream(
        &self,
        name: &str,
        attributes: &Attributes,
        listed: bool,
    ) -> Result<(EntityUid, Vec<Entity>), Unaskable> {
        let id = self.uid(&self.resource, name);
        let optional = |value: &Option<String>| text(value.as_deref().unwrap_or_default());
        let attributes = HashMap::from([
            ("compartments".to_owned(), texts(&attributes.compartments)),
            ("environment".to_owned(), optional(&attributes.environment)),
            ("integrity".to_owned(), text(integrity(attributes.integrity))),
            ("listed".to_owned(), RestrictedExpression::new_bool(listed)),
            ("owner".to_owned(), optional(&attributes.owner)),
            ("reversible".to_owned(), RestrictedExpression::new_bool(attributes.reversible)),
            ("sensitivity".to_owned(), text(confidentiality(attributes.sensitivity))),
        ]);
        let entity = Entity::new(id.clone(), attributes, HashSet::new()).map_err(unaskable)?;
        Ok((id, vec![entity]))
    }
}

fn circumstances(action: &Action, context: &Context<'_>, approved: bool) -> Result<CedarContext, Unaskable> {
    let arguments = action.arguments.iter().map(|(name, argument)| (name.clone(), value(argument)));
    let arguments = RestrictedExpression::new_record(arguments).map_err(unaskable)?;
    let program = action.process.as_ref().map(bailiwick_core::ProcessFacts::short).unwrap_or_default();
    CedarContext::from_pairs([
        ("approved".to_owned(), RestrictedExpression::new_bool(approved)),
        ("arguments".to_owned(), arguments),
        ("labels".to_owned(), labels(&context.chain.labels())?),
        ("now".to_owned(), RestrictedExpression::new_long(context.now.as_micros() / 1_000_000)),
        ("program".to_owned(), text(program)),
        ("stated".to_owned(), RestrictedExpression::new_bool(stated(action, context))),
        ("target".to_owned(), text(&action.target)),
    ])
    .map_err(unaskable)
}

fn labels(labels: &Labels) -> Result<RestrictedExpression, Unaskable> {
    RestrictedExpression::new_record([
        ("compartments".to_owned(), texts(&labels.compartments)),
        ("confidentiality".to_owned(), text(confidentiality(labels.confidentiality))),
        ("integrity".to_owned(), text(integrity(labels.integrity))),
    ])
    .map_err(unaskable)
}

fn value(argument: &Value) -> RestrictedExpression {
    match argument {
        Value::Boolean(value) => RestrictedExpression::new_bool(*value),
        Value::Integer(value) => RestrictedExpression::new_long(*value),
        Value::Text(value) => text(value),
        Value::List(values) => RestrictedExpression::new_set(values.iter().map(value)),
        Value::Record(values) => {
            let fields = values.iter().map(|(name, field)| (name.clone(), value(field)));
            // The names of a map are distinct, which is all that could be wrong.
            RestrictedExpression::new_record(fields).unwrap_or_else(|_| text(""))
        }
    }
}

fn texts<'a>(values: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(|value| text(value)))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

const fn integrity(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::User => "user",
        Integrity::Organisation => "organisation",
        Integrity::Vetted => "vetted",
        Integrity::Untrusted => "untrusted",
    }
}

const fn confidentiality(confidentiality: Confidentiality) -> &'static str {
    match confidentiality {
        Confidentiality::Public => "public",
        Confidentiality::Internal => "internal",
        Confidentiality::Confidential => "confidential",
        Confidentiality::Restricted => "restricted",
    }
}

fn unaskable(error: impl std::fmt::Display) -> Unaskable {
    Unaskable(error.to_string())
}
