//! What two grants allow together, as one grant: for showing people what a session may do in all.

use crate::{Capability, Exercise, Grant, NamePattern};

/// Capabilities that are told apart; where more come together, the rest is left out of what is shown.
const MAX: usize = 1024;

impl Grant {
    /// What the last of `below` may use of this, or hand on where there are none below.
    pub(crate) fn usable(&self, below: &[&crate::Session]) -> Self {
        let usable = self
            .capabilities
            .iter()
            .filter(|capability| below.is_empty() || capability.exercise.allows(below));
        let capabilities = usable.cloned().map(|capability| {
            // Whoever may use it need not be asked again.
            let exercise = if below.is_empty() { capability.exercise } else { Exercise::Holder };
            Capability { exercise, ..capability }
        });
        Self { capabilities: capabilities.take(MAX).collect() }
    }

    /// What both this and `other` allow; who may use it is what `other` says.
    pub(crate) fn meet(&self, other: &Self) -> Self {
        let pairs = other
            .capabilities
            .iter()
            .flat_map(|lower| self.capabilities.iter().filter_map(|upper| upper.meet(lower)));
        Self { capabilities: pairs.take(MAX).collect() }
    }
}

impl Capability {
    fn meet(&self, other: &Self) -> Option<Self> {
        let resource = self.resource.meet(&other.resource)?;
        let mut operations: Vec<NamePattern> = Vec::new();
        for operation in &self.operations {
            operations.extend(other.operations.iter().filter_map(|pattern| operation.meet(pattern)));
        }
        let mut seen = std::collections::HashSet::new();
        operations.retain(|pattern| seen.insert(pattern.clone()));
        let effects = match (&self.effects, &other.effects) {
            (Some(mine), Some(theirs)) => {
                Some(mine.iter().copied().filter(|effect| theirs.contains(effect)).collect::<Vec<_>>())
            }
            (mine, theirs) => mine.clone().or_else(|| theirs.clone()),
        };
        let nothing = operations.is_empty() || effects.as_ref().is_some_and(Vec::is_empty);
        let mut constraints = self.constraints.clone();
        constraints.extend(other.constraints.iter().filter(|one| !self.constraints.contains(one)).cloned());
        (!nothing).then(|| Self {
            resource,
            operations,
            effects,
            constraints,
            exercise: other.exercise.clone(),
        })
    }
}

impl NamePattern {
    /// The pattern of the names that both match: of two that overlap, one lies within the other.
    fn meet(&self, other: &Self) -> Option<Self> {
        if self.within(other) { Some(self.clone()) } else { other.within(self).then(|| other.clone()) }
    }
}
