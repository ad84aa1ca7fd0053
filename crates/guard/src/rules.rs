//! Which files run later: the list in `rules.toml`, and how a path is found in it.
//!
//! The list is data, so that a person can read what is guarded and why. A glob matches at any depth; `GIT/` at its beginning stands
//! for any git directory: one named `.git`, or one that looks like it (bare repositories, submodules, worktrees).

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// The list as it is written.
const TEXT: &str = include_str!("rules.toml");
/// Stands for any git directory.
const GIT: &str = "GIT";

/// What is done with a file that runs later.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Takes effect merely by entering the directory or by running git, an editor or an agent in it: only what was there passes.
    Quarantine,
    /// Git configuration: keys of an allow-list pass, others as in [`Hold::Quarantine`].
    GitConfig,
    /// `.gitmodules`: likewise, with its own allow-list.
    GitModules,
    /// Names another directory to git: passes if that lies in the workspace.
    Redirect,
    /// Takes effect when the person runs, builds or pushes the work: left there, and listed at the end.
    Show,
}

/// A line of the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which files.
    pub glob: String,
    /// What is done with them.
    pub hold: Hold,
    /// When such a file takes effect.
    pub why: String,
    /// A path that the glob matches, for the test that plants one.
    pub example: String,
    /// Whether it takes effect for others as soon as it is pushed.
    #[serde(default)]
    pub pushed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    rule: Vec<Rule>,
}

/// The list, in the order of precedence.
pub fn rules() -> &'static [Rule] {
    &INDEX.rules
}

/// The first rule for what takes effect once it is pushed, for a path with these names, in either case.
pub fn pushed(names: &[&[u8]]) -> Option<&'static Rule> {
    let names: Vec<Vec<u8>> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let matches = |glob: &Glob| (0..names.len()).any(|start| glob.matches(&names[start..]));
    PUSHED.iter().find(|(_, glob)| matches(glob)).map(|(rule, _)| *rule)
}

static PUSHED: LazyLock<Vec<(&Rule, Glob)>> = LazyLock::new(|| {
    let pushed = rules().iter().filter(|rule| rule.pushed);
    pushed.map(|rule| (rule, Glob::new(&rule.glob.to_ascii_lowercase()))).collect()
});

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let document: Result<Document, _> = toml::from_str(TEXT);
    // The text is part of the program; a test reads it.
    let rules = document.map(|document| document.rule).unwrap_or_default();
    Index::new(rules)
});

/// Globs by the first of their names, so that a path costs a look-up for each of its names.
struct Index {
    rules: Vec<Rule>,
    globs: Vec<Glob>,
    by_name: HashMap<Vec<u8>, Vec<usize>>,
    others: Vec<usize>,
    in_git: Vec<usize>,
}

impl Index {
    fn new(rules: Vec<Rule>) -> Self {
        let globs: Vec<Glob> = rules.iter().map(|rule| Glob::new(&rule.glob)).collect();
        let mut index = Self {
            globs: Vec::new(),
            rules,
            by_name: HashMap::new(),
            others: Vec::new(),
            in_git: Vec::new(),
        };
        for (at, glob) in globs.iter().enumerate() {
            match glob.names.first() {
                _ if glob.in_git => index.in_git.push(at),
                Some(first) if !first.contains(&b'*') => {
                    index.by_name.entry(first.clone()).or_default().push(at);
                }
                _ => index.others.push(at),
            }
        }
        index.globs = globs;
        index
    }
}

/// The first rule for the path with these names. `roots` are the numbers of leading names after which a git directory begins.
pub(crate) fn find(names: &[&[u8]], roots: &[usize]) -> Option<&'static Rule> {
    let index = &*INDEX;
    let in_git = roots.iter().flat_map(|root| {
        let below = names.get(*root..).unwrap_or_default();
        index.in_git.iter().filter(move |at| index.globs[**at].matches(below))
    });
    let anywhere = (0..names.len()).flat_map(|start| {
        let named = index.by_name.get(names[start]).map(Vec::as_slice).unwrap_or_default();
        named.iter().chain(&index.others).filter(move |at| index.globs[**at].matches(&names[start..]))
    });
    in_git.chain(anywhere).min().map(|at| &index.rules[*at])
}

