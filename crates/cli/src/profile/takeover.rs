//! Looking where a person keeps a credential. What is found is real: it goes to the daemon and is not kept here.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

use bailiwick_profile::{Found, Login, Source};

use crate::environment::Environment;

/// The largest file with a credential, and the longest answer of a program.
const MAX: u64 = 64 * 1024;

/// The first of the login's sources that has something. What cannot be read is said, and passed over. No program
/// is run that lies in `workspace`.
pub(crate) fn find<'l>(
    login: &'l Login,
    environment: &Environment,
    workspace: &Path,
    mut complain: impl FnMut(String),
) -> Option<(&'l Source, Found)> {
    login.sources.iter().find_map(|source| match look(source, environment, workspace) {
        Ok(found) => found.map(|found| (source, found)),
        Err(problem) => {
            complain(format!("cannot use {}: {problem}", source.describe()));
            None
        }
    })
}

fn look(source: &Source, environment: &Environment, workspace: &Path) -> Result<Option<Found>, String> {
    if let Some(name) = &source.env {
        let value = environment.variable(name).and_then(|value| value.to_str());
        return Ok(value.and_then(Found::plain));
    }
    if let Some(file) = &source.file {
        let Some(text) = read(&environment.user_home.join(file))? else { return Ok(None) };
        return Found::in_file(&text, source).map_err(|error| error.to_string());
    }
    Ok(printed(&source.command, environment, workspace))
}

fn read(path: &Path) -> Result<Option<String>, String> {
    let mut text = String::new();
    match fs::File::open(path) {
        Ok(file) => {
            file.take(MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
            Ok(Some(text))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// What a program of the person's prints; nothing if it is not there or fails.
fn printed(command: &[String], environment: &Environment, workspace: &Path) -> Option<Found> {
    let (program, arguments) = command.split_first()?;
    let program = environment.program(program, workspace)?;
    let mut child = Command::new(program)
        .args(arguments)
        // Never from the workspace, whose files it might read as its configuration.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut text = String::new();
    let read = child.stdout.take().map(|stdout| stdout.take(MAX).read_to_string(&mut text));
    let ended = child.wait().is_ok_and(|status| status.success());
    Found::plain(&text).filter(|_| ended && matches!(read, Some(Ok(_))))
}
