//! `resource lint`: mistakes a person makes, told before a request meets them.

use std::{fs, path::Path};

use bailiwick_catalogue::{Definition, Level, Resource, Warning, lint, lint_together};
use bailiwick_core::Name;
use schemars::JsonSchema;
use serde::Serialize;

use super::{file, names};
use crate::{
    environment::Environment,
    output::{Failure, NO, NOT_FOUND, Output},
};

/// A finding, and what it is about.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// The resource.
    resource: String,
    /// The file that defines it.
    file: String,
    #[serde(flatten)]
    warning: Warning,
}

/// A definition to look at.
struct Source {
    name: Name,
    file: String,
    text: String,
}

pub(super) fn execute(which: &[String], environment: &Environment, output: &Output) -> Result<(), Failure> {
    let sources = sources(which, environment)?;
    let mut findings = Vec::new();
    let mut resources = Vec::new();
    for source in &sources {
        match Definition::load(source.name.clone(), &source.file, &source.text) {
            Ok(resource) => resources.push(resource),
            Err(error) => findings.push(about(&sources, &source.name, broken(error))),
        }
    }
    for resource in &resources {
        findings.extend(lint(resource).into_iter().map(|warning| about(&sources, &resource.name, warning)));
    }
    let together = lint_together(&resources);
    findings.extend(together.into_iter().map(|(name, warning)| about(&sources, &name, warning)));
    for finding in &findings {
        output.data(finding, || told(finding))?;
    }
    conclude(&resources, &findings, *output)
}

/// The definitions that are meant: all of the home, or those named.
fn sources(which: &[String], environment: &Environment) -> Result<Vec<Source>, Failure> {
    if which.is_empty() {
        return names(environment)?.into_iter().map(|name| by_name(name, environment)).collect();
    }
    which
        .iter()
        .map(|word| {
            if word.contains('/') || word.ends_with(".toml") {
                return by_file(&environment.absolute(Path::new(word)));
            }
            let name =
                word.parse::<Name>().map_err(|error| Failure::usage(error).fix("bailiwick resource list"))?;
            by_name(name, environment)
        })
        .collect()
}

fn by_name(name: Name, environment: &Environment) -> Result<Source, Failure> {
    let path = file(environment, &name);
    let text = fs::read_to_string(&path).map_err(|_| {
        Failure::new(NOT_FOUND, "not_found", format!("there is no resource `{name}`"))
            .fix("bailiwick resource list")
    })?;
    Ok(Source { name, file: path.display().to_string(), text })
}

fn by_file(path: &Path) -> Result<Source, Failure> {
    let shown = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::new(NOT_FOUND, "not_found", format!("cannot read `{shown}`: {error}")))
        .map_err(|failure| failure.fix("name a file that is there, or a resource"))?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = stem.parse().map_err(|error| Failure::usage(format!("`{shown}`: {error}")))?;
    Ok(Source { name, file: shown, text })
}

fn broken(error: bailiwick_catalogue::DefinitionError) -> Warning {
    let fix = error.fix.clone().unwrap_or_else(|| "correct it, or remove the file".to_owned());
    let detail = bailiwick_catalogue::DefinitionError { fix: None, ..error }.to_string();
    Warning { level: Level::Error, code: "invalid", detail, fix }
}

fn about(sources: &[Source], name: &Name, warning: Warning) -> Finding {
    let file = sources.iter().find(|source| source.name == *name).map(|source| source.file.clone());
    Finding { resource: name.to_string(), file: file.unwrap_or_default(), warning }
}

fn told(finding: &Finding) -> String {
    let Finding { resource, warning, .. } = finding;
    let level = match warning.level {
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    format!("{resource}: {level}: {} [{}]\n  to fix: {}", warning.detail, warning.code, warning.fix)
}

/// A definition that cannot be used is a usage error; a warning is a no; a note changes nothing.
fn conclude(resources: &[Resource], findings: &[Finding], output: Output) -> Result<(), Failure> {
    let count = |level| findings.iter().filter(|finding| finding.warning.level == level).count();
    let (errors, warnings, notes) = (count(Level::Error), count(Level::Warning), count(Level::Note));
    let said = format!(
        "definitions that can be used: {}; errors: {errors}, warnings: {warnings}, notes: {notes}",
        resources.len()
    );
    if errors > 0 {
        return Err(Failure::usage(said).fix("see what is to fix above"));
    }
    if warnings > 0 {
        return Err(Failure::new(NO, "warnings", said).fix("see what is to fix above"));
    }
    output.say(said);
    Ok(())
}
