//! Everything that the jobs are done with: a forge with git and an API, three registries, documentation, a database, a model.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use bailiwick_testkit::product::{LIMIT, finish};
use bailiwick_testkit::registry::Kind;
use bailiwick_testkit::world::TOKEN;
use bailiwick_testkit::{GitHost, GitHub, Registry, Upstream, World, tools};
use serde_json::Value;

/// What git needs to commit.
const IDENTITY: &str = "export GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@example.com GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@example.com";

/// One user, one workspace that is a clone of `acme/site`, and all servers.
pub(crate) struct Town {
    pub(crate) world: World,
    pub(crate) forge: GitHost,
    pub(crate) github: GitHub,
    pub(crate) pypi: Registry,
    pub(crate) npm: Registry,
    pub(crate) cargo: Registry,
    pub(crate) docs: Upstream,
    pub(crate) database: SocketAddr,
}

/// How a job went.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) said: String,
    /// Attempts by how they were decided.
    pub(crate) decided: BTreeMap<String, Vec<String>>,
}

impl Town {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let settings = "[approval]\nwait = '200ms'\nopen = 100\ntotal = 1000\n";
        std::fs::create_dir_all(world.home.path()).unwrap();
        std::fs::write(world.home.path().join("bailiwick.toml"), settings).unwrap();
        let forge = GitHost::start(&world.ca, TOKEN);
        for repository in ["acme/site", "acme/other"] {
            forge.add_repository(repository);
        }
        let github = GitHub::start(&world.ca, TOKEN);
        let start = |kind| Registry::start(kind, &world.ca);
        let (pypi, npm, cargo) = (start(Kind::Pypi), start(Kind::Npm), start(Kind::Cargo));
        let docs = Upstream::secure(&world.ca);
        let database = database();
        let town = Self { world, forge, github, pypi, npm, cargo, docs, database };
        town.declare();
        town
    }

    fn declare(&self) {
        let world = &self.world;
        world.add("forge", &self.forge.url(), "git");
        world.add_open("pypi", &self.pypi.origin(), "pypi");
        world.add_open("npm", &self.npm.origin(), "npm");
        world.add_open("crates", &self.cargo.origin(), "crates");
        world.add_open("docs", &self.docs.url(""), "documentation");
        world.add("github", &format!("https://{}", self.github.host()), "github");
        let host = self.github.host();
        let parts = format!(
            "\n[at.api]\nhost = \"{host}\"\nprefix = \"/api/v3\"\n[at.graphql]\nhost = \"{host}\"\nprefix = \"/api\"\n[at.git]\nhost = \"{host}\"\n"
        );
        let file = world.home.path().join("resources/github.toml");
        let text = std::fs::read_to_string(&file).unwrap() + &parts;
        std::fs::write(&file, text).unwrap();
        let address = self.database.to_string();
        // The last one has the daemon take all files that are there.
        let add =
            ["resource", "add", "database", "--address", &address, "--protocol", "tcp", "--no-credential"];
        world.bailiwick().run(add).ok();
    }

    /// The workspace: the person's own clone of `acme/site`, made with the person's own token before any agent comes.
    pub(crate) fn workspace(&self) {
        let cloned = std::process::Command::new("git")
            .args(["clone", "-q"])
            .arg(
                self.forge.url().replace("https://", &format!("https://x-access-token:{TOKEN}@"))
                    + "/acme/site",
            )
            .arg(".")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_SSL_CAINFO", &self.world.pem)
            .current_dir(self.world.home.workspace())
            .status()
            .unwrap();
        assert!(cloned.success());
        let own = self.forge.url() + "/acme/site";
        let set = ["remote", "set-url", "origin", &own];
        let set =
            std::process::Command::new("git").args(set).current_dir(self.world.home.workspace()).status();
        assert!(set.unwrap().success());
    }

    /// Has the agent do a job.
    pub(crate) fn job(&self, script: &str) -> Done {
        let script = format!("set -eu\n{IDENTITY}\n{}", self.filled(script));
        let mut command =
            self.world.bailiwick().command(["run", "--task", "work on acme/site", "--agent", "coder"]);
        for readable in
            [Some(tools::directory()).filter(|tools| tools.is_dir()), toolchain()].into_iter().flatten()
        {
            command.arg("--readable").arg(readable);
        }
        command.args(["--", "bash", "-c", &script]);
        let ended = finish(command, b"", LIMIT);
        let rows: Vec<Value> =
            self.world.bailiwick().run(["--json", "log", "--session", "-", "--limit", "1000"]).ok().ndjson();
        let mut decided: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            let told = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            let what =
                format!("{} {} {}: {}", told("operation"), told("resource"), told("target"), told("reason"));
            decided.entry(told("decision")).or_default().push(what);
        }
        Done { code: ended.code(), said: ended.stdout() + &ended.stderr(), decided }
    }

    /// The script with the servers' addresses in their places.
    fn filled(&self, script: &str) -> String {
        let places = [
            ("$FORGE", self.forge.url()),
            ("$API", format!("https://{}/api/v3", self.github.host())),
            ("$GRAPHQL", format!("https://{}/api/graphql", self.github.host())),
            ("$PYPI", self.pypi.index()),
            ("$NPM", self.npm.index()),
            ("$CARGO", self.cargo.index()),
            ("$DOCS", self.docs.url("")),
            ("$DBHOST", self.database.ip().to_string()),
            ("$DBPORT", self.database.port().to_string()),
        ];
        places.iter().fold(script.to_owned(), |text, (place, address)| text.replace(place, address))
    }
}

/// The directory of the Rust toolchain itself: rustup's own `cargo` looks for it in a home that is not there inside.
pub(crate) fn toolchain() -> Option<PathBuf> {
    let output = std::process::Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.join("bin/cargo").is_file().then_some(path)
}

impl Done {
    pub(crate) fn count(&self, decision: &str) -> usize {
        self.decided.get(decision).map_or(0, Vec::len)
    }
}

/// A service without a grammar on the host's loopback: it answers each connection with what it was sent, turned round.
fn database() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut sent = [0; 64];
            let count = stream.read(&mut sent).unwrap_or(0);
            sent[..count].reverse();
            // A client that left does not want it.
            let _ = stream.write_all(&sent[..count]);
        }
    });
    address
}