/// A glob: names, in which `*` stands for any part of one; `**` at the end for everything below.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    names: Vec<Vec<u8>>,
    below: bool,
    in_git: bool,
}

impl Glob {
    pub(crate) fn new(text: &str) -> Self {
        let mut names: Vec<Vec<u8>> = text.split('/').map(|name| name.as_bytes().to_vec()).collect();
        let in_git = names.first().is_some_and(|first| first == GIT.as_bytes());
        if in_git {
            names.remove(0);
        }
        let below = names.last().is_some_and(|last| last == b"**");
        if below {
            names.pop();
        }
        Self { names, below, in_git }
    }

    /// Whether it matches exactly these names.
    pub(crate) fn matches(&self, names: &[&[u8]]) -> bool {
        let length =
            if self.below { names.len() >= self.names.len() } else { names.len() == self.names.len() };
        length && self.names.iter().zip(names).all(|(pattern, name)| name_matches(pattern, name))
    }
}

fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let Some(star) = pattern.iter().position(|byte| *byte == b'*') else { return pattern == name };
    let (head, tail) = (&pattern[..star], &pattern[star + 1..]);
    name.strip_prefix(head)
        .is_some_and(|rest| (0..=rest.len()).any(|skipped| name_matches(tail, &rest[skipped..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, roots: &[usize]) -> Option<&'static str> {
        let names: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
        find(&names, roots).map(|rule| rule.glob.as_str())
    }

    #[test]
    fn the_list_is_readable_and_every_example_is_found() {
        let document: Document = toml::from_str(TEXT).unwrap();
        assert!(document.rule.len() > 80);
        for written in &document.rule {
            assert!(written.why.len() > 10, "{}", written.glob);
            let example = written.example.replacen("GIT/", ".git/", 1);
            let roots: &[usize] = if written.glob.starts_with("GIT/") { &[1] } else { &[] };
            assert_eq!(rule(&example, roots), Some(written.glob.as_str()), "{example}");
            let (deep, roots): (_, &[usize]) = (format!("a/b/{example}"), &[3]);
            let roots = if written.glob.starts_with("GIT/") { roots } else { &[] };
            assert_eq!(rule(&deep, roots), Some(written.glob.as_str()), "{deep}");
        }
    }

    #[test]
    fn what_takes_effect_once_it_is_pushed_is_found_in_either_case() {
        let glob = |path: &str| pushed(&path.split('/').map(str::as_bytes).collect::<Vec<_>>());
        for path in [
            ".github/workflows/ci.yml",
            ".GitHub/Workflows",
            "a/.gitmodules",
            "docs/codeowners",
            "jenkinsfile",
        ] {
            assert!(glob(path).is_some(), "{path}");
        }
        for path in [".github/ISSUE_TEMPLATE.md", "src/main.rs", "CLAUDE.md", "package.json"] {
            assert!(glob(path).is_none(), "{path}");
        }
        assert!(rules().iter().filter(|rule| rule.pushed).count() > 30);
    }

    #[test]
    fn ordinary_files_are_in_no_rule() {
        for path in ["src/main.rs", "README.md", "config", "hooks/use.ts", ".git/HEAD", "a/vscode/tasks.json"]
        {
            assert_eq!(rule(path, &[]), None, "{path}");
        }
    }

    #[test]
    fn a_git_directory_inside_another_does_not_hide_it() {
        assert_eq!(rule(".git/hooks/pre-commit", &[1, 2]), Some("GIT/hooks/**"));
        assert_eq!(rule(".git/modules/a/config", &[1, 3]), Some("GIT/config"));
    }
}
