//! From the command line to a plan of the sandbox: workspace, private home, tools, environment.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use bailiwick_authority::HomeError;
use bailiwick_core::{Digest, Name};
use bailiwick_profile::{Library, Profile, Variables};
use bailiwick_sandbox::{
    Limits, Network, Plan, PrivateHome, Stdio, directory_of, environment as filter, hook_directories, tools,
    trust, validate_workdir, workspace_masks,
};

use super::{OURS, files, gitconfig, origin, ours, sandbox_failure, workspace};
use crate::{
    args::Run,
    environment::Environment,
    output::Failure,
    profile::{library, private_home::PrivateHome as PrivateDirectory},
};

/// The longest statement of a task, in bytes.
const MAX_TASK: usize = 16 * 1024;
/// How much of a command line stands for a task that nobody stated, in bytes.
const MAX_COMMAND: usize = 4096;

/// A plan, and what was derived on the way.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) agent: Name,
    pub(crate) profile: Name,
    pub(crate) needs: Profile,
    pub(crate) home: PrivateDirectory,
    pub(crate) workdir: PathBuf,
    pub(crate) task: String,
    /// What `--writable` names.
    pub(crate) writable: Vec<PathBuf>,
}

/// Makes the plan.
pub(crate) fn plan(options: &Run, environment: &Environment, stdio: Stdio) -> Result<Planned, Failure> {
    let chosen = options
        .workdir
        .as_ref()
        .map_or_else(|| environment.current_dir.clone(), |dir| environment.absolute(dir));
    let workdir = validate_workdir(&chosen, &environment.user_home, &environment.home).map_err(|error| {
        sandbox_failure(&error).fix("cd into a project directory, or name one with `--workdir DIR`")
    })?;
    let program = options.argv.first().map(OsString::as_os_str);
    let library = library::load(environment).map_err(|failure| Failure { exit: OURS, ..failure })?;
    let (profile, needs, real) =
        library::choose(&library, program.unwrap_or_default(), environment, &workdir);
    let needs = &with_forge(needs.clone(), options, environment, &workdir)?;
    let own_name = || if needs.programs.is_empty() { named_after(program) } else { profile.clone() };
    let agent = options.agent.clone().unwrap_or_else(own_name);
    let home = private_home(environment, &agent, &workdir, options)?;
    let path = environment.variable("PATH").map(OsString::as_os_str);
    let tools = tools(&environment.user_home, path, std::slice::from_ref(&environment.home));
    let writable = workspace::writable(&options.writable, environment, &workdir)?;
    let readable = readable(options, environment)?;
    let mut masks = tools.masks;
    // A person who names a secret file of the workspace grants it.
    let granted = |mask: &PathBuf| readable.contains(mask) || writable.contains(mask);
    masks.extend(workspace_masks(&workdir).into_iter().filter(|mask| !granted(mask)));
    let mut protected = hook_directories(&workdir);
    protected.retain(|hooks| !writable.iter().any(|path| hooks.starts_with(path) || path.starts_with(hooks)));
    let mut read_only = tools.read_only;
    read_only.extend(readable);
    read_only.extend(real.and_then(|real| directory_of(&real, &environment.user_home)));
    let plan = Plan {
        argv: options.argv.clone(),
        environment: variables(environment, needs, names(options, needs)?, &workdir),
        workdir: workdir.clone(),
        home: Some(PrivateHome { host_dir: home.clone(), mount_at: environment.user_home.clone() }),
        read_only,
        writable: Vec::new(),
        protected,
        masks,
        shown: Vec::new(),
        files: vec![gitconfig::file(environment)],
        stdio,
        network: if options.offline { Network::None } else { Network::Mediated },
        limits: Limits::default(),
        state: state(environment)?,
    };
    let task = task(options, environment)?;
    let home = PrivateDirectory::at(&home)
        .map_err(|source| Failure::home(OURS, &HomeError::Io { path: home, source }))?;
    Ok(Planned { plan, agent, profile: profile.clone(), needs: needs.clone(), home, workdir, task, writable })
}

