//! Typed identifiers: a prefix that says what is named, and a UUIDv7 inside (RFC 9562), written as a TypeID
//! (`ses_01h455vb4pex5vsknk084sn02q`): lower-case, sortable by time, safe in URLs and file names.
//!
//! This module must never make an identifier up: the caller brings the UUID, because drawing one needs a clock and randomness.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// What an [`Id`] names. Implemented only by the markers in [`kind`].
pub trait Kind: Copy + Eq + Ord + std::hash::Hash + fmt::Debug + Send + Sync + 'static {
    /// The text before the underscore.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $marker:ident $alias:ident $prefix:literal;)*) => {
        /// Markers for the kinds of [`Id`].
        pub mod kind {
            $($(#[$doc])* #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)] pub struct $marker;
            impl super::Kind for $marker { const PREFIX: &'static str = $prefix; })*
        }
        $($(#[$doc])* pub type $alias = Id<kind::$marker>;)*
    };
}

kinds! {
    /// A human.
    User UserId "usr";
    /// A registered software identity.
    Agent AgentId "agt";
    /// One attested run of an agent.
    Instance InstanceId "ins";
    /// A declared purpose.
    Task TaskId "tsk";
    /// Authority delegated to one instance for one task.
    Session SessionId "ses";
    /// A catalogue entry.
    Resource ResourceId "res";
    /// One attempt.
    Action ActionId "act";
    /// A human's yes or no to one action.
    Approval ApprovalId "apr";
    /// A stop order.
    Lock LockId "lck";
    /// One entry in the ledger.
    Record RecordId "rec";
}

/// An identifier of the kind `K`. Identifiers of different kinds cannot be mixed up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<K: Kind>(Uuid, PhantomData<K>);

/// A text is not an identifier of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form `{prefix}_…` with 26 characters after the underscore")]
pub struct ParseIdError {
    text: String,
    prefix: &'static str,
}

/// Crockford's base 32, as the TypeID specification uses it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits in groups of five, the first group holding three.
const LENGTH: usize = 26;

impl<K: Kind> Id<K> {
    /// The id that names what `uuid` names. `uuid` should be a UUIDv7, so that ids sort by time.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The UUID inside.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.as_u128();
        write!(f, "{}_", K::PREFIX)?;
        for group in (0..LENGTH).rev() {
            let index = (bits >> (group * 5)) as usize & 31;
            fmt::Write::write_char(f, char::from(ALPHABET[index]))?;
        }
        Ok(())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        decode(text, K::PREFIX)
            .map(|bits| Self::from_uuid(Uuid::from_u128(bits)))
            .ok_or_else(|| ParseIdError { text: text.to_owned(), prefix: K::PREFIX })
    }
}

fn decode(text: &str, prefix: &str) -> Option<u128> {
    let suffix = text.strip_prefix(prefix)?.strip_prefix('_')?.as_bytes();
    // The first character holds three bits: anything above `7` would overflow.
    if suffix.len() != LENGTH || suffix.first()? > &b'7' {
        return None;
    }
    suffix.iter().try_fold(0u128, |bits, byte| {
        let value = ALPHABET.iter().position(|letter| letter == byte)?;
        Some(bits << 5 | value as u128)
    })
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<K: Kind> schemars::JsonSchema for Id<K> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Id_{}", K::PREFIX).into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", K::PREFIX)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_the_typeid_specification_example() {
        let uuid = Uuid::from_u128(0x0188_bac7_4afa_78aa_bc3b_bd1e_ef28_d881);
        assert_eq!(SessionId::from_uuid(uuid).to_string(), "ses_01h2xcejqtf2nbrexx3vqjhp41");
    }

    #[test]
    fn refuses_another_kind_and_overflow() {
        assert!("agt_01h2xcejqtf2nbrexx3vqjhp41".parse::<SessionId>().is_err());
        assert!("ses_81h2xcejqtf2nbrexx3vqjhp41".parse::<SessionId>().is_err());
        assert!("ses_01h2xcejqtf2nbrexx3vqjhp4".parse::<SessionId>().is_err());
        assert!("ses_01H2XCEJQTF2NBREXX3VQJHP41".parse::<SessionId>().is_err());
    }

    proptest! {
        #[test]
        fn text_round_trips_and_sorts_like_the_uuid(a: u128, b: u128) {
            let (x, y) = (ActionId::from_uuid(Uuid::from_u128(a)), ActionId::from_uuid(Uuid::from_u128(b)));
            prop_assert_eq!(x.to_string().parse::<ActionId>().unwrap(), x);
            prop_assert_eq!(x.to_string().cmp(&y.to_string()), a.cmp(&b));
        }
    }
}
