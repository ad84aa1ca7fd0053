//! Effect classes: what an operation does to the world, whatever protocol carries it.
//!
//! One policy speaks of every protocol through these. The set is closed on purpose: a new class changes what policies mean.

use serde::{Deserialize, Serialize};

/// One class of effect. `Destructive` implies `Write`; `External` implies `Send`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// Hands work or authority to another agent.
    Delegate,
    /// Cannot be undone: deletes, overwrites, forces.
    Destructive,
    /// Runs code somewhere else.
    Execute,
    /// Sends to somebody outside the organisation.
    External,
    /// Makes, changes or reveals credentials, keys or permissions.
    Identity,
    /// Spends money or quota that costs money.
    Pay,
    /// Observes only.
    Read,
    /// Sends a message or data to somebody.
    Send,
    /// Changes something.
    Write,
}

impl EffectClass {
    /// Every class.
    pub const ALL: [Self; 9] = [
        Self::Delegate,
        Self::Destructive,
        Self::Execute,
        Self::External,
        Self::Identity,
        Self::Pay,
        Self::Read,
        Self::Send,
        Self::Write,
    ];

    /// The class that this one is a special case of.
    pub const fn implies(self) -> Option<Self> {
        match self {
            Self::Destructive => Some(Self::Write),
            Self::External => Some(Self::Send),
            Self::Delegate
            | Self::Execute
            | Self::Identity
            | Self::Pay
            | Self::Read
            | Self::Send
            | Self::Write => None,
        }
    }

    /// The name policies and templates use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delegate => "delegate",
            Self::Destructive => "destructive",
            Self::Execute => "execute",
            Self::External => "external",
            Self::Identity => "identity",
            Self::Pay => "pay",
            Self::Read => "read",
            Self::Send => "send",
            Self::Write => "write",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of [`EffectClass`]es, closed under implication and never empty: what nobody classified is a `write`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<EffectClass>", into = "Vec<EffectClass>")]
pub struct Effects(u16);

impl Effects {
    /// Observes only.
    pub const READ: Self = Self(EffectClass::Read.bit());
    /// Changes something; the class of whatever is unknown.
    pub const WRITE: Self = Self(EffectClass::Write.bit());

    /// Whether `class` is among these.
    pub const fn contains(self, class: EffectClass) -> bool {
        self.0 & class.bit() != 0
    }

    /// Whether nothing but observing is meant. Everything else must be on stable storage before it happens.
    pub const fn is_read(self) -> bool {
        self.0 == Self::READ.0
    }

    /// The classes, in the order of [`EffectClass::ALL`].
    pub fn iter(self) -> impl Iterator<Item = EffectClass> {
        EffectClass::ALL.into_iter().filter(move |class| self.contains(*class))
    }

    /// Both these and `other`. A combination with any effect is no longer only a read.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<EffectClass> for Effects {
    fn from_iter<T: IntoIterator<Item = EffectClass>>(classes: T) -> Self {
        let bits = classes
            .into_iter()
            .fold(0, |bits, class| bits | class.bit() | class.implies().map_or(0, EffectClass::bit));
        if bits == 0 { Self::WRITE } else { Self(bits) }
    }
}

impl From<EffectClass> for Effects {
    fn from(class: EffectClass) -> Self {
        Self::from_iter([class])
    }
}

impl From<Vec<EffectClass>> for Effects {
    fn from(classes: Vec<EffectClass>) -> Self {
        Self::from_iter(classes)
    }
}

impl From<Effects> for Vec<EffectClass> {
    fn from(effects: Effects) -> Self {
        effects.iter().collect()
    }
}

impl std::fmt::Debug for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl schemars::JsonSchema for Effects {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Effects".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <Vec<EffectClass>>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implication_closes_the_set() {
        let effects = Effects::from(EffectClass::Destructive);
        assert!(effects.contains(EffectClass::Write) && !effects.is_read());
    }

    #[test]
    fn nothing_declared_is_a_write() {
        assert_eq!(Effects::from_iter([]), Effects::WRITE);
        assert_eq!(serde_json::from_str::<Effects>("[]").unwrap(), Effects::WRITE);
    }

    #[test]
    fn a_read_with_anything_else_is_no_read() {
        assert!(!Effects::READ.union(EffectClass::Send.into()).is_read());
    }
}