/// What the program needs, with what it needs to work with the host that the workspace is a clone of.
fn with_forge(
    needs: Profile,
    options: &Run,
    environment: &Environment,
    workdir: &Path,
) -> Result<Profile, Failure> {
    if options.offline || options.observe {
        return Ok(needs);
    }
    let host = origin::host(workdir, environment).map_err(|error| ours("workspace", error))?;
    let forge =
        host.map_or(Ok(None), |host| Library::forge(&host)).map_err(|error| ours("profile", error))?;
    Ok(match forge {
        Some(forge) => needs.with(forge),
        None => needs,
    })
}

/// What `--env` names: variables of ours, not values, and none that holds a credential of the program.
fn names<'o>(options: &'o Run, needs: &Profile) -> Result<&'o [OsString], Failure> {
    let wanted = &options.env;
    if let Some(name) =
        needs.environment.drop.iter().find(|name| wanted.iter().any(|wanted| wanted == name.as_str()))
    {
        let detail = format!("`{name}` holds a credential of {}, and those stay outside", needs.title);
        return Err(
            Failure::usage(detail).fix("`--import` lets the gateway keep it and use it for the program")
        );
    }
    match wanted.iter().find(|name| name.as_encoded_bytes().contains(&b'=')) {
        None => Ok(wanted),
        Some(name) => {
            let name = name.to_string_lossy();
            let variable = name.split('=').next().unwrap_or_default();
            Err(Failure::usage(format!("`--env` takes the name of a variable, not `{name}`"))
                .fix(format!("export {name}, then `--env {variable}`")))
        }
    }
}

/// What `--readable` names. Something that is not there would be missed inside, later and with fewer words.
fn readable(options: &Run, environment: &Environment) -> Result<Vec<PathBuf>, Failure> {
    let paths = options.readable.iter().map(|path| environment.absolute(path));
    paths
        .map(|path| match fs::canonicalize(&path) {
            Ok(real) if touches(&real, &environment.home) => {
                let detail = format!(
                    "`{}` cannot be readable inside: credentials are kept in `{}`",
                    path.display(),
                    environment.home.display()
                );
                Err(Failure::usage(detail)
                    .fix("name what is needed of it with `--readable PATH`, outside BAILIWICK_HOME"))
            }
            Ok(_) => Ok(path),
            Err(error) => {
                let detail = format!("cannot make `{}` readable inside: {error}", path.display());
                Err(Failure::usage(detail)
                    .fix("name a file or directory that is there with `--readable PATH`"))
            }
        })
        .collect()
}

/// Whether `real` is `home`, in it, or above it; links were followed.
fn touches(real: &Path, home: &Path) -> bool {
    let home = fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
    real.starts_with(&home) || home.starts_with(real)
}

/// What the work is for: said, read from a file, or the beginning of the command itself.
fn task(options: &Run, environment: &Environment) -> Result<String, Failure> {
    let task = match (&options.task, &options.task_file) {
        (Some(task), _) => task.clone(),
        (None, Some(file)) => read_task(&environment.absolute(file))?,
        (None, None) => return Ok(beginning(&options.argv)),
    };
    if task.len() > MAX_TASK {
        let detail = format!("the task is {} bytes long, and at most {MAX_TASK} are kept", task.len());
        return Err(Failure::usage(detail).fix("say it in fewer words, as in `--task \"fix issue 12\"`"));
    }
    Ok(task)
}

fn read_task(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("cannot read the task from `{}`: {error}", file.display()))
            .fix("name a text file that is there with `--task-file FILE`, or use `--task TEXT`")
    })
}

/// A command line, as far as it says what the work is for.
fn beginning(argv: &[OsString]) -> String {
    let words: Vec<_> = argv.iter().map(|word| word.to_string_lossy()).collect();
    let mut line = words.join(" ");
    if line.len() > MAX_COMMAND {
        let ends = line.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_COMMAND);
        line.truncate(ends.last().unwrap_or_default());
        line.push('…');
    }
    line
}

/// The program's own name, as far as it can be a name.
fn named_after(program: Option<&OsStr>) -> Name {
    let base =
        program.map(Path::new).and_then(Path::file_name).map(OsStr::to_string_lossy).unwrap_or_default();
    let plain: String =
        base.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let plain: String = plain.trim_start_matches('-').chars().take(64).collect();
    plain.parse().or_else(|_| "program".parse()).unwrap_or_else(|_| unreachable!("`program` is a name"))
}

