//! `workspace`: what sessions have been exposed to in a directory, and that it is gone.

use bailiwick_client::Client;
use bailiwick_core::{Confidentiality, Integrity, Labels, shown};
use bailiwick_wire::{ForgetRequest, WorkspaceView};

use crate::{
    args::Workspace,
    daemon,
    environment::Environment,
    output::{Failure, Output},
};

pub(crate) fn execute(
    command: &Workspace,
    client: &Client,
    environment: &Environment,
    output: &Output,
) -> Result<(), Failure> {
    daemon::ensure(environment)?;
    match command {
        Workspace::List => {
            let views: Vec<WorkspaceView> = client.get("/v1/workspaces")?;
            if views.is_empty() && !output.json() {
                output.say("no workspace has been exposed to anything");
            }
            for view in &views {
                output.data(view, || line(view))?;
            }
        }
        Workspace::Forget { directory } => {
            let directory = environment.absolute(directory);
            // A directory that is gone can be forgotten as well.
            let workspace = directory.canonicalize().unwrap_or(directory).display().to_string();
            let forgotten: Vec<WorkspaceView> =
                client.post("/v1/workspaces/forget", &ForgetRequest { workspace })?;
            for view in &forgotten {
                output.data(view, || format!("forgotten: {}", line(view)))?;
            }
        }
    }
    Ok(())
}

fn line(view: &WorkspaceView) -> String {
    format!("{}  {}", shown(&view.workspace), words(&view.labels))
}

/// What was seen, in a few words.
pub(crate) fn words(labels: &Labels) -> String {
    let confidentiality = match labels.confidentiality {
        Confidentiality::Public => "public",
        Confidentiality::Internal => "internal",
        Confidentiality::Confidential => "confidential",
        Confidentiality::Restricted => "restricted",
    };
    let integrity = match labels.integrity {
        Integrity::User => "the user's own words",
        Integrity::Organisation => "the organisation's records",
        Integrity::Vetted => "vetted text",
        Integrity::Untrusted => "strangers' text",
    };
    let mut words = format!("up to {confidentiality}, {integrity}");
    for compartment in &labels.compartments {
        words.push_str(&format!(", {}", shown(compartment)));
    }
    words
}
