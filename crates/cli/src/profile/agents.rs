//! Which agents there are on this machine, and who each would be inside. Never a secret, nor any part of one.

use bailiwick_client::Client;
use schemars::JsonSchema;
use serde::Serialize;

use super::{library, login::Settling, memory::Memory, takeover};
use crate::{
    environment::Environment,
    output::{Failure, Output},
};

/// One agent.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Agent {
    /// The profile that is for it.
    pub(crate) profile: String,
    /// What it is called.
    title: String,
    /// Where it lies.
    program: String,
    /// Who it would be, in words.
    pub(crate) login: String,
}

/// The agents on `PATH`.
pub(crate) fn detected(environment: &Environment, output: &Output) -> Result<Vec<Agent>, Failure> {
    let library = library::load(environment)?;
    let mut agents = Vec::new();
    for (name, profile) in library.iter() {
        let place = |program: &String| library::find(program.as_ref(), environment, &environment.current_dir);
        let Some(program) = profile.programs.iter().find_map(place) else { continue };
        let settling = Settling {
            name,
            profile,
            environment,
            output,
            workspace: &environment.current_dir,
            import: false,
        };
        agents.push(Agent {
            profile: name.to_string(),
            title: profile.title.clone(),
            program: program.display().to_string(),
            login: would_use(&settling),
        });
    }
    Ok(agents)
}

fn would_use(settling: &Settling<'_>) -> String {
    let client = Client::new(&settling.environment.home);
    // Without a daemon nobody knows what the vault holds; looking is no reason to start one.
    let active = settling.active(&client).unwrap_or_default();
    if let Some(login) = active.first() {
        return format!("{}, kept by the gateway for the resource `{}`", login.title, login.resource);
    }
    let found = settling.profile.logins.iter().find_map(|login| {
        takeover::find(login, settling.environment, settling.workspace, |_| {})
            .map(|(source, _)| (login, source))
    });
    let declined = Memory::of(&settling.environment.home, settling.name).declined;
    match found {
        Some((login, source)) if declined => {
            format!(
                "none; {} in {} was declined, and `--import` takes it over",
                login.title,
                source.describe()
            )
        }
        Some((login, source)) => {
            format!("{} in {}, asked about at the first run", login.title, source.describe())
        }
        None => "none".to_owned(),
    }
}
