//! From what sessions wanted to what would permit it: resources, policies, and the cases that both must meet. Pure: the records, the
//! catalogue and what is taken already are parameters.
//!
//! Everything in a record was chosen by an agent. Nothing here may permit more than was attempted, but for what it says of itself
//! (numbers and digests in paths, packages of a registry); nothing here may propose what does more than read otherwise than as a
//! comment; and no text of the agent's may reach a file but as a quoted word of printable ASCII.

mod cases;
mod group;
mod policy;
mod resource;
mod route;
mod want;
mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_catalogue::Catalogue;
use bailiwick_core::{ActionId, Name};
use bailiwick_wire::Attempted;
use schemars::JsonSchema;
use serde::Serialize;

use group::Group;

/// What is in force already.
pub(crate) struct Here<'a> {
    /// The declared resources.
    pub(crate) catalogue: &'a Catalogue,
    /// The ids of the policies.
    pub(crate) policies: BTreeSet<String>,
    /// Cases of an earlier proposal that the policies here decide otherwise, and why.
    pub(crate) refused: BTreeMap<String, String>,
}

/// A file that is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Proposed {
    /// Where it belongs below BAILIWICK_HOME.
    pub(crate) file: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Something that was wanted and is not proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Left {
    /// What was wanted.
    pub(crate) what: String,
    /// Why it is not proposed.
    pub(crate) because: String,
    /// How often it was attempted.
    pub(crate) times: u64,
    /// The first attempt, for `bailiwick explain`.
    pub(crate) act: ActionId,
}

/// A proposal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Proposal {
    /// Definitions, policies and cases.
    pub(crate) files: Vec<Proposed>,
    /// What is not proposed, and why.
    pub(crate) left: Vec<Left>,
}

/// Hosts that are proposed for at most, and reads of each: a person must be able to look at them.
const MOST: usize = 64;
/// Where the cases are.
pub(crate) const CASES: &str = "cases.toml";

/// Proposes what would permit the reads among `attempts`.
pub(crate) fn propose(attempts: &[Attempted], here: &Here<'_>) -> Proposal {
    let (wants, mut left) = want::sort(attempts, here.catalogue);
    let wants = wants.into_iter().filter_map(|want| match here.refused.get(&want.case_name()) {
        None => Some(want),
        Some(because) => {
            left.push(want.left(because));
            None
        }
    });
    let wants: Vec<_> = wants.collect();
    let mut taken: BTreeSet<Name> = here.catalogue.iter().map(|resource| resource.name.clone()).collect();
    let mut groups = Vec::new();
    for (number, (subject, wants)) in want::by_subject(wants).into_iter().enumerate() {
        if number >= MOST {
            left.extend(wants.iter().map(|want| want.left("too much was wanted: look at it yourself")));
            continue;
        }
        let group = Group::new(&subject, wants, here, &mut taken, &mut left);
        groups.extend(group.filter(|group| !group.reads.is_empty()));
    }
    left.sort_by(|one, other| (&one.what, &one.because).cmp(&(&other.what, &other.because)));
    Proposal { files: files(&groups), left }
}

fn files(groups: &[Group]) -> Vec<Proposed> {
    let mut files = Vec::new();
    for group in groups {
        if let Some(text) = &group.definition {
            files.push(Proposed { file: format!("resources/{}.toml", group.name), text: text.clone() });
        }
    }
    for group in groups {
        let file = format!("policies/suggested-{}.cedar", group.name);
        files.push(Proposed { file, text: policy::text(group) });
    }
    if !groups.is_empty() {
        files.push(Proposed { file: CASES.to_owned(), text: cases::text(groups) });
    }
    files
}
