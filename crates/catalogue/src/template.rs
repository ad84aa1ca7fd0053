//! Templates: definitions without a name, embedded as data. Beside each stands a table of what requests mean (`NAME.cases.toml`), which the
//! gateway's tests hold it to.

/// A named, embedded definition that others build on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its name, as `template = "…"` says it.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Every template, by name.
pub const TEMPLATES: [Template; 15] = [
    Template { name: "anthropic", text: include_str!("../templates/anthropic.toml") },
    Template { name: "crates", text: include_str!("../templates/crates.toml") },
    Template { name: "debian", text: include_str!("../templates/debian.toml") },
    Template { name: "documentation", text: include_str!("../templates/documentation.toml") },
    Template { name: "gemini", text: include_str!("../templates/gemini.toml") },
    Template { name: "git", text: include_str!("../templates/git.toml") },
    Template { name: "github", text: include_str!("../templates/github.toml") },
    Template { name: "gitlab", text: include_str!("../templates/gitlab.toml") },
    Template { name: "go", text: include_str!("../templates/go.toml") },
    Template { name: "http", text: include_str!("../templates/http.toml") },
    Template { name: "npm", text: include_str!("../templates/npm.toml") },
    Template { name: "oci", text: include_str!("../templates/oci.toml") },
    Template { name: "openai", text: include_str!("../templates/openai.toml") },
    Template { name: "pypi", text: include_str!("../templates/pypi.toml") },
    Template { name: "rest", text: include_str!("../templates/rest.toml") },
];

/// The templates that a new home declares as they are: public services that are read without a credential, by a grammar. Not `go`: its
/// proxy fetches a module from wherever the module's path says, so a request to it reaches anyone.
pub const DECLARED: [&str; 5] = ["crates", "debian", "documentation", "npm", "pypi"];

impl Template {
    /// The template called `name`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        TEMPLATES.iter().find(|template| template.name == name)
    }
}
