//! What is proposed for one resource: its name, its definition, and what its requests would mean by that very definition.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_catalogue::{Definition, Resource, Template};
use bailiwick_core::{Arguments, Effects, Name, Operation};
use bailiwick_gateway::{Case, Meaning};

use super::{
    Here, Left, MOST,
    resource::{self, Drawn},
    want::{On, Place, Subject, Want},
};

/// A read that is proposed, and what it means.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) want: Want,
    pub(super) operation: Operation,
    pub(super) effects: Effects,
    pub(super) target: String,
    pub(super) arguments: Arguments,
}

/// What is proposed for one resource.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: Name,
    /// The definition, where it is not declared already.
    pub(super) definition: Option<String>,
    /// Where it is, for people.
    pub(super) place: String,
    /// Whether what is read of it is told apart by who owns it.
    pub(super) owned: bool,
    pub(super) reads: Vec<Read>,
    /// What does more than read.
    pub(super) asks: Vec<Want>,
}

impl Group {
    /// What is proposed for `subject`; what cannot be goes to `left`. `None` where nothing is.
    pub(super) fn new(
        subject: &Subject,
        wants: Vec<Want>,
        here: &Here<'_>,
        taken: &mut BTreeSet<Name>,
        left: &mut Vec<Left>,
    ) -> Option<Self> {
        let wants = few(wants, left);
        let group = match subject {
            Subject::Listed(name) => Some(of_listed(name, wants, here, left)),
            Subject::Known(template) => known(template, wants, here, taken, left),
            Subject::Place(place) => elsewhere(place, wants, taken, left),
        };
        let group = group?;
        if group.reads.is_empty() {
            let because = format!(
                "it does more than read, and nothing was read there: declare it yourself, `bailiwick resource add {} --address {}`",
                group.name, group.place
            );
            left.extend(group.asks.iter().map(|want| want.left(because.clone())));
        }
        Some(group)
    }

    /// The reads by operation.
    pub(super) fn operations(&self) -> BTreeMap<&Operation, Vec<&Read>> {
        let mut operations: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for read in &self.reads {
            operations.entry(&read.operation).or_default().push(read);
        }
        operations
    }

    /// What does more than read, by operation.
    pub(super) fn asked(&self) -> BTreeMap<&Operation, Vec<&Want>> {
        let mut asked: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for want in &self.asks {
            asked.entry(&want.operation).or_default().push(want);
        }
        asked
    }
}

/// As many as a person looks at: those that were wanted most.
fn few(mut wants: Vec<Want>, left: &mut Vec<Left>) -> Vec<Want> {
    if wants.len() > MOST {
        let mut order: Vec<usize> = (0..wants.len()).collect();
        order.sort_by_key(|at| (std::cmp::Reverse(wants[*at].times), *at));
        let kept: BTreeSet<usize> = order.into_iter().take(MOST).collect();
        let (keep, rest): (Vec<_>, Vec<_>) =
            wants.into_iter().enumerate().partition(|(at, _)| kept.contains(at));
        left.extend(rest.iter().map(|(_, want)| want.left("too much was wanted there: look at it yourself")));
        wants = keep.into_iter().map(|(_, want)| want).collect();
    }
    wants
}

/// A resource that is there, and lacks a policy.
fn of_listed(name: &Name, wants: Vec<Want>, here: &Here<'_>, left: &mut Vec<Left>) -> Group {
    let mut group = Group {
        name: name.clone(),
        definition: None,
        place: name.to_string(),
        owned: true,
        reads: Vec::new(),
        asks: Vec::new(),
    };
    for want in wants {
        let id = super::policy::id(name, &want.operation);
        if here.policies.contains(&id) {
            left.push(want.left(format!("policy `{id}` is there and does not permit it: change that")));
        } else if want.effects.is_read() {
            group.reads.push(as_recorded(want));
        } else {
            group.asks.push(want);
        }
    }
    group
}

fn as_recorded(want: Want) -> Read {
    let Want { operation, effects, target, arguments, .. } = want.clone();
    let arguments = arguments.into_iter().filter(|(name, _)| name != "folded").collect();
    Read { operation, effects, target, arguments, want }
}

