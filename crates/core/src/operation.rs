//! Operation names: a protocol and what it is asked to do, `http.get`, `git.push`, `model.invoke`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A dotted, lower-case operation name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation(Box<str>);

/// A text is not an operation name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an operation: write it like `git.push`, lower-case words joined by dots")]
pub struct ParseOperationError(String);

impl Operation {
    /// Handing authority on to another session.
    pub const DELEGATION: &'static str = "session.delegate";

    /// Whether this is [`Operation::DELEGATION`].
    pub fn is_delegation(&self) -> bool {
        self.as_str() == Self::DELEGATION
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The protocol: the part before the first dot.
    pub fn protocol(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl FromStr for Operation {
    type Err = ParseOperationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if text.len() <= 64 && text.contains('.') && text.split('.').all(word) {
            Ok(Self(text.into()))
        } else {
            Err(ParseOperationError(text.to_owned()))
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Operation {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Operation".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!("git.push".parse::<Operation>().unwrap().protocol(), "git");
        for bad in ["git", "Git.push", "git..push", ".push", "git.pu sh", "git.1"] {
            assert!(bad.parse::<Operation>().is_err(), "{bad}");
        }
    }
}
