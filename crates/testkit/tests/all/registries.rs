//! pip, npm and cargo install from the registries.

use bailiwick_testkit::product::{LIMIT, finish};
use bailiwick_testkit::registry::{GREETING, Kind, PACKAGE};
use bailiwick_testkit::{Registry, TestCa, tools};

use super::{client, prepared};

#[test]
fn pip_installs_the_wheel() {
    let (ca, directory) = (TestCa::new(), tempfile::tempdir().unwrap());
    let (registry, pem) = (Registry::start(Kind::Pypi, &ca), ca.write_pem(directory.path()));
    if client("python3", directory.path(), None, &["-m", "pip", "--version"]).code() != 0 {
        return tools::not_tested("pip", "pip is not installed");
    }
    let python = |arguments: &[&str]| client("python3", directory.path(), Some(&pem), arguments);
    let index = registry.index();
    python(&[
        "-m",
        "pip",
        "install",
        "-q",
        "--no-cache-dir",
        "--index-url",
        &index,
        "--target",
        "packages",
        PACKAGE,
    ])
    .ok();
    let program = "import sys; sys.path.insert(0, 'packages'); import example_greeting; print(example_greeting.GREETING)";
    assert_eq!(python(&["-c", program]).ok().stdout().trim(), GREETING);
}

#[test]
fn npm_installs_the_tarball() {
    let (ca, directory) = (TestCa::new(), tempfile::tempdir().unwrap());
    let (registry, pem) = (Registry::start(Kind::Npm, &ca), ca.write_pem(directory.path()));
    if tools::find("npm").is_none() {
        return tools::not_tested("npm", "npm is not installed");
    }
    let index = registry.index();
    client(
        "npm",
        directory.path(),
        Some(&pem),
        &["install", "--no-audit", "--no-fund", "--registry", &index, PACKAGE],
    )
    .ok();
    let program = format!("console.log(require('{PACKAGE}').greeting)");
    assert_eq!(client("node", directory.path(), None, &["-e", &program]).ok().stdout().trim(), GREETING);
}

#[test]
fn cargo_builds_against_the_crate() {
    let (ca, directory) = (TestCa::new(), tempfile::tempdir().unwrap());
    let (registry, pem) = (Registry::start(Kind::Cargo, &ca), ca.write_pem(directory.path()));
    if tools::find("cargo").is_none() {
        return tools::not_tested("cargo", "cargo is not installed");
    }
    let root = directory.path();
    std::fs::create_dir_all(root.join("src")).unwrap();
    std::fs::write(root.join("src/main.rs"), "fn main() { println!(\"{}\", example_greeting::GREETING) }")
        .unwrap();
    let manifest = format!(
        "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\n{PACKAGE} = {{ version = \"1\", registry = \"local\" }}\n[workspace]\n"
    );
    std::fs::write(root.join("Cargo.toml"), manifest).unwrap();
    let mut command = prepared("cargo", root, Some(&pem), &["run", "--quiet"]);
    command.env("CARGO_HOME", root.join("cargo-home")).env("CARGO_REGISTRIES_LOCAL_INDEX", registry.index());
    assert_eq!(finish(command, b"", LIMIT).ok().stdout().trim(), GREETING);
}
