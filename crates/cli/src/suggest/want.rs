//! What was wanted: attempts, sorted into what can be proposed and what cannot, equal ones as one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use bailiwick_catalogue::{Address, Catalogue, Protocol, Resource, Scheme, Template};
use bailiwick_core::{
    ActionId, Arguments, Decision, EffectClass, Effects, Name, Operation, Reason, ReasonCode, ResourceRef,
    Value,
};
use bailiwick_wire::Attempted;

use super::{Left, words};

/// Where something was wanted that nobody declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.scheme.default_port() == Some(self.port) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// On what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum On {
    Listed(Name),
    Place(Place),
}

/// What one resource is proposed for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A resource that is there.
    Listed(Name),
    /// A service that a template knows.
    Known(&'static str),
    /// Any other.
    Place(Place),
}

/// Something that was wanted.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) on: On,
    pub(super) method: String,
    pub(super) path: String,
    /// The query's `name=value`, decoded; `None` where it is not on record.
    pub(super) query: Option<Vec<String>>,
    pub(super) operation: Operation,
    pub(super) effects: Effects,
    pub(super) target: String,
    pub(super) arguments: Arguments,
    pub(super) times: u64,
    /// The first attempt.
    pub(super) act: ActionId,
}

impl Want {
    /// What it is, for people.
    pub(super) fn what(&self) -> String {
        let effects: Vec<_> = self.effects.iter().map(EffectClass::name).collect();
        let (on, path) = match &self.on {
            On::Listed(name) => (name.to_string(), &self.target),
            On::Place(place) => (place.to_string(), &self.path),
        };
        format!(
            "{} ({}) on {}: {}",
            self.operation,
            effects.join(", "),
            words::shown(&on),
            words::shown(path)
        )
    }

    pub(super) fn left(&self, because: impl Into<String>) -> Left {
        Left { what: self.what(), because: because.into(), times: self.times, act: self.act }
    }

    /// The name of the case that stands for it.
    pub(super) fn case_name(&self) -> String {
        format!("{} [{}]", self.what(), self.act)
    }

