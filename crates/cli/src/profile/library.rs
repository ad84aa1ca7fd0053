//! The profiles there are, and the one that a command line calls for.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use bailiwick_core::Name;
use bailiwick_profile::{Library, Profile};

use crate::{environment::Environment, output::Failure};

/// The largest profile, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The shipped profiles and those in `profiles/` of the home.
pub(crate) fn load(environment: &Environment) -> Result<Library, Failure> {
    let directory = environment.home.join("profiles");
    let own = own(&directory).map_err(|error| {
        Failure::usage(format!("cannot read the profiles in `{}`: {error}", directory.display()))
            .fix(format!("make it a directory of TOML files, or remove it: {}", directory.display()))
    })?;
    let own = own.iter().map(|(path, text)| (path.as_path(), text.as_str()));
    Library::with(own).map_err(|error| Failure::usage(error).fix("correct the file, or remove it"))
}

fn own(directory: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let metadata = fs::metadata(&path)?;
        if !metadata.is_file() || metadata.len() > MAX_FILE {
            return Err(io::Error::other(format!("`{}` is not a small file", path.display())));
        }
        files.push((path.clone(), fs::read_to_string(&path)?));
    }
    files.sort();
    Ok(files)
}

/// The profile of a program, and where the program really lies.
pub(crate) fn choose<'l>(
    library: &'l Library,
    program: &OsStr,
    environment: &Environment,
    workdir: &Path,
) -> (&'l Name, &'l Profile, Option<PathBuf>) {
    let called = find(program, environment, workdir);
    let real = called.as_ref().and_then(|path| path.canonicalize().ok());
    let (name, profile) = library.choose(Path::new(program), real.as_deref());
    (name, profile, real)
}

/// Where a shell would find it, from the workspace.
pub(crate) fn find(program: &OsStr, environment: &Environment, workdir: &Path) -> Option<PathBuf> {
    if program.as_encoded_bytes().contains(&b'/') {
        return Some(workdir.join(program)).filter(|path| path.is_file());
    }
    let path = environment.variable("PATH")?;
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}
