//! A set of policies: read, checked against the schema, and indexed as a whole, or not taken at all.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use bailiwick_core::{Digest, Effects, Operation};
use cedar_policy::{
    Authorizer, Effect, EntityUid, Policy, PolicyId, PolicySet as CedarSet, Schema, ValidationMode, Validator,
};

use crate::{PolicyProblem, index::ScopeIndex, request::Prepared, schema};

/// Compiled subsets that are kept; the least that a busy gateway needs is one for each kind of action.
const MAX_SUBSETS: usize = 4096;

/// Policies that were checked, and are ready to decide.
pub struct PolicySet {
    policies: Vec<Policy>,
    stated: HashMap<PolicyId, Stated>,
    index: ScopeIndex,
    /// The sets of policies that were needed so far, by the positions of their members.
    subsets: RwLock<HashMap<Vec<usize>, Arc<CedarSet>>>,
    version: Digest,
}

/// What a policy says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Its name: its `@id`, or its file and position.
    pub id: String,
    /// The file it is in.
    pub file: String,
    /// Whether it permits; otherwise it forbids.
    pub permits: bool,
    /// Whether a human's yes may lift it: `@gate("step_up")`.
    pub step_up: bool,
    /// Whether that yes must come from somebody else than the person whose work it is: `@two_person`.
    pub two_person: bool,
    /// Why it is there: `@why`.
    pub why: Option<String>,
}

/// What the policies say of one request.
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    /// The policies that determined it.
    pub(crate) determining: Vec<Stated>,
    /// What could not be evaluated.
    pub(crate) errors: Vec<String>,
}

impl PolicySet {
    /// Reads `files`, each with its name, and checks all of it against the schema of a catalogue with these `operations`.
    ///
    /// # Errors
    /// Every mistake in every file; nothing is taken then.
    pub fn parse(
        files: &[(&str, &str)],
        operations: impl IntoIterator<Item = (Operation, Effects)>,
    ) -> Result<Self, Vec<PolicyProblem>> {
        let schema_text = schema::schema(operations);
        let (schema, _) = Schema::from_cedarschema_str(&schema_text)
            .map_err(|error| vec![PolicyProblem::found("the schema", &schema_text, &error)])?;
        let validator = Validator::new(schema);
        let (mut policies, mut problems) = (Vec::new(), Vec::new());
        for (file, text) in files {
            match parse_file(file, text, &validator) {
                Ok(found) => policies.extend(found),
                Err(found) => problems.extend(found),
            }
        }
        problems.extend(duplicates(&policies));
        if !problems.is_empty() {
            return Err(problems);
        }
        let version = version(files, &schema_text);
        let stated = policies.iter().map(|(policy, stated)| (policy.id().clone(), stated.clone())).collect();
        let policies: Vec<_> = policies.into_iter().map(|(policy, _)| policy).collect();
        let index = ScopeIndex::new(&policies);
        Ok(Self { policies, stated, index, subsets: RwLock::default(), version })
    }

