//! Package managers: pip, npm and cargo, each from a registry on this machine.

use bailiwick_testkit::registry::{GREETING, Kind, PACKAGE};
use bailiwick_testkit::{Registry, tools};
use std::path::Path;
use std::process::Command;

use bailiwick_testkit::World;

#[test]
fn pip_install() {
    let world = World::new();
    let tools = tools::directory();
    if !tools.join("python/pip").is_dir() {
        return tools::not_tested("pip", "it is not fetched; run `cargo xtask tools`");
    }
    let registry = Registry::start(Kind::Pypi, &world.ca);
    world.add_open("packages", &registry.origin(), "pypi");
    let script = format!(
        "PYTHONPATH={} /usr/bin/python3 -m pip install -q --no-cache-dir --disable-pip-version-check --index-url {} --target packages {PACKAGE}
         PYTHONPATH=packages /usr/bin/python3 -c 'import example_greeting; print(example_greeting.GREETING)'",
        tools.join("python").display(),
        registry.index()
    );
    assert_eq!(world.script(&script).ok().stdout().trim(), GREETING);
}

#[test]
fn npm_install() {
    if !Path::new("/usr/bin/npm").exists() {
        return tools::not_tested("npm", "npm is not installed");
    }
    let world = World::new();
    let registry = Registry::start(Kind::Npm, &world.ca);
    world.add_open("packages", &registry.origin(), "npm");
    let script = format!(
        "npm install --silent --no-audit --no-fund --registry {} {PACKAGE}\nnode -e \"console.log(require('{PACKAGE}').greeting)\"",
        registry.index()
    );
    assert_eq!(world.script(&script).ok().stdout().trim(), GREETING);
}

#[test]
fn cargo_run() {
    let Some(toolchain) = toolchain() else {
        return tools::not_tested("cargo", "no toolchain that this user can read");
    };
    let world = World::new();
    let registry = Registry::start(Kind::Cargo, &world.ca);
    world.add_open("packages", &registry.origin(), "crates");
    let work = world.home.workspace();
    std::fs::create_dir(work.join("src")).unwrap();
    std::fs::write(work.join("src/main.rs"), "fn main() { println!(\"{}\", example_greeting::GREETING) }")
        .unwrap();
    let manifest = format!(
        "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\n{PACKAGE} = {{ version = \"1\", registry = \"local\" }}\n"
    );
    std::fs::write(work.join("Cargo.toml"), manifest).unwrap();
    let script = format!(
        "export PATH={toolchain}/bin:$PATH CARGO_REGISTRIES_LOCAL_INDEX={}\ncargo run --quiet",
        registry.index()
    );
    let arguments = ["run", "--readable", &toolchain, "--", "bash", "-c", &script];
    assert_eq!(world.bailiwick().run(arguments).ok().stdout().trim(), GREETING);
}

/// The directory of the toolchain itself: rustup's own `cargo` looks for it in a home that is not there inside.
fn toolchain() -> Option<String> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    Path::new(&path).join("bin/cargo").is_file().then_some(path)
}