/// A service that a shipped template knows.
fn known(
    template: &'static str,
    wants: Vec<Want>,
    here: &Here<'_>,
    taken: &mut BTreeSet<Name>,
    left: &mut Vec<Left>,
) -> Option<Group> {
    let places: BTreeSet<&Place> = wants
        .iter()
        .filter_map(|want| match &want.on {
            On::Place(place) => Some(place),
            On::Listed(_) => None,
        })
        .collect();
    let first = places.first()?;
    let (_, described) = Template::at(first.scheme, &first.host, first.port)?;
    let free = |address: &&bailiwick_catalogue::Address| {
        here.catalogue.lookup(address.scheme, &address.host.to_string(), address.port).is_none()
    };
    let addresses: Vec<String> = described.addresses.iter().filter(free).map(ToString::to_string).collect();
    let all = addresses.len() == described.addresses.len();
    let name = name(template, taken)?;
    let place = places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let definition = resource::known(template, (!all).then_some(&addresses), &place);
    let resource = Definition::load(name.clone(), "suggested", &definition).ok()?;
    let mut group = Group {
        name,
        definition: Some(definition),
        place: first.to_string(),
        owned: true,
        reads: Vec::new(),
        asks: Vec::new(),
    };
    for want in wants {
        group.sort(want, &resource, left);
    }
    Some(group)
}

/// A service that nobody knows: only what was read there is described.
fn elsewhere(
    place: &Place,
    wants: Vec<Want>,
    taken: &mut BTreeSet<Name>,
    left: &mut Vec<Left>,
) -> Option<Group> {
    let name = name(&place.host.replace('.', "-"), taken)?;
    let (git, wants): (Vec<_>, Vec<_>) = wants.into_iter().partition(Want::speaks_git);
    let because = format!("it is git: `bailiwick resource add {name} --address {place} --template git`");
    left.extend(git.iter().map(|want| want.left(because.clone())));
    let Drawn { definition, drawn, undrawn } = resource::elsewhere(place, wants);
    let odd = "its path or query has characters that can be read in more than one way";
    left.extend(undrawn.iter().map(|want| want.left(odd)));
    let mut group = Group {
        name: name.clone(),
        definition: None,
        place: place.to_string(),
        owned: false,
        reads: Vec::new(),
        asks: Vec::new(),
    };
    let resource = Definition::load(name, "suggested", &definition).ok();
    match resource {
        Some(resource) => drawn.into_iter().for_each(|want| group.sort(want, &resource, left)),
        None => left.extend(drawn.iter().map(|want| want.left("no definition can be written for it"))),
    }
    group.definition = Some(definition);
    Some(group)
}

impl Group {
    /// Puts `want` where it belongs, by what it means on `resource`.
    fn sort(&mut self, want: Want, resource: &Resource, left: &mut Vec<Left>) {
        if !want.asks_to_read() {
            // What a body says is not on record: only an observed session has found out what it does.
            let found_out = want.query.is_some();
            if self.owned && !found_out {
                left.push(want.left("what it does is not on record: `bailiwick run --observe` finds out"));
            } else if found_out && want.effects.is_read() {
                self.reads.push(as_recorded(want));
            } else {
                self.asks.push(want);
            }
            return;
        }
        match meaning(&want, resource) {
            Ok(meaning) if meaning.effects.is_read() => {
                let Meaning { operation, effects, target, arguments } = meaning;
                self.reads.push(Read { want, operation, effects, target, arguments });
            }
            Ok(meaning) => {
                self.asks.push(Want { operation: meaning.operation, effects: meaning.effects, ..want });
            }
            Err(because) => left.push(want.left(because)),
        }
    }
}

/// What the want means on `resource`, found out as for a real request.
fn meaning(want: &Want, resource: &Resource) -> Result<Meaning, String> {
    let On::Place(place) = &want.on else { return Err("it is declared".to_owned()) };
    let pairs: Vec<String> = want.query.iter().flatten().map(|pair| encode(pair)).collect();
    let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
    let case = Case {
        request: format!("{} {place}{}{query}", want.method, want.path),
        headers: BTreeMap::new(),
        body: None,
        operation: None,
        effects: None,
        target: None,
        arguments: Arguments::new(),
        refused: None,
        why: None,
    };
    case.meaning(resource).map_err(|reason| super::words::shown(&reason.detail))
}

/// `name=value`, percent-encoded.
fn encode(pair: &str) -> String {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let part = |text: &str| -> String {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    format!("{}={}", part(name), part(value))
}

/// A name that nothing has, as near as possible to `wanted`.
fn name(wanted: &str, taken: &mut BTreeSet<Name>) -> Option<Name> {
    const LONGEST: usize = 56;
    let wanted: String = wanted.chars().take(LONGEST).collect();
    let names = std::iter::once(wanted.clone()).chain((2..1000).map(|n| format!("{wanted}-{n}")));
    let name = names.filter_map(|name| name.parse::<Name>().ok()).find(|name| !taken.contains(name))?;
    taken.insert(name.clone());
    Some(name)
}