    /// The digest of all policies and of the schema they were checked against.
    pub const fn version(&self) -> Digest {
        self.version
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether there is none. Then nothing is permitted.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// What each policy says of itself, in the order of the files.
    pub fn stated(&self) -> impl Iterator<Item = &Stated> {
        self.policies.iter().filter_map(|policy| self.stated.get(policy.id()))
    }

    /// What the policies say.
    pub(crate) fn evaluate(&self, prepared: &Prepared) -> Verdict {
        let subset = self.subset(&prepared.named);
        let response = Authorizer::new().is_authorized(&prepared.request, &subset, &prepared.entities);
        let mut determining: Vec<_> =
            response.diagnostics().reason().filter_map(|id| self.stated.get(id)).cloned().collect();
        determining.sort_by(|a, b| a.id.cmp(&b.id));
        Verdict {
            allowed: response.decision() == cedar_policy::Decision::Allow,
            determining,
            errors: response.diagnostics().errors().map(ToString::to_string).collect(),
        }
    }

    /// The policies that could apply where these entities are named, compiled.
    fn subset(&self, named: &[EntityUid]) -> Arc<CedarSet> {
        let candidates = self.index.candidates(named);
        let known = self.subsets.read().unwrap_or_else(PoisonError::into_inner).get(&candidates).cloned();
        if let Some(subset) = known {
            return subset;
        }
        let chosen = candidates.iter().filter_map(|position| self.policies.get(*position)).cloned();
        // The ids are distinct, which is all that could be wrong; a set that lacked a policy must not decide, so it would be empty.
        let subset = Arc::new(CedarSet::from_policies(chosen).unwrap_or_default());
        let mut subsets = self.subsets.write().unwrap_or_else(PoisonError::into_inner);
        if subsets.len() >= MAX_SUBSETS {
            subsets.clear();
        }
        subsets.insert(candidates, Arc::clone(&subset));
        subset
    }
}

fn parse_file(
    file: &str,
    text: &str,
    validator: &Validator,
) -> Result<Vec<(Policy, Stated)>, Vec<PolicyProblem>> {
    let set: CedarSet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        errors.iter().map(|error| PolicyProblem::found(file, text, error)).collect::<Vec<_>>()
    })?;
    if set.templates().next().is_some() {
        let problem = PolicyProblem::new(file, "a policy has a slot (`?principal`, `?resource`)");
        return Err(vec![problem.fix("name the principal or resource: nothing fills slots")]);
    }
    let mut problems: Vec<_> = validator
        .validate(&set, ValidationMode::Strict)
        .validation_errors()
        .map(|error| PolicyProblem::found(file, text, error))
        .collect();
    // Cedar names policies by their position: `policy0`, `policy1`, …
    let by_position: BTreeMap<usize, &Policy> = set
        .policies()
        .filter_map(|policy| Some((policy.id().to_string().strip_prefix("policy")?.parse().ok()?, policy)))
        .collect();
    let mut found = Vec::new();
    for (position, policy) in by_position {
        match state(file, position, policy) {
            Ok(stated) => found.push((policy.new_id(PolicyId::new(&stated.id)), stated)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn state(file: &str, position: usize, policy: &Policy) -> Result<Stated, PolicyProblem> {
    let own = |name: &str| policy.annotation(name).map(str::to_owned);
    let short = file.rsplit('/').next().unwrap_or(file);
    let id = own("id").unwrap_or_else(|| format!("{short}#{position}"));
    for (name, _) in policy.annotations() {
        if !matches!(name, "id" | "gate" | "two_person" | "why" | "level") {
            let problem = PolicyProblem::new(
                file,
                format!("policy `{id}` has an annotation `@{name}` that means nothing"),
            );
            return Err(problem.fix("use `@id`, `@gate`, `@two_person`, `@why` or `@level`"));
        }
    }
    let permits = policy.effect() == Effect::Permit;
    let step_up = match policy.annotation("gate") {
        None | Some("hard") => false,
        Some("step_up") if permits => {
            return Err(PolicyProblem::new(file, format!("policy `{id}` is a `permit` with a gate"))
                .fix("gates stand on `forbid`"));
        }
        Some("step_up") => true,
        Some(other) => {
            let problem = PolicyProblem::new(file, format!("policy `{id}` has a gate `{other}`"));
            return Err(problem.fix("write `@gate(\"hard\")` or `@gate(\"step_up\")`"));
        }
    };
    let two_person = match policy.annotation("two_person") {
        None => false,
        Some("") if step_up => true,
        Some(_) => {
            let problem =
                PolicyProblem::new(file, format!("policy `{id}` has a `@two_person` that means nothing"));
            return Err(problem.fix("write `@two_person` without a value, beside `@gate(\"step_up\")`"));
        }
    };
    Ok(Stated { id, file: file.to_owned(), permits, step_up, two_person, why: own("why") })
}

fn duplicates(policies: &[(Policy, Stated)]) -> Vec<PolicyProblem> {
    let mut seen = HashSet::new();
    let again = policies.iter().filter(|(_, stated)| !seen.insert(stated.id.clone()));
    again
        .map(|(_, stated)| {
            PolicyProblem::new(&stated.file, format!("there are two policies called `{}`", stated.id))
                .fix("give one another `@id`")
        })
        .collect()
}

fn version(files: &[(&str, &str)], schema: &str) -> Digest {
    let mut bytes = schema.as_bytes().to_vec();
    for (name, text) in files {
        for part in [name, text] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    Digest::of(&bytes)
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet")
            .field("len", &self.len())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
