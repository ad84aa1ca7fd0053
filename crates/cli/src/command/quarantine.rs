//! `quarantine`: what agents wrote that would have taken effect outside, for a person to look at and decide.

use bailiwick_client::Client;
use bailiwick_core::shown;
use bailiwick_wire::{QuarantineContent, Quarantined};

use crate::{
    args::Quarantine,
    command::reference,
    daemon,
    environment::Environment,
    output::{Failure, Output},
};

pub(crate) fn execute(
    command: &Quarantine,
    client: &Client,
    environment: &Environment,
    output: &Output,
) -> Result<(), Failure> {
    daemon::ensure(environment)?;
    let path = |item: &str| {
        let item = reference("item", item, "bailiwick quarantine list")?;
        Ok::<_, Failure>(format!("/v1/quarantine/{item}"))
    };
    match command {
        Quarantine::List => list(client, output)?,
        Quarantine::Show { item } => {
            let content: QuarantineContent = client.get(&path(item)?)?;
            output.data(&content, || describe(&content))?;
        }
        Quarantine::Restore { item } => {
            let item: Quarantined = client.post(&format!("{}/restore", path(item)?), &())?;
            output.data(&item, || format!("restored {} in {}", item.path, shown(&item.workspace)))?;
        }
        Quarantine::Discard { item } => {
            let item: Quarantined = client.delete(&path(item)?)?;
            output.data(&item, || format!("discarded {}", item.path))?;
        }
    }
    Ok(())
}

fn list(client: &Client, output: &Output) -> Result<(), Failure> {
    let items: Vec<Quarantined> = client.get("/v1/quarantine")?;
    if items.is_empty() && !output.json() {
        output.say("nothing is in quarantine");
    }
    for item in &items {
        output.data(item, || line(item))?;
    }
    Ok(())
}

fn line(item: &Quarantined) -> String {
    format!("{}  {}  {}  in {}", item.id, item.at, what(item), shown(&item.workspace))
}

/// What it is, in a few words. Paths are printable already; the names of variables are the agent's.
pub(crate) fn what(item: &Quarantined) -> String {
    match item.kind.as_str() {
        "variables" => format!("{} ({})", item.path, shown(&item.variables.join(", "))),
        "link" => format!("{} (a link)", item.path),
        _ => item.path.clone(),
    }
}

fn describe(content: &QuarantineContent) -> String {
    let QuarantineContent { item, content } = content;
    let before = if item.put_back { "what was there before the session is there again" } else { "nothing" };
    let lines: Vec<_> = content.lines().map(|line| format!("  {}", shown(line))).collect();
    format!(
        "{}\n  found    {}\n  in       {}\n  effect   {}\n  instead  {before}\n\n{}",
        what(item),
        item.at,
        shown(&item.workspace),
        item.why,
        lines.join("\n")
    )
}
