//! What an agent says of itself through its hooks: which prompt it works on, which tool it calls.
//!
//! An agent is hostile code, so this is a claim and no more: it may tighten a decision, it is called a claim wherever it is shown, and it
//! must never be a reason to permit. It has no words of a prompt and no arguments of a tool; digests stand for them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Digest, Name};

/// An identifier that an agent made up, or the name of a tool: 1 to 96 ASCII letters, digits and `_ - . : /`. Safe on a terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimedId(Box<str>);

/// A text is not a [`ClaimedId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identifier of an agent is 1 to {} ASCII letters, digits and `_ - . : /`", ClaimedId::LONGEST)]
pub struct ParseClaimedIdError;

/// When in an agent's life a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// What the agent said could not be read.
    Malformed,
    /// Something that nothing here follows from.
    Other,
    /// It asks its user for permission.
    Permission,
    /// It was given a prompt.
    Prompt,
    /// It ends.
    SessionEnd,
    /// It begins, or goes on with an earlier conversation.
    SessionStart,
    /// An agent that it started has ended.
    SubAgentEnd,
    /// It starts an agent of its own.
    SubAgentStart,
    /// A tool has done its work, or failed.
    ToolEnd,
    /// It is about to call a tool.
    ToolStart,
    /// It has nothing more to do for this prompt.
    TurnEnd,
}

/// Where a prompt came from, as far as its form tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptOrigin {
    /// An agent, for one that it started.
    Agent,
    /// The agent's own note that work in the background has ended.
    Notification,
    /// A person, or whoever writes to the agent in a person's place.
    Person,
    /// The agent's wish for a title of the conversation.
    Title,
}

/// What an agent's hook reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HookEvent {
    /// Whose hook it is: the kind of agent, such as `claude`.
    pub program: Name,
    /// When it was called.
    pub moment: Moment,
    /// The agent's own session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ClaimedId>,
    /// Which of the agents that the agent started, if not itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_agent: Option<ClaimedId>,
    /// The prompt that is worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<ClaimedId>,
    /// Where the prompt came from, for [`Moment::Prompt`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<PromptOrigin>,
    /// The call of a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call: Option<ClaimedId>,
    /// The tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ClaimedId>,
    /// The digest of the prompt's words, or of the tool's arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What an action is claimed to belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Claimed {
    /// The prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<ClaimedPrompt>,
    /// The calls of tools that were open: several where the agent had several at once, and nothing tells which of them it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ClaimedCall>,
}

/// A prompt, as its agent calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClaimedPrompt {
    /// The agent's own identifier.
    pub id: ClaimedId,
    /// Where it came from, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<PromptOrigin>,
    /// The index of the report in the ledger, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
}

/// A call of a tool, as its agent calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClaimedCall {
    /// The agent's own identifier, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ClaimedId>,
    /// The tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ClaimedId>,
    /// The index of the report in the ledger, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
}

impl ClaimedId {
    /// Bytes of one at most.
    pub const LONGEST: usize = 96;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `text` made to fit: every other character becomes `_`, and what is too long is cut. `None` for nothing.
    pub fn tamed(text: &str) -> Option<Self> {
        let tamed: String =
            text.chars().take(Self::LONGEST).map(|c| if allowed(c) { c } else { '_' }).collect();
        tamed.parse().ok()
    }
}

const fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/')
}

impl HookEvent {
    /// A report with nothing but its moment.
    pub const fn bare(program: Name, moment: Moment) -> Self {
        Self {
            program,
            moment,
            conversation: None,
            sub_agent: None,
            prompt: None,
            origin: None,
            tool_call: None,
            tool: None,
            digest: None,
        }
    }
}

impl PromptOrigin {
    /// The word as it is shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agent => "sub-agent",
            Self::Notification => "notification",
            Self::Person => "person",
            Self::Title => "title",
        }
    }
}

impl Claimed {
    /// The records in the ledger that this rests on, in their order.
    pub fn records(&self) -> Vec<u64> {
        let prompt = self.prompt.iter().filter_map(|prompt| prompt.record);
        let mut records: Vec<u64> =
            prompt.chain(self.tool_calls.iter().filter_map(|call| call.record)).collect();
        records.sort_unstable();
        records.dedup();
        records
    }
}

impl fmt::Display for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(prompt) = &self.prompt {
            write!(f, "prompt {}", prompt.id)?;
            if let Some(origin) = prompt.origin.filter(|origin| *origin != PromptOrigin::Person) {
                write!(f, " ({}, not a person's)", origin.word())?;
            }
        }
        for (number, call) in self.tool_calls.iter().enumerate() {
            let before = match number {
                0 if self.prompt.is_some() => " → ",
                0 => "",
                _ => " or ",
            };
            let tool = call.tool.as_ref().map_or("?", ClaimedId::as_str);
            write!(f, "{before}tool call {tool}")?;
            if let Some(id) = &call.id {
                write!(f, " {id}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for ClaimedId {
    type Err = ParseClaimedIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = !text.is_empty() && text.len() <= Self::LONGEST && text.chars().all(allowed);
        if fits { Ok(Self(text.into())) } else { Err(ParseClaimedIdError) }
    }
}

impl fmt::Display for ClaimedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClaimedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ClaimedId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClaimedId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for ClaimedId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClaimedId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_.:/-]{1,96}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_short_and_plain() {
        for good in ["toolu_47b73a1c", "01a1fb46-9097", "mcp__brk__ping", "a.b:c/d", &"x".repeat(96)] {
            assert_eq!(good.parse::<ClaimedId>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\u{1b}[2J", "\u{202e}", "é", "a\n", "\"", &"x".repeat(97)] {
            assert!(bad.parse::<ClaimedId>().is_err(), "{bad:?}");
        }
        assert_eq!(ClaimedId::tamed("a\u{1b}[2Jé").unwrap().as_str(), "a__2J_");
        assert_eq!(ClaimedId::tamed(&"é".repeat(200)).unwrap().as_str().len(), ClaimedId::LONGEST);
        assert_eq!(ClaimedId::tamed(""), None);
    }

    #[test]
    fn what_it_belongs_to_is_one_plain_line() {
        let call = |id: &str| ClaimedCall { id: id.parse().ok(), tool: "Bash".parse().ok(), record: Some(9) };
        let prompt = |origin| ClaimedPrompt { id: "p-1".parse().unwrap(), origin, record: Some(4) };
        let one = Claimed { prompt: Some(prompt(Some(PromptOrigin::Person))), tool_calls: vec![call("c-1")] };
        assert_eq!(one.to_string(), "prompt p-1 → tool call Bash c-1");
        assert_eq!(one.records(), [4, 9]);
        let several = Claimed {
            prompt: Some(prompt(Some(PromptOrigin::Notification))),
            tool_calls: vec![call("c-1"), call("c-2")],
        };
        let line = "prompt p-1 (notification, not a person's) → tool call Bash c-1 or tool call Bash c-2";
        assert_eq!(several.to_string(), line);
    }
}
