//! What a program finds inside beside its tools: its configuration, its variables, and the dummies of its logins.

use std::path::Path;

use bailiwick_launch::Dummy;
use bailiwick_profile::File;
use bailiwick_sandbox::InjectedFile;

use super::{OURS, ours, plan::Planned};
use crate::{
    args::Run,
    environment::Environment,
    output::{Failure, Output},
    profile::{
        copies,
        login::{Settling, Standing},
    },
};

/// Furnishes the sandbox to be as its program's profile says, and returns the dummies that stand in it. Nothing that could open anything
/// is taken over, and nothing stands for it, where there is no daemon to use it or it is not to be used.
pub(super) fn furnish(
    planned: &mut Planned,
    options: &Run,
    environment: &Environment,
    output: &Output,
) -> Result<Vec<Dummy>, Failure> {
    // Configuration of a person's can hold what an observed program must not find: it could carry it anywhere.
    let copied: &[_] = if options.observe { &[] } else { &planned.needs.copies };
    for (path, problem) in copies::copy(copied, &environment.user_home, &planned.home) {
        output.say(format!("bailiwick: `~/{path}` is not copied: {problem}"));
    }
    let standing = if options.offline || options.observe {
        Standing::default()
    } else {
        let settling = Settling {
            name: &planned.profile,
            profile: &planned.needs,
            environment,
            output,
            workspace: &planned.workdir,
            import: options.import,
        };
        settling.settle().map_err(|failure| Failure { exit: OURS, ..failure })?
    };
    let own = planned.needs.files.iter().map(|file| (file.clone(), file.contents.clone()));
    let files: Vec<(File, String)> = own.chain(standing.files).collect();
    for (file, contents) in files {
        put(planned, &file, contents)?;
    }
    let variables = &mut planned.plan.environment;
    variables.retain(|(name, _)| !standing.environment.iter().any(|(set, _)| name == set.as_str()));
    variables.extend(standing.environment.into_iter().map(|(name, value)| (name.into(), value.into())));
    Ok(standing.dummies)
}

fn put(planned: &mut Planned, file: &File, contents: String) -> Result<(), Failure> {
    let Some(path) = file.in_home() else {
        let path = Path::new(&file.path).to_path_buf();
        planned.plan.files.push(InjectedFile { path, contents: contents.into_bytes(), mode: 0o444 });
        return Ok(());
    };
    if file.once && planned.home.has(path) {
        return Ok(());
    }
    planned.home.put(path, contents.as_bytes(), false).map_err(|error| {
        ours("home", format!("cannot put `{}` into the private home: {error}", file.path))
            .fix("bailiwick run --fresh-home -- …   (something inside put another thing in its place)")
    })
}
