//! All profiles: those that are shipped, and the person's own, which go before them.

use std::{collections::BTreeMap, ffi::OsStr, path::Path};

use bailiwick_core::Name;

use crate::{Login, Profile, ProfileError};

const SHIPPED: [(&str, &str); 7] = [
    ("claude", include_str!("../profiles/claude.toml")),
    ("codex", include_str!("../profiles/codex.toml")),
    ("copilot", include_str!("../profiles/copilot.toml")),
    ("cursor-agent", include_str!("../profiles/cursor-agent.toml")),
    ("gemini", include_str!("../profiles/gemini.toml")),
    ("generic", include_str!("../profiles/generic.toml")),
    ("opencode", include_str!("../profiles/opencode.toml")),
];

/// What a clone of a repository at one of these hosts needs, whatever program works in it.
const FORGES: [(&str, &str); 1] = [("github.com", include_str!("../forges/github.toml"))];

/// The profile of what no other is for.
const GENERIC: &str = "generic";

/// All profiles.
#[derive(Clone, Debug)]
pub struct Library(BTreeMap<Name, Profile>);

/// The profiles cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// One of them cannot.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A file's name is not one.
    #[error("{file}: {detail}")]
    Name {
        /// The file.
        file: String,
        /// What is wrong with its name.
        detail: String,
    },
}

impl Library {
    /// The shipped profiles, and `own`: files and their contents. A file called like a shipped profile replaces it.
    ///
    /// # Errors
    /// If one cannot be used.
    pub fn with<'a>(own: impl IntoIterator<Item = (&'a Path, &'a str)>) -> Result<Self, LibraryError> {
        let mut profiles = BTreeMap::new();
        for (name, text) in SHIPPED {
            profiles.insert(named(name, name)?, Profile::parse(&format!("profile {name}"), text)?);
        }
        for (path, text) in own {
            let file = path.display().to_string();
            let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
            profiles.insert(named(stem, &file)?, Profile::parse(&file, text)?);
        }
        Ok(Self(profiles))
    }

    /// The profile of the program that is called `called` and whose file is `real`, links and start scripts followed.
    #[must_use]
    pub fn choose(&self, called: &Path, real: Option<&Path>) -> (&Name, &Profile) {
        let paths = || real.into_iter().chain([called]);
        let found = self.0.iter().find(|(_, profile)| paths().any(|path| profile.is_for(path)));
        found.unwrap_or_else(|| self.generic())
    }

    /// What a program needs besides in a clone of a repository at `host`, if that is known.
    ///
    /// # Errors
    /// Never for what is shipped, which a test reads.
    pub fn forge(host: &str) -> Result<Option<Profile>, ProfileError> {
        let found = FORGES.iter().find(|(known, _)| *known == host);
        found.map(|(name, text)| Profile::parse(&format!("forge {name}"), text)).transpose()
    }

    /// Every profile, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Profile)> {
        self.0.iter()
    }

    fn generic(&self) -> (&Name, &Profile) {
        let found = self.0.iter().find(|(name, _)| name.as_str() == GENERIC);
        found.unwrap_or_else(|| unreachable!("`{GENERIC}` is shipped and cannot be taken away"))
    }
}

impl Profile {
    /// This, with the logins of `more` that it does not find in the same place by itself.
    #[must_use]
    pub fn with(mut self, more: Self) -> Self {
        let variables = |login: &Login| -> Vec<String> {
            login.sources.iter().filter_map(|source| source.env.clone()).collect()
        };
        let own: Vec<String> = self.logins.iter().flat_map(variables).collect();
        let new = |login: &Login| !variables(login).iter().any(|name| own.contains(name));
        self.logins.extend(more.logins.into_iter().filter(new));
        self.environment.drop.extend(more.environment.drop);
        self
    }

    fn is_for(&self, path: &Path) -> bool {
        let base = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let text = path.to_string_lossy();
        let packaged = |package: &String| text.contains(&format!("/node_modules/{package}/"));
        self.programs.iter().any(|program| program == base) || self.packages.iter().any(packaged)
    }
}

fn named(text: &str, file: &str) -> Result<Name, LibraryError> {
    text.parse().map_err(|error: bailiwick_core::ParseNameError| LibraryError::Name {
        file: file.to_owned(),
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(called: &str, real: Option<&str>) -> String {
        Library::with([]).unwrap().choose(Path::new(called), real.map(Path::new)).0.to_string()
    }

    #[test]
    fn a_program_is_known_by_its_name_or_its_package() {
        assert_eq!(chosen("claude", None), "claude");
        assert_eq!(chosen("/opt/x/codex", None), "codex");
        assert_eq!(chosen("bash", Some("/usr/bin/bash")), "generic");
        assert_eq!(
            chosen("mine", Some("/usr/lib/node_modules/@google/gemini-cli/bundle/gemini.js")),
            "gemini"
        );
        assert_eq!(chosen("not-claude", None), "generic");
    }

    #[test]
    fn a_persons_own_goes_before_the_shipped() {
        let own = "title = 'mine'\nprograms = ['claude', 'other']\n";
        let library = Library::with([(Path::new("/h/profiles/claude.toml"), own)]).unwrap();
        assert_eq!(library.choose(Path::new("other"), None).1.title, "mine");
        assert!(Library::with([(Path::new("/h/profiles/Bad Name.toml"), own)]).is_err());
    }

    #[test]
    fn a_forge_adds_its_login_where_the_program_does_not_use_it_itself() {
        let library = Library::with([]).unwrap();
        let github = || Library::forge("github.com").unwrap().unwrap();
        assert!(Library::forge("github.com.evil.example").unwrap().is_none());
        let logins = |program: &str| {
            let profile = library.choose(Path::new(program), None).1.clone().with(github());
            profile.logins.iter().filter(|login| login.resource.as_str() == "github").count()
        };
        assert_eq!((logins("bash"), logins("claude"), logins("copilot")), (1, 1, 0));
        let drop = library.choose(Path::new("bash"), None).1.clone().with(github()).environment.drop;
        for source in github().logins.iter().flat_map(|login| &login.sources) {
            assert!(source.env.as_ref().is_none_or(|name| drop.contains(name)), "{source:?}");
        }
    }

    #[test]
    fn no_shipped_profile_passes_on_a_credential() {
        for (name, profile) in Library::with([]).unwrap().iter() {
            let brought: Vec<_> = profile
                .logins
                .iter()
                .flat_map(|login| &login.sources)
                .filter_map(|source| source.env.as_ref())
                .collect();
            for variable in brought {
                assert!(profile.environment.drop.contains(variable), "{name} may pass {variable} on");
                assert!(!profile.environment.pass.contains(variable), "{name} passes {variable} on");
            }
        }
    }
}
