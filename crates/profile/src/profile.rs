//! A profile: the file, checked.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use bailiwick_core::Name;
use serde::{Deserialize, Serialize};

use crate::{Fillings, Form, Login, Source, Stamp};

/// What an agent program needs to work inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What the program is called, for people.
    pub title: String,
    /// The names of its executable.
    #[serde(default)]
    pub programs: Vec<String>,
    /// The npm packages it comes in: a start script in one of them is this program whatever it is called.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Its variables.
    #[serde(default)]
    pub environment: Variables,
    /// Files of the person's that are copied into the private home when it is new.
    #[serde(default, rename = "copy")]
    pub copies: Vec<Copied>,
    /// Files to put in place: `~/…` in the private home, `/etc/…` in the sandbox alone.
    #[serde(default, rename = "file")]
    pub files: Vec<File>,
    /// Hosts that it tells about itself. They are refused without being counted.
    #[serde(default)]
    pub quiet: Vec<String>,
    /// The ways for it to be somebody, the preferred one first.
    #[serde(default, rename = "login")]
    pub logins: Vec<Login>,
}

/// Variables of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variables {
    /// Set inside, whatever they are outside.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Passed on, beside those that are harmless for everyone.
    #[serde(default)]
    pub pass: Vec<String>,
    /// Never passed on, not even when asked for: they hold credentials.
    #[serde(default)]
    pub drop: Vec<String>,
}

/// A file or directory of the person's that is copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    /// Its path below the home directory.
    pub path: String,
    /// Of a JSON or TOML file, the only keys that are copied, at its top.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// A file to put in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// `~/…` or `/etc/…`.
    pub path: String,
    /// What is in it; `${…}` is filled with a fact or a dummy of the login.
    pub contents: String,
    /// Only where none is there yet: afterwards it is the program's own.
    #[serde(default)]
    pub once: bool,
}

/// A profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {detail}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ProfileError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub detail: String,
}

impl Profile {
    /// Reads and checks `text`, the content of `file`.
    ///
    /// # Errors
    /// If it is not TOML, has an unknown key, or a value that cannot be used.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        let fault = |line, detail| ProfileError { file: file.to_owned(), line, detail };
        let profile: Self = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| before.matches('\n').count() + 1);
            fault(line, error.message().replace('\n', " "))
        })?;
        match profile.fault() {
            None => Ok(profile),
            Some(detail) => Err(fault(None, detail)),
        }
    }

    /// The login called `name`.
    #[must_use]
    pub fn login(&self, name: &Name) -> Option<&Login> {
        self.logins.iter().find(|login| login.name == *name)
    }

    fn fault(&self) -> Option<String> {
        let variables =
            self.environment.set.keys().chain(&self.environment.pass).chain(&self.environment.drop);
        let logins = self.logins.iter().flat_map(|login| login.environment.keys());
        if let Some(name) = variables.chain(logins).find(|name| !is_variable(name)) {
            return Some(format!("`{}` is not the name of a variable", name.escape_debug()));
        }
        if let Some(copy) = self.copies.iter().find(|copy| below_home(&copy.path).is_none()) {
            return Some(format!("`{}` is not a path below the home directory", copy.path.escape_debug()));
        }
        if let Some(host) = self.quiet.iter().find(|host| host.parse::<bailiwick_catalogue::Host>().is_err())
        {
            return Some(format!("`{}` is not a host", host.escape_debug()));
        }
        let own = self.files.iter().find_map(|file| file.fault(&Fillings::default()));
        own.or_else(|| self.logins.iter().find_map(login_fault))
    }
}

/// Everything a login says must be usable before a person relies on it.
fn login_fault(login: &Login) -> Option<String> {
    let at = |detail: String| Some(format!("login `{}`: {detail}", login.name));
    if let Err(error) = login.definition.clone().into_resource(login.resource.clone()) {
        return at(error.to_string());
    }
    if let Some(fault) = login.sources.iter().find_map(Source::fault) {
        return at(fault.to_owned());
    }
    let facts = login.facts.iter().fold(Fillings::default(), |all, (name, text)| all.with(name, text));
    let mut fillings = facts.clone().with("now", "");
    for (name, form) in &login.dummies {
        match form.dummy(Stamp { random: &[0; 64], now: 0 }, &facts) {
            Ok(dummy) => fillings = fillings.with(name, dummy),
            Err(error) => return at(error.to_string()),
        }
        if let Some(fault) = form_fault(form) {
            return at(format!("dummy `{name}`: {fault}"));
        }
    }
    let undeclared = login
        .sources
        .iter()
        .flat_map(|source| source.facts.keys())
        .find(|fact| !login.facts.contains_key(*fact));
    if let Some(fact) = undeclared {
        return at(format!("the fact `{fact}` has no value for when it is not found"));
    }
    let variables = login.environment.values().find_map(|text| fillings.fill(text).err());
    match variables
        .map(|error| error.to_string())
        .or_else(|| login.files.iter().find_map(|file| file.fault(&fillings)))
    {
        Some(fault) => at(fault),
        None => None,
    }
}

fn form_fault(form: &Form) -> Option<&'static str> {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain(&form.prefix) || !plain(&form.suffix) || form.length.is_some_and(|length| length > 4096) {
        return Some("its form is printable ASCII of at most 4096 characters");
    }
    let object =
        |claims: &String| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(claims).is_ok();
    (!form.claims.as_ref().is_none_or(object)).then_some("its claims are not a JSON object")
}

impl File {
    /// Its path below the private home; `None` for a file of the sandbox's `/etc`.
    #[must_use]
    pub fn in_home(&self) -> Option<&Path> {
        below_home(self.path.strip_prefix("~/")?)
    }

    fn fault(&self, fillings: &Fillings) -> Option<String> {
        let etc = Path::new(&self.path).strip_prefix("/etc").ok().and_then(|rest| below_home(rest.to_str()?));
        if etc.is_none() && self.in_home().is_none() {
            return Some(format!("`{}` is neither below `~/` nor below `/etc/`", self.path.escape_debug()));
        }
        fillings.fill(&self.contents).err().map(|error| error.to_string())
    }
}

/// The path, if it is relative, leads somewhere and nowhere else.
fn below_home(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && path.components().next().is_some()).then_some(path)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("titel = 'x'", "titel"),
            ("title = 'x'\n[environment.set]\n'A=B' = 'c'", "variable"),
            ("title = 'x'\n[[copy]]\npath = '../x'", "below the home"),
            ("title = 'x'\n[[copy]]\npath = '/etc/shadow'", "below the home"),
            ("title = 'x'\n[[file]]\npath = '/usr/bin/x'\ncontents = ''", "/etc/"),
            ("title = 'x'\n[[file]]\npath = '/etc/../x'\ncontents = ''", "/etc/"),
            ("title = 'x'\n[[file]]\npath = '~/x'\ncontents = '${secret}'", "secret"),
            ("title = 'x'\nquiet = ['a b']", "host"),
        ] {
            let error = Profile::parse("p.toml", text).unwrap_err().to_string();
            assert!(error.starts_with("p.toml") && error.contains(part), "{error}");
        }
    }
}