/// The home directory kept for this agent in this workspace. An observed run has one of its own, new each time: nothing of an earlier run is
/// in its reach.
fn private_home(
    environment: &Environment,
    agent: &Name,
    workdir: &Path,
    options: &Run,
) -> Result<PathBuf, Failure> {
    let digest = Digest::of(workdir.as_os_str().as_encoded_bytes()).to_string();
    let key = digest.trim_start_matches("sha256:").get(..16).unwrap_or_default().to_owned();
    let homes = environment.home.join("homes");
    let (kind, fresh) = if options.observe { ("-observed", true) } else { ("", options.fresh_home) };
    let home = homes.join(format!("{agent}-{key}{kind}"));
    let failed = |source| Failure::home(OURS, &HomeError::Io { path: home.clone(), source });
    if fresh && home.exists() {
        fs::remove_dir_all(&home).map_err(failed)?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&home).map_err(failed)?;
    Ok(home)
}

fn state(environment: &Environment) -> Result<PathBuf, Failure> {
    let state = environment.home.join("sandbox");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&state)
        .map_err(|source| Failure::home(OURS, &HomeError::Io { path: state.clone(), source }))?;
    Ok(state)
}

fn variables(
    environment: &Environment,
    needs: &Profile,
    wanted: &[OsString],
    workdir: &Path,
) -> Vec<(OsString, OsString)> {
    let mut variables = filter::filtered(environment.variables.iter().cloned());
    let passes = |name: &OsString| {
        wanted.contains(name) || needs.environment.pass.iter().any(|pass| name == pass.as_str())
    };
    let also =
        environment.variables.iter().filter(|(name, _)| passes(name) && !filter::allowed(name)).cloned();
    variables.extend(also);
    variables.retain(|(name, _)| name != "PWD" && !trust::UNSET.iter().any(|unset| name == unset));
    variables.push(("PWD".into(), workdir.into()));
    let named: Vec<OsString> =
        trust::variables(Path::new(files::BUNDLE)).into_iter().map(|(name, _)| name).collect();
    variables.retain(|(name, _)| !named.contains(name));
    variables.extend(trust::variables(Path::new(files::BUNDLE)));
    // A git that was built for another prefix looks elsewhere for the system's configuration.
    variables.push(("GIT_CONFIG_SYSTEM".into(), gitconfig::PATH.into()));
    let Variables { set, drop, .. } = &needs.environment;
    variables.retain(|(name, _)| {
        !name.to_str().is_some_and(|name| set.contains_key(name) || drop.iter().any(|drop| drop == name))
    });
    variables.extend(set.iter().map(|(name, value)| (name.into(), value.into())));
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_line_is_a_short_task() {
        let argv = |text: &str| vec![OsString::from("echo"), OsString::from(text)];
        assert_eq!(beginning(&argv("a b")), "echo a b");
        let long = beginning(&argv(&"é".repeat(MAX_COMMAND)));
        assert!(long.ends_with("é…") && long.len() <= MAX_COMMAND + '…'.len_utf8(), "{}", long.len());
    }

    #[test]
    fn a_credential_of_the_program_is_dropped_and_never_passed_on() {
        let library = bailiwick_profile::Library::with([]).unwrap();
        let (_, claude) = library.choose(Path::new("claude"), None);
        let environment = Environment {
            home: "/h".into(),
            user_home: "/u".into(),
            current_dir: "/".into(),
            variables: ["ANTHROPIC_API_KEY", "ANTHROPIC_MODEL", "AWS_SECRET_ACCESS_KEY"]
                .map(|name| (name.into(), "MARKER".into()))
                .to_vec(),
        };
        let wanted = ["ANTHROPIC_API_KEY".into()];
        let inside = variables(&environment, claude, &wanted, Path::new("/w"));
        let passed: Vec<_> =
            inside.iter().filter(|(_, value)| value == "MARKER").map(|(name, _)| name).collect();
        assert_eq!(passed, ["ANTHROPIC_MODEL"]);
    }

    #[test]
    fn any_program_has_a_name() {
        for (program, expected) in [
            ("/usr/bin/Python3.11", "python3-11"),
            ("claude", "claude"),
            ("é", "program"),
            ("--x", "x"),
            ("", "program"),
        ] {
            assert_eq!(named_after(Some(OsStr::new(program))).as_str(), expected, "{program}");
        }
    }
}
