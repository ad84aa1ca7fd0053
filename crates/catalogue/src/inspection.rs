//! What a JSON body may say: rules for places in it. Only what is listed may stand there, so that what a service learns to do tomorrow
//! is not allowed today.
//!
//! The rules are compiled here and walked by the gateway while it reads. A place is matched by structure, never by name alone: what a tool
//! is given as data may look like anything.

use std::fmt;

use bailiwick_core::Effects;
use serde::{Serialize, Serializer};

use crate::words::fits;

/// The rules for one kind of body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Its name: `[inspect.NAME]`.
    pub name: String,
    /// The most bytes.
    pub max: u32,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// A rule for the places at `place`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Where.
    pub place: Place,
    /// What holds there.
    pub check: Check,
    /// Why.
    pub why: Option<String>,
}

/// What holds in a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The value becomes this argument.
    Argument(String),
    /// It has effects.
    Effects {
        /// These.
        effects: Effects,
        /// Only with one of these values; `None`: with any.
        values: Option<Vec<String>>,
        /// Where nothing is there, and not where something is.
        absent: bool,
    },
    /// The object has no other names than these.
    Keys(Vec<String>),
    /// The value is one of these.
    Values(Vec<String>),
}

/// A place in a JSON document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place(Vec<Step>);

/// One step towards a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into the member of this name.
    Member(String),
    /// Into every item.
    Item,
}

impl Place {
    /// The steps from the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Parses `messages[].content[].type`; empty is the whole document.
    ///
    /// # Errors
    /// If it is not written so.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        if text.is_empty() {
            return Ok(Self(steps));
        }
        for part in text.split('.') {
            let name = part.trim_end_matches("[]");
            let items = (part.len() - name.len()) / 2;
            let first = steps.is_empty();
            if (name.is_empty() && (!first || items == 0)) || name.contains(['[', ']', ' ']) {
                return Err(format!(
                    "`{}` is not a place: write names joined by dots, `[]` for every item",
                    text.escape_debug()
                ));
            }
            if !name.is_empty() {
                steps.push(Step::Member(name.to_owned()));
            }
            steps.extend(std::iter::repeat_n(Step::Item, items));
        }
        Ok(Self(steps))
    }

    /// The place of the object that this is a member of, and the member's name.
    pub(crate) fn split(&self) -> Option<(Self, &str)> {
        let (last, before) = self.0.split_last()?;
        match last {
            Step::Member(name) => Some((Self(before.to_vec()), name)),
            Step::Item => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if at == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Item => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Inspection {
    /// Allows what a person wrote: `PLACE = VALUE`, or `PLACE`, whose last name may then stand in its object.
    ///
    /// # Errors
    /// If no rule stands against it, so that it would change nothing.
    pub(crate) fn allow(&mut self, text: &str) -> Result<(), String> {
        let (place, value) = match text.split_once('=') {
            Some((place, value)) => (Place::parse(place.trim())?, Some(value.trim().to_owned())),
            None => (Place::parse(text.trim())?, None),
        };
        let found = match value {
            Some(value) => self.rules.iter_mut().find_map(|rule| match &mut rule.check {
                Check::Values(values) if rule.place == place => Some((values, value.clone())),
                _ => None,
            }),
            None => place.split().and_then(|(object, name)| {
                self.rules.iter_mut().find_map(|rule| match &mut rule.check {
                    Check::Keys(keys) if rule.place == object => Some((keys, name.to_owned())),
                    _ => None,
                })
            }),
        };
        let (list, word) = found.ok_or_else(|| {
            format!("no rule of [inspect.{}] stands against `{}`", self.name, text.escape_debug())
        })?;
        list.push(word);
        Ok(())
    }
}

/// Whether `value` is in `list`, whose words may end in `*`.
pub fn is_listed(list: &[String], value: &str) -> bool {
    list.iter().any(|word| fits(word, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_in_one_way() {
        for text in ["", "tools[].type", "messages[].content[].source.type", "[].query", "a.b", "a[][]"] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        for bad in [".a", "a.", "a..b", "a[0]", "a b", "[]a[", "a.[]"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_allowed_lifts_exactly_one_rule() {
        let rule = |place: &str, check| Rule { place: Place::parse(place).unwrap(), check, why: None };
        let mut inspection = Inspection {
            name: "messages".into(),
            max: 1,
            rules: vec![
                rule("", Check::Keys(vec!["model".into()])),
                rule("tools[].type", Check::Values(vec!["custom".into()])),
            ],
        };
        inspection.allow("mcp_servers").unwrap();
        inspection.allow("tools[].type = web_search_20250305").unwrap();
        assert_eq!(inspection.rules[0].check, Check::Keys(vec!["model".into(), "mcp_servers".into()]));
        let values = vec!["custom".into(), "web_search_20250305".into()];
        assert_eq!(inspection.rules[1].check, Check::Values(values));
        for useless in ["tools[].kind = x", "tools[].type", "a.b", "messages[]"] {
            assert!(inspection.allow(useless).is_err(), "{useless}");
        }
    }
}
