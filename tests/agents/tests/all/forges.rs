//! A workspace that is a clone of a repository on GitHub: any program may work there as the person, who keeps the token.

use std::path::PathBuf;

use bailiwick_testkit::{GitHub, Terminal, World};

use crate::stage::{REAL, holds};

/// Says what it has.
const SAY: &str = r#"printf %s "${GH_TOKEN:-none}" > token"#;

/// Says it, and asks as it would anywhere.
const ASK: &str = r#"printf %s "${GH_TOKEN:-none}" > token
curl -sS -o answer -w '%{http_code}' -H "Authorization: token ${GH_TOKEN:-none}" https://api.github.com/repos/acme/site > status"#;

struct Clone {
    world: World,
    github: GitHub,
    tools: PathBuf,
}

impl Clone {
    /// A workspace whose origin is there, and a person whose `gh` is logged in.
    fn of(origin: &str) -> Self {
        let world = World::new();
        let github = GitHub::start(&world.ca, REAL);
        let git = world.home.workspace().join(".git");
        std::fs::create_dir(&git).unwrap();
        std::fs::write(git.join("config"), format!("[remote \"origin\"]\n\turl = {origin}\n")).unwrap();
        let kept = world.home.scratch().join("kept");
        std::fs::write(&kept, REAL).unwrap();
        let tools = world.home.scratch().join("tools");
        let gh = format!(
            "#!/bin/sh\ntest \"$*\" = 'auth token --hostname github.com' && exec cat '{}'\n",
            kept.display()
        );
        std::fs::create_dir(&tools).unwrap();
        std::fs::write(tools.join("gh"), gh).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(tools.join("gh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { world, github, tools }
    }

    /// As it would be declared from the profile, but for where it is dialled.
    fn declare(&self, name: &str) {
        let text = format!(
            "template = 'github'\ndial = '{}'\nca = '{}'\n",
            self.github.address(),
            self.world.pem.display()
        );
        self.world.home.write(&format!("resources/{name}.toml"), &text);
    }

    fn command(&self, options: &[&str], script: &str) -> std::process::Command {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.tools.display());
        let bailiwick = self.world.bailiwick().env("PATH", path);
        let mut command = bailiwick.command(["run"]);
        command.args(options).args(["--", "bash", "-c", script]);
        command
    }

    fn run(&self, options: &[&str]) -> bailiwick_testkit::Finished {
        bailiwick_testkit::product::finish(self.command(options, ASK), b"", bailiwick_testkit::product::LIMIT)
    }

    fn said(&self, file: &str) -> String {
        std::fs::read_to_string(self.world.home.workspace().join(file)).unwrap()
    }
}

#[test]
fn a_token_is_taken_over_and_a_dummy_works_inside() {
    let clone = Clone::of("git@github.com:acme/site.git");
    clone.declare("github");
    let said = clone.run(&["--import"]).ok().stderr();
    assert!(said.contains("took over your login at GitHub"), "{said}");
    assert_eq!(clone.said("status"), "200");
    assert!(clone.said("token").starts_with("ghp_") && clone.said("token").len() == 40);
    assert!(clone.github.seen().iter().all(|seen| seen.header("authorization") == format!("Bearer {REAL}")));
    for file in ["token", "answer"] {
        assert!(!holds(&clone.world.home.workspace().join(file), REAL), "{file}");
    }
    // It is there from now on.
    clone.run(&[]).ok();
    assert_eq!(clone.said("status"), "200");
}

#[test]
fn at_a_terminal_a_person_is_asked_and_the_resource_is_declared() {
    let clone = Clone::of("https://github.com/acme/site");
    let mut terminal = Terminal::spawn(&clone.command(&[], SAY), 24, 200);
    terminal.expect("may any program use your login at GitHub (`gh auth token --hostname github.com`)?");
    terminal.send("y\n");
    terminal.wait_for_exit();
    assert!(clone.said("token").starts_with("ghp_"), "{}", terminal.contents());
    let shown: serde_json::Value =
        clone.world.bailiwick().run(["resource", "show", "github", "--json"]).ok().json();
    assert!(shown["credential"]["pattern"].to_string().contains("bearer"), "{shown:#}");
    assert!(!shown.to_string().contains(REAL));
}

#[test]
fn a_clone_of_something_else_is_not_asked_about() {
    for origin in ["https://github.com@evil.example/acme/site", "https://forge.example/acme/site"] {
        let clone = Clone::of(origin);
        clone.run(&["--import"]);
        assert_eq!(clone.said("token"), "none", "{origin}");
    }
}

#[test]
fn what_a_person_declared_under_another_name_is_theirs() {
    let clone = Clone::of("https://github.com/acme/site");
    clone.declare("work");
    clone.run(&["--import"]);
    assert_eq!(clone.said("token"), "none");
}
