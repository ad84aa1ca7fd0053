//! Logins: which credential a program works with, where a person keeps it, and what stands inside in its place.

use std::collections::BTreeMap;

use bailiwick_catalogue::{Definition, MintsForm};
use bailiwick_core::Name;
use serde::{Deserialize, Serialize};

use crate::{File, Form};

/// One way for a program to be somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Its name in the profile: `api-key`.
    pub name: Name,
    /// What it is, for people: `an Anthropic API key`.
    pub title: String,
    /// How to give it by hand: a sentence.
    #[serde(default)]
    pub how: String,
    /// The resource that it opens.
    pub resource: Name,
    /// That resource, where the person has not declared it.
    pub definition: Definition,
    /// Where a person may have it, first found first.
    #[serde(default, rename = "source")]
    pub sources: Vec<Source>,
    /// What is known about the account that is no secret: the value where no source says otherwise.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// The dummies that stand for it.
    #[serde(default)]
    pub dummies: BTreeMap<String, Form>,
    /// Variables to set inside.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Files to put in place.
    #[serde(default, rename = "file")]
    pub files: Vec<File>,
    /// Whether the program works without.
    #[serde(default)]
    pub optional: bool,
}

/// Where a person may have a credential: one of `env`, `file` and `command`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A variable.
    #[serde(default)]
    pub env: Option<String>,
    /// A JSON file below the home directory.
    #[serde(default)]
    pub file: Option<String>,
    /// A program that prints it, with its arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// In a file: a JSON pointer (RFC 6901) to the credential itself.
    #[serde(default)]
    pub access: Option<String>,
    /// In a file: a pointer to the refresh token.
    #[serde(default)]
    pub refresh: Option<String>,
    /// In a file: a pointer to the moment it expires, in milliseconds or seconds since 1970. A token of three parts says it itself.
    #[serde(default)]
    pub expires: Option<String>,
    /// In a file: where the facts are.
    #[serde(default)]
    pub facts: BTreeMap<String, FactSource>,
}

/// Where in a file a fact is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactSource {
    /// A pointer into the file.
    pub at: String,
    /// If a token of three parts stands there: a pointer into its claims.
    #[serde(default)]
    pub claim: Option<String>,
}

impl Login {
    /// Whether a program can log in from inside: the answer to a login is captured.
    #[must_use]
    pub fn is_possible_inside(&self) -> bool {
        let captured = |mints: &MintsForm| matches!(mints, MintsForm::Captured(minting) if minting.login);
        self.definition.routes.iter().any(|route| route.mints.as_ref().is_some_and(captured))
    }
}

impl Source {
    /// What is wrong with it, if anything.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let kinds = [self.env.is_some(), self.file.is_some(), !self.command.is_empty()];
        if kinds.iter().filter(|kind| **kind).count() != 1 {
            return Some("a source is one of `env`, `file` and `command`");
        }
        let pointers = [&self.access, &self.refresh, &self.expires];
        let places = self.facts.values().flat_map(|fact| [Some(&fact.at), fact.claim.as_ref()]);
        let mut all = pointers.into_iter().map(Option::as_ref).chain(places).flatten();
        if all.any(|pointer| !pointer.starts_with('/')) {
            return Some("a pointer starts with `/`");
        }
        match (&self.file, &self.access) {
            (Some(_), None) => Some("a file needs `access`"),
            (None, Some(_)) => Some("`access` is for a file"),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }

    /// What it is called, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match (&self.env, &self.file) {
            (Some(name), _) => format!("${name}"),
            (None, Some(file)) => format!("~/{file}"),
            (None, None) => format!("`{}`", self.command.join(" ")),
        }
    }
}
