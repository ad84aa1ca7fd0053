//! What is in force at one moment: the catalogue and the policies, loaded from the files a person edits, swapped as one set.
//!
//! A set with a mistake in it is never taken: the last good one stays, and the mistake is told loudly. Nothing is ever read from a
//! workspace.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bailiwick_catalogue::{Catalogue, Definition, Resource};
use bailiwick_core::{Digest, Name};
use bailiwick_policy::PolicySet;

use crate::{Settings, settings::ObserveSettings};

/// The largest file a person edits, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The catalogue and the policies of one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What is upstream.
    pub catalogue: Arc<Catalogue>,
    /// What is allowed.
    pub policies: Arc<PolicySet>,
    /// How observed sessions reach what is not declared.
    pub observe: ObserveSettings,
    version: Digest,
}

/// Files that are looked at as if they were in the home.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// Definitions, each with the name of its resource.
    pub resources: Vec<(Name, String)>,
    /// Policies, each with the name of its file.
    pub policies: Vec<(String, String)>,
}

/// Why a set of files was not taken: one sentence a mistake, each naming its file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct LoadError(pub Vec<String>);

impl Snapshot {
    /// Loads `resources/*.toml` and `policies/*.cedar` of `home`.
    ///
    /// # Errors
    /// Every mistake in every file.
    pub fn load(home: &Path, settings: &Settings) -> Result<Self, LoadError> {
        Self::load_with(home, settings, Additions::default())
    }

    /// The same, as if what `more` says lay there as well.
    ///
    /// # Errors
    /// As [`Snapshot::load`].
    pub fn load_with(home: &Path, settings: &Settings, more: Additions) -> Result<Self, LoadError> {
        let mut resources = load_resources(home)?;
        for (name, text) in more.resources {
            let file = format!("resources/{name}.toml");
            let resource = Definition::load(name, &file, &text);
            resources.push(resource.map_err(|error| LoadError(vec![error.to_string()]))?);
        }
        let catalogue = Catalogue::new(resources).map_err(|error| LoadError(vec![error.to_string()]))?;
        let policies = load_policies(home, settings, &catalogue, more.policies)?;
        let observe = settings.observe.clone();
        let mut set = format!("{}\n{}", catalogue.digest(), policies.version());
        if observe != ObserveSettings::default() {
            set.push_str(&format!("\n{observe:?}"));
        }
        let version = Digest::of(set.as_bytes());
        Ok(Self { catalogue: Arc::new(catalogue), policies: Arc::new(policies), observe, version })
    }

    /// The digest of the whole set, as it is written on record beside each decision.
    pub const fn version(&self) -> Digest {
        self.version
    }
}

fn load_resources(home: &Path) -> Result<Vec<Resource>, LoadError> {
    let mut resources = Vec::new();
    let mut problems = Vec::new();
    for (path, text) in read_all(&home.join("resources"), "toml")? {
        match load_resource(&path, &text) {
            Ok(resource) => resources.push(resource),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(resources) } else { Err(LoadError(problems)) }
}

fn load_resource(path: &Path, text: &str) -> Result<Resource, String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name: Name = stem.parse().map_err(|error| format!("`{}`: {error}", path.display()))?;
    Definition::load(name, &path.display().to_string(), text).map_err(|error| error.to_string())
}

fn load_policies(
    home: &Path,
    settings: &Settings,
    catalogue: &Catalogue,
    more: Vec<(String, String)>,
) -> Result<PolicySet, LoadError> {
    let mut files = Vec::new();
    match settings.policy.preset.as_str() {
        "none" => {}
        name => match bailiwick_policy::preset(name) {
            Some(text) => files.push((format!("preset:{name}"), text.to_owned())),
            None => {
                let problem =
                    format!("bailiwick.toml: there is no preset `{name}`; use `default`, `strict` or `none`");
                return Err(LoadError(vec![problem]));
            }
        },
    }
    let own = read_all(&home.join("policies"), "cedar")?;
    files.extend(own.into_iter().map(|(path, text)| (path.display().to_string(), text)));
    files.extend(more);
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    PolicySet::parse(&files, catalogue.operations())
        .map_err(|problems| LoadError(problems.iter().map(ToString::to_string).collect()))
}

/// The files of `directory` whose name ends in `extension`, in order of their names. Only regular files; hidden ones are an
/// editor's, not the person's.
fn read_all(directory: &Path, extension: &str) -> Result<Vec<(PathBuf, String)>, LoadError> {
    let failed =
        |path: &Path, error: io::Error| LoadError(vec![format!("cannot read `{}`: {error}", path.display())]);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| failed(directory, error))? {
        let path = entry.map_err(|error| failed(directory, error))?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| read(&path).map(|text| (path.clone(), text)).map_err(|error| failed(&path, error)))
        .collect()
}

fn read(path: &Path) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(io::Error::other(format!("it is not a file of at most {MAX_FILE} bytes")));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("resources")).unwrap();
        fs::create_dir(home.path().join("policies")).unwrap();
        home
    }

    #[test]
    fn loads_what_a_person_wrote() {
        let home = home();
        fs::write(
            home.path().join("resources/forge.toml"),
            "address = 'https://forge.example'\ntemplate = 'git'\n",
        )
        .unwrap();
        fs::write(home.path().join("resources/.forge.toml.swp"), "not ours").unwrap();
        let snapshot = Snapshot::load(home.path(), &Settings::default()).unwrap();
        assert_eq!(snapshot.catalogue.iter().count(), 1);
    }

    #[test]
    fn tells_every_mistake_with_its_file() {
        let home = home();
        fs::write(home.path().join("resources/a.toml"), "address = 'nonsense'\n").unwrap();
        fs::write(home.path().join("resources/b.toml"), "adress = 'https://b.example'\n").unwrap();
        let LoadError(problems) = Snapshot::load(home.path(), &Settings::default()).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(
            problems.iter().zip(["a.toml", "b.toml"]).all(|(problem, file)| problem.contains(file)),
            "{problems:?}"
        );
    }
}
