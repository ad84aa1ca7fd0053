//! `resource`: the files in `resources/`, written for the person who would rather not.

mod lint;
mod table;

pub(crate) use lint::Finding;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bailiwick_catalogue::{Definition, Level, Resource as Entry};
use bailiwick_client::Client;
use bailiwick_core::Name;
use bailiwick_wire::{Done, Loaded, SecretValue};
use toml_edit::{Array, DocumentMut, value};

use crate::{
    args::{Resource, ResourceAdd},
    command::secret,
    daemon,
    environment::Environment,
    output::{CONFLICT, Failure, NOT_FOUND, Output},
};

pub(crate) fn execute(command: Resource, environment: &Environment, output: &Output) -> Result<(), Failure> {
    match command {
        Resource::Add(options) => add(&options, environment, output),
        Resource::List => list(environment, output),
        Resource::Show { name } => {
            let resource = load(environment, &name)?;
            let text = serde_json::to_string_pretty(&resource).map_err(io::Error::other)?;
            Ok(output.data(&resource, || text)?)
        }
        Resource::Remove { name } => remove(&name, environment, output),
        Resource::Lint { which } => lint::execute(&which, environment, output),
        Resource::Test { name, file } => {
            table::execute(&load(environment, &name)?, &environment.absolute(&file), output)
        }
    }
}

fn add(options: &ResourceAdd, environment: &Environment, output: &Output) -> Result<(), Failure> {
    let path = file(environment, &options.name);
    if path.exists() && !options.replace {
        let detail = format!("there is a resource `{}` already", options.name);
        return Err(Failure::new(CONFLICT, "exists", detail).fix("choose another name, or add `--replace`"));
    }
    let text = definition(options, environment)?;
    let resource = Definition::load(options.name.clone(), &path.display().to_string(), &text)
        .map_err(|error| Failure::usage(error).fix("bailiwick resource add --help"))?;
    daemon::ensure(environment)?;
    let client = Client::new(&environment.home);
    if let Some(spec) = &resource.credential {
        let value = secret::read(&format!("credential for {}: ", options.name))?;
        client.put::<Done>(&format!("/v1/secrets/{}", spec.secret), &SecretValue { value })?;
    }
    declare(environment, &options.name, &text)?;
    let warnings = bailiwick_catalogue::lint(&resource);
    for warning in warnings.iter().filter(|warning| warning.level >= Level::Warning) {
        output.say(format!("warning: {}; {}", warning.detail, warning.fix));
    }
    output.say(format!("added `{}`; its definition is `{}`", options.name, path.display()));
    Ok(())
}

/// Makes `text` the definition of the resource, and takes it into force; or leaves everything as it was.
pub(crate) fn declare(environment: &Environment, name: &Name, text: &str) -> Result<(), Failure> {
    let path = file(environment, name);
    let client = Client::new(&environment.home);
    let before = fs::read_to_string(&path).ok();
    replace(&path, Some(text))?;
    let loaded: Loaded = client.post("/v1/reload", &())?;
    if !loaded.problems.is_empty() {
        // Left there, it would keep the whole set from being loaded ever again.
        replace(&path, before.as_deref())?;
        client.post::<Loaded>("/v1/reload", &())?;
        let detail = format!("nothing was added: {}", loaded.problems.join("\n"));
        return Err(Failure::usage(detail).fix("bailiwick policy check; bailiwick resource list"));
    }
    Ok(())
}

/// Puts a whole definition in place of another, or takes it away.
fn replace(path: &Path, text: Option<&str>) -> Result<(), Failure> {
    let Some(text) = text else { return Ok(fs::remove_file(path)?) };
    let partial = path.with_extension("partial");
    fs::write(&partial, text)?;
    Ok(fs::rename(&partial, path)?)
}

fn definition(options: &ResourceAdd, environment: &Environment) -> Result<String, Failure> {
    let mut document = DocumentMut::new();
    match options.protocol.as_deref() {
        Some("tcp") => {
            // Templates say what requests mean, and how to be let in: here are no requests.
            if options.token_stdin || options.template != "http" {
                return Err(Failure::usage(
                    "nothing can be read from, or injected into, bytes that are not looked into",
                )
                .fix("leave `--template` and `--token-stdin` away; the client brings its own password"));
            }
            document["protocol"] = value("tcp");
        }
        _ => document["template"] = value(&options.template),
    }
    let addresses: Array = options.address.iter().collect();
    match options.address.as_slice() {
        [] => {}
        [one] => document["address"] = value(one),
        _ => document["address"] = value(addresses),
    }
    if let Some(ca) = &options.ca {
        let ca = fs::canonicalize(environment.absolute(ca))
            .map_err(|error| Failure::usage(format!("cannot use `{}`: {error}", ca.display())))
            .map_err(|failure| failure.fix("name a PEM file that is there with `--ca FILE`"))?;
        document["ca"] = value(ca.display().to_string());
    }
    if options.no_credential {
        document["credentials"] = value("none");
    }
    Ok(document.to_string())
}

fn list(environment: &Environment, output: &Output) -> Result<(), Failure> {
    let names = names(environment)?;
    if names.is_empty() {
        output.say("there is no resource; declare one with `bailiwick resource add NAME --address URL`");
    }
    let mut broken = Vec::new();
    for name in names {
        match load(environment, &name) {
            Ok(resource) => output.data(&resource, || {
                let addresses: Vec<_> = resource.addresses.iter().map(ToString::to_string).collect();
                format!("{:<16} {}", resource.name, addresses.join(" "))
            })?,
            Err(failure) => broken.push((name, failure)),
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    let said: Vec<_> =
        broken.iter().map(|(name, failure)| format!("`{name}`: {}", failure.problem.detail)).collect();
    Err(Failure::usage(format!("cannot be used: {}", said.join("\n"))).fix("bailiwick resource lint"))
}

fn remove(name: &Name, environment: &Environment, output: &Output) -> Result<(), Failure> {
    let path = file(environment, name);
    let resource = load(environment, name)?;
    daemon::ensure(environment)?;
    fs::remove_file(&path)?;
    let client = Client::new(&environment.home);
    let _: Loaded = client.post("/v1/reload", &())?;
    if let Some(spec) = resource.credential {
        // It may never have been set.
        let _ = client.delete::<Done>(&format!("/v1/secrets/{}", spec.secret));
    }
    output.say(format!("removed `{name}` and its secret"));
    Ok(())
}

/// The names of all declared resources, in order.
pub(crate) fn names(environment: &Environment) -> Result<Vec<Name>, Failure> {
    let directory = environment.home.join("resources");
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names: Vec<Name> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml")?.parse().ok())
        .collect();
    names.sort();
    Ok(names)
}

fn load(environment: &Environment, name: &Name) -> Result<Entry, Failure> {
    let path = file(environment, name);
    let text = fs::read_to_string(&path).map_err(|_| {
        Failure::new(NOT_FOUND, "not_found", format!("there is no resource `{name}`"))
            .fix("bailiwick resource list")
    })?;
    let file = path.display().to_string();
    Definition::load(name.clone(), &file, &text)
        .map_err(|error| Failure::usage(error).fix(format!("edit or remove `{file}`")))
}

fn file(environment: &Environment, name: &Name) -> PathBuf {
    environment.home.join("resources").join(format!("{name}.toml"))
}
