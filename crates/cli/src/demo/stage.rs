//! Where it is played: a home and a workspace of its own, and the product in them as anyone would use it.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use bailiwick_client::Client;

use super::service::{Kind, Service};
use crate::{
    environment::Environment,
    output::{Failure, NO},
};

/// What requests to the services mean: resource files as a person writes them.
const ROUTES: [(Kind, &str); 4] = [
    (Kind::Tickets, include_str!("resources/tickets.toml")),
    (Kind::Cloud, include_str!("resources/cloud.toml")),
    (Kind::Mail, include_str!("resources/mail.toml")),
    (Kind::Model, include_str!("resources/model.toml")),
];
/// What the reader may do, and what it may only hand on.
const READER: &str = include_str!("resources/reader.json");
/// What the operator may do of that.
const OPERATOR: &str = include_str!("resources/operator.json");

/// A home and a workspace.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    root: PathBuf,
    program: PathBuf,
}

impl Stage {
    /// Makes them, and declares the services.
    pub(super) fn build(environment: &Environment, services: &[Service]) -> Result<Self, Failure> {
        let temporary = environment.variable("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let root = temporary.join(format!("bailiwick-demo-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&root)?;
        let stage = Self { root, program: env::current_exe()? };
        fs::create_dir(stage.workspace())?;
        fs::DirBuilder::new().mode(0o700).recursive(true).create(stage.home().join("resources"))?;
        fs::write(stage.root.join("reader.json"), READER)?;
        fs::write(stage.root.join("operator.json"), OPERATOR)?;
        for service in services {
            stage.declare(service)?;
        }
        stage.expect(&["policy", "check"], "")?;
        for service in services {
            stage.expect(&["secret", "set", service.kind.name()], &service.token)?;
        }
        Ok(stage)
    }

    fn declare(&self, service: &Service) -> io::Result<()> {
        let name = service.kind.name();
        let routes = ROUTES.iter().find(|(kind, _)| *kind == service.kind).map_or("", |(_, routes)| routes);
        let ca = self.root.join(format!("{name}.pem"));
        fs::write(&ca, &service.authority_pem)?;
        let head = format!("address = \"{}\"\nca = \"{}\"\n", service.origin(), ca.display());
        fs::write(self.home().join("resources").join(format!("{name}.toml")), head + routes)
    }

    /// A command that must succeed.
    fn expect(&self, arguments: &[&str], input: &str) -> Result<(), Failure> {
        let ended = self.call(arguments, input)?;
        if ended.status.success() {
            Ok(())
        } else {
            Err(Failure::new(NO, "demo", String::from_utf8_lossy(&ended.stderr)))
        }
    }

    /// Starts an agent: a shell script in a sandbox, in a session of its own or in one that `parent` hands on.
    pub(super) fn agent(
        &self,
        name: &str,
        task: &str,
        parent: Option<&str>,
        script: &str,
    ) -> Result<Child, Failure> {
        let grant = self.root.join(format!("{name}.json")).display().to_string();
        let mut arguments = vec!["run", "--agent", name, "--task", task, "--grant", &grant];
        if let Some(parent) = parent {
            arguments.extend(["--parent", parent]);
        }
        arguments.extend(["--", "sh", "-c", script]);
        let mut command = self.command(&arguments);
        Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }

    /// A command of the product, to its end.
    pub(super) fn call(&self, arguments: &[&str], input: &str) -> Result<Output, Failure> {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // It may end without reading.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(child.wait_with_output()?)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("BAILIWICK_HOME", self.home()).current_dir(self.workspace());
        command
    }

    /// The daemon of the play.
    pub(super) fn client(&self) -> Client {
        Client::new(&self.home())
    }

    /// The home of the play.
    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// What the agents see and write.
    pub(super) fn workspace(&self) -> PathBuf {
        self.root.join("workspace")
    }

    /// Whether `needle` stands in any file below `directory`.
    pub(super) fn holds(directory: &Path, needle: &str) -> io::Result<bool> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let found = if kind.is_dir() {
                Self::holds(&entry.path(), needle)?
            } else if kind.is_file() {
                match fs::read(entry.path()) {
                    Ok(bytes) => bytes.windows(needle.len()).any(|window| window == needle.as_bytes()),
                    // What is gone meanwhile holds nothing.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                    Err(error) => return Err(error),
                }
            } else {
                false
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends the daemon and takes everything away.
    pub(super) fn clear(&self) {
        // What is gone already need not be ended.
        let _ = self.client().post::<bailiwick_wire::Done>("/v1/shutdown", &());
        let _ = fs::remove_dir_all(&self.root);
    }
}
