//! The repositories that a task is about: branches may be pushed there without asking, but for those that are protected.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Branches that many build on or publish from, whatever a repository calls its own.
const PROTECTED: [&str; 8] =
    ["develop", "main", "master", "prod", "production", "release", "stable", "trunk"];
/// The longest name of a repository, in bytes.
const LONGEST: usize = 256;

/// The repositories that a task is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Repositories {
    /// Their paths on their hosts, such as `acme/site`, without `.git`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<String>,
    /// Branches that are protected besides the usual ones.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub branches: BTreeSet<String>,
}

impl Repositories {
    /// The repositories that a person's own words name: `acme/site`, or an address of one.
    pub fn named_in(statement: &str) -> BTreeSet<String> {
        let apart = |c: char| c.is_whitespace() || "\"'`()[]<>,;!?".contains(c);
        statement
            .split(apart)
            .map(|word| word.trim_end_matches(['.', ':']))
            .filter_map(Self::name_of)
            .collect()
    }

    /// The path of a repository from how people write one: `acme/site`, `https://host/acme/site.git`, `git@host:acme/site`,
    /// `ssh://git@host/acme/site`. `None` where it is none.
    pub fn name_of(text: &str) -> Option<String> {
        let path = match text.split_once("://") {
            Some(("https" | "http" | "ssh" | "git", rest)) => rest.split_once('/')?.1,
            Some(_) => return None,
            None => match text.split_once(':') {
                Some((host, path)) if host.contains('@') => path,
                Some(_) => return None,
                None => text,
            },
        };
        let path = path.trim_end_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let segments: Vec<_> = path.split('/').collect();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let is_name = |segment: &&str| {
            !segment.is_empty() && !segment.starts_with(['.', '-']) && segment.chars().all(plain)
        };
        let fits = (2..=5).contains(&segments.len()) && path.len() <= LONGEST;
        (fits && segments.iter().all(is_name)).then(|| path.to_owned())
    }

    /// The host of a repository, in lower case and without its port, from how people write its address; `None` where it names none.
    pub fn host_of(text: &str) -> Option<String> {
        let authority = match text.split_once("://") {
            Some(("https" | "http" | "ssh" | "git", rest)) => rest.split('/').next()?,
            Some(_) => return None,
            None => text.split_once(':').map(|(host, _)| host).filter(|host| host.contains('@'))?,
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
        (!host.is_empty() && host.chars().all(plain)).then(|| host.to_ascii_lowercase())
    }

    /// The names, as a request may spell them: with and without `.git`, and in lower case, as services whose names have no case are told.
    pub fn spellings(&self) -> BTreeSet<String> {
        let cases = self.names.iter().flat_map(|name| [name.clone(), name.to_ascii_lowercase()]);
        cases.flat_map(|name| [format!("{name}.git"), name]).collect()
    }

    /// The protected branches, as full references.
    pub fn protected(&self) -> BTreeSet<String> {
        let usual = PROTECTED.iter().map(|branch| (*branch).to_owned());
        usual.chain(self.branches.iter().cloned()).map(|branch| format!("refs/heads/{branch}")).collect()
    }

    /// What both are about; everything that either protects.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self {
            names: self.names.intersection(&other.names).cloned().collect(),
            branches: self.branches.union(&other.branches).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_known_however_it_is_written() {
        for text in [
            "acme/site",
            "https://forge.example:8443/acme/site",
            "https://forge.example/acme/site.git/",
            "git@forge.example:acme/site.git",
            "ssh://git@forge.example:22/acme/site",
        ] {
            assert_eq!(Repositories::name_of(text).as_deref(), Some("acme/site"), "{text}");
        }
        for text in [
            "site",
            "/acme/site",
            "../acme",
            "acme//site",
            "acme/../site",
            "acme/-x",
            "file:///acme/site",
            "ext::sh/x",
            "C:acme/site",
            "a/b/c/d/e/f",
            "acme/si te",
            "",
        ] {
            assert_eq!(Repositories::name_of(text), None, "{text}");
        }
    }

    #[test]
    fn the_host_of_an_address_is_what_would_be_asked() {
        for text in [
            "https://GitHub.com/acme/site",
            "https://mia@github.com:443/acme/site.git",
            "git@github.com:acme/site",
            "ssh://git@github.com:22/acme/site",
        ] {
            assert_eq!(Repositories::host_of(text).as_deref(), Some("github.com"), "{text}");
        }
        assert_eq!(
            Repositories::host_of("https://github.com@evil.example/acme/site").as_deref(),
            Some("evil.example")
        );
        for text in
            ["acme/site", "file:///acme/site", "github.com:acme/site", "https:///x", "https://[::1]/x", ""]
        {
            assert_eq!(Repositories::host_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_persons_words_name_repositories() {
        let named = Repositories::named_in(
            "Fix the login of acme/site, then look at (https://f.example/acme/api.git).",
        );
        assert_eq!(named, ["acme/api".to_owned(), "acme/site".to_owned()].into());
        assert!(Repositories::named_in("Say hello. Nothing here.").is_empty());
    }

    #[test]
    fn two_tasks_meet_in_what_both_are_about() {
        let task = |names: &[&str], branches: &[&str]| Repositories {
            names: names.iter().map(ToString::to_string).collect(),
            branches: branches.iter().map(ToString::to_string).collect(),
        };
        let both = task(&["a/b", "a/c"], &["x"]).meet(&task(&["a/c", "a/d"], &["y"]));
        assert_eq!(both, task(&["a/c"], &["x", "y"]));
        assert!(both.protected().contains("refs/heads/main") && both.protected().contains("refs/heads/x"));
        assert_eq!(both.spellings(), ["a/c".to_owned(), "a/c.git".to_owned()].into());
    }
}
