//! The doubles themselves are tested with real clients: a double that lies makes every other test lie.

#[path = "all/certificates.rs"]
mod certificates;
#[path = "all/git_host.rs"]
mod git_host;
#[path = "all/hunt.rs"]
mod hunt;
#[path = "all/registries.rs"]
mod registries;
#[path = "all/terminal.rs"]
mod terminal;
#[path = "all/trap.rs"]
mod trap;
#[path = "all/upstream.rs"]
mod upstream;

use std::path::Path;
use std::process::Command;

use bailiwick_testkit::product::{Finished, LIMIT, finish};

/// Runs a real client in a directory of its own with that trust anchor and nothing of this machine's configuration.
fn client(program: &str, directory: &Path, ca: Option<&Path>, arguments: &[&str]) -> Finished {
    finish(prepared(program, directory, ca, arguments), b"", LIMIT)
}

fn prepared(program: &str, directory: &Path, ca: Option<&Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).env_clear().env("HOME", directory);
    for name in ["PATH", "TMPDIR", "RUSTUP_HOME", "PYENV_ROOT"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    for name in [
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "PIP_CERT",
        "npm_config_cafile",
        "CARGO_HTTP_CAINFO",
    ] {
        if let Some(ca) = ca {
            command.env(name, ca);
        }
    }
    command
}