    /// Whether its method is one that only reads, by the standard.
    pub(super) fn asks_to_read(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    /// Whether it is of git's smart protocol, which a template describes better than paths do.
    pub(super) fn speaks_git(&self) -> bool {
        let service = |pair: &String| pair.starts_with("service=git-");
        self.path.ends_with("/git-upload-pack")
            || self.path.ends_with("/git-receive-pack")
            || (self.path.ends_with("/info/refs") && self.query.iter().flatten().any(service))
    }

    fn key(&self) -> impl Ord + use<> {
        let arguments = match &self.on {
            On::Listed(_) => format!("{:?}", self.arguments),
            On::Place(_) => String::new(),
        };
        let what = (self.method.clone(), self.path.clone(), self.query.clone(), arguments);
        (self.on.clone(), self.operation.clone(), what)
    }

    fn subject(&self) -> Subject {
        match &self.on {
            On::Listed(name) => Subject::Listed(name.clone()),
            On::Place(place) => match Template::at(place.scheme, &place.host, place.port) {
                Some((template, _)) => Subject::Known(template.name),
                None => Subject::Place(place.clone()),
            },
        }
    }
}

/// Wants by what a resource would be proposed for.
pub(super) fn by_subject(wants: Vec<Want>) -> BTreeMap<Subject, Vec<Want>> {
    let mut subjects: BTreeMap<Subject, Vec<Want>> = BTreeMap::new();
    for want in wants {
        subjects.entry(want.subject()).or_default().push(want);
    }
    subjects
}

/// What can be proposed, and what cannot.
pub(super) fn sort(attempts: &[Attempted], catalogue: &Catalogue) -> (Vec<Want>, Vec<Left>) {
    let (mut wants, mut left) = (BTreeMap::new(), BTreeMap::new());
    for attempt in attempts {
        match judge(attempt, catalogue) {
            Judged::Nothing => {}
            Judged::Left(found) => {
                let key = (found.what.clone(), found.because.clone());
                left.entry(key).and_modify(|known: &mut Left| known.times += found.times).or_insert(found);
            }
            Judged::Want(want) => {
                let times = want.times;
                wants.entry(want.key()).and_modify(|known: &mut Want| known.times += times).or_insert(*want);
            }
        }
    }
    (wants.into_values().collect(), but_for_names(left.into_values().collect(), attempts))
}

/// A name that was asked for on the way to something else is nothing by itself.
fn but_for_names(left: Vec<Left>, attempts: &[Attempted]) -> Vec<Left> {
    let address = |attempt: &Attempted| match &attempt.resource {
        ResourceRef::Unlisted { address } => Address::parse(address, Protocol::Http).ok(),
        ResourceRef::Agent { .. } | ResourceRef::Listed { .. } => None,
    };
    let reached: BTreeSet<String> =
        attempts.iter().filter_map(address).map(|address| address.host.to_string()).collect();
    let only_asked_for = |left: &Left| {
        left.what.strip_prefix(NAME_OF).is_none_or(|name| !reached.contains(name.trim_end_matches('`')))
    };
    left.into_iter().filter(only_asked_for).collect()
}

const NAME_OF: &str = "the name `";

enum Judged {
    Left(Left),
    Nothing,
    Want(Box<Want>),
}

fn judge(attempt: &Attempted, catalogue: &Catalogue) -> Judged {
    let want = match read(attempt) {
        Ok(Some(want)) => want,
        Ok(None) => return Judged::Nothing,
        Err(left) => return Judged::Left(left),
    };
    let because = match &want.on {
        On::Listed(_) => listed(attempt),
        On::Place(place) => unlisted(attempt, place, catalogue),
    };
    match because {
        Ok(true) => Judged::Want(Box::new(want)),
        Ok(false) => Judged::Nothing,
        Err(because) => Judged::Left(want.left(words::shown(&because))),
    }
}

/// Whether an attempt on a declared resource lacks a policy, or why it is not for a proposal to change.
fn listed(attempt: &Attempted) -> Result<bool, String> {
    let reason = match &attempt.decision {
        Decision::Permit(_) => return Ok(false),
        Decision::Hold(refusal) | Decision::Refuse(refusal) => refusal.reasons.first(),
    };
    match reason {
        Some(reason) if reason.code == ReasonCode::NotPermitted => Ok(true),
        Some(reason) if reason.code == ReasonCode::Observed => {
            Err("the resource is declared: the policies in force decide, once the session is not observed"
                .to_owned())
        }
        reason => Err(told(reason)),
    }
}

/// Whether an attempt on something undeclared can be proposed, or why not.
fn unlisted(attempt: &Attempted, place: &Place, catalogue: &Catalogue) -> Result<bool, String> {
    let reason = match &attempt.decision {
        Decision::Permit(_) => None,
        Decision::Hold(refusal) | Decision::Refuse(refusal) => Some(refusal.reasons.first()),
    };
    match reason {
        None if attempt.outcome.as_deref() == Some("failed") => {
            let error = attempt.error.as_deref().unwrap_or("nobody knows why");
            return Err(format!("it failed: {error}"));
        }
        Some(Some(Reason { code: ReasonCode::Unlisted | ReasonCode::Observed, .. })) | None => {}
        Some(reason) => return Err(told(reason)),
    }
    if Resource::undeclared(place.scheme, &place.host, place.port).is_none() {
        return Err(
            "it is an address, or a name of this machine or its network: declare it yourself if it is meant"
                .to_owned(),
        );
    }
    match catalogue.lookup(place.scheme, &place.host, place.port) {
        Some(resource) => Err(format!("it is declared since, as `{}`", resource.name)),
        None => Ok(true),
    }
}

fn told(reason: Option<&Reason>) -> String {
    reason.map_or_else(|| "it was refused".to_owned(), |reason| reason.detail.clone())
}

/// What was attempted, as far as it can be proposed; `None` for what is none of a proposal's business.
fn read(attempt: &Attempted) -> Result<Option<Want>, Left> {
    let times = u64::from(attempt.count) + folded(attempt);
    let left = |what: String, because: &str| {
        Err(Left { what, because: because.to_owned(), times, act: attempt.act })
    };
    let on = match &attempt.resource {
        ResourceRef::Agent { .. } => return Ok(None),
        ResourceRef::Listed { name } => On::Listed(name.clone()),
        ResourceRef::Unlisted { address } => match Address::parse(address, Protocol::Http) {
            Ok(Address { scheme: Scheme::Tcp, .. }) => {
                return left(
                    words::shown(address),
                    "no HTTP was spoken there: declare it with `--protocol tcp` if it is meant",
                );
            }
            Ok(Address { scheme, host, port }) => On::Place(Place { scheme, host: host.to_string(), port }),
            Err(_) => match address.strip_prefix("dns://") {
                Some(name) => {
                    return left(
                        format!("{NAME_OF}{}`", words::shown(name)),
                        "only its address was asked for",
                    );
                }
                None => return left(words::shown(address), "its address cannot be read"),
            },
        },
    };
    let Some(arguments) = attempt.arguments.clone() else {
        return left(words::shown(&attempt.target), "its arguments are too long to be on record");
    };
    let text = |name: &str| match arguments.get(name) {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let known = matches!(attempt.decision, Decision::Permit(_)) || attempt.observed;
    Ok(Some(Want {
        on,
        method: text("method"),
        path: text("path"),
        query: if known { Some(query(&arguments)) } else { None },
        operation: attempt.operation.clone(),
        effects: attempt.effects,
        target: attempt.target.clone(),
        arguments,
        times,
        act: attempt.act,
    }))
}

fn query(arguments: &Arguments) -> Vec<String> {
    let Some(Value::List(pairs)) = arguments.get("query") else { return Vec::new() };
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    pairs.iter().filter_map(text).collect()
}

/// How many further ones a record stands for.
fn folded(attempt: &Attempted) -> u64 {
    match attempt.arguments.as_ref().and_then(|arguments| arguments.get("folded")) {
        Some(Value::Integer(folded)) => u64::try_from(*folded).unwrap_or_default(),
        _ => 0,
    }
}
