//! What a push carries: real git inside, a real forge outside. Whether anything was pushed, the forge's own references say.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use bailiwick_testkit::world::TOKEN;
use bailiwick_testkit::{GitHost, World};
use serde_json::Value;

use crate::approvals::{Person, open, until};

const IDENTITY: &str = "export GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@example.com GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@example.com; set -e";
/// Adds a workflow to the working tree.
const WORKFLOW: &str =
    "mkdir -p .github/workflows; echo 'on: push' > .github/workflows/ci.yml; git add .github";

struct Forge {
    world: World,
    host: GitHost,
}

/// An agent that pushed, was told to wait, and will push once more.
struct Asking {
    inside: Child,
    work: PathBuf,
}

impl Asking {
    /// Whether it went well the second time.
    fn again(mut self) -> bool {
        std::fs::write(self.work.join("answered"), "").unwrap();
        self.inside.wait().unwrap().success()
    }
}

impl Forge {
    /// A forge with `acme/site`, declared, and a workspace that the person cloned from it.
    fn new() -> Self {
        let world = World::new();
        world.home.write("bailiwick.toml", "[approval]\nwait = '300ms'\n");
        let host = GitHost::start(&world.ca, TOKEN);
        host.add_repository("acme/site");
        world.add("forge", &host.url(), "git");
        let forge = Self { world, host };
        forge.outside(&["clone", "-q", &forge.own_url(), "."]);
        forge.outside(&["remote", "set-url", "origin", &(forge.host.url() + "/acme/site")]);
        forge
    }

    /// With the person's own token.
    fn own_url(&self) -> String {
        self.host.url().replace("https://", &format!("https://x-access-token:{TOKEN}@")) + "/acme/site"
    }

    /// The person's git, outside, in the workspace.
    fn outside(&self, words: &[&str]) {
        let status = Command::new("git")
            .args(["-c", "user.name=mia", "-c", "user.email=mia@example.com"])
            .args(words)
            .current_dir(self.world.home.workspace())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_SSL_CAINFO", &self.world.pem)
            .status();
        assert!(status.unwrap().success(), "{words:?}");
    }

    /// The agent works; what it said.
    fn agent(&self, script: &str) -> String {
        let ended = self.world.script(&format!("{IDENTITY}\n{script}"));
        ended.stdout() + &ended.stderr()
    }

    /// The agent works and pushes, and is told to wait.
    fn asks(&self, script: &str, push: &str) -> Asking {
        let script = format!(
            "{IDENTITY}\n{script}\n{push} || touch asked; until [ -e answered ]; do sleep 0.05; done; {push}"
        );
        let work = self.world.home.workspace().to_owned();
        let mut command = self.world.run(["bash", "-c", &script]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let inside = command.spawn().unwrap();
        until(|| work.join("asked").exists());
        Asking { inside, work }
    }

    fn branches(&self) -> Vec<String> {
        let branches = self.host.refs("acme/site").into_keys();
        branches.filter(|name| name.starts_with("refs/heads/") && name != "refs/heads/main").collect()
    }

    /// Every push was held, by this policy among others, and nothing was pushed.
    #[track_caller]
    fn assert_held(&self, policy: &str, said: &str) {
        let pushes = self.pushes();
        let held = |(word, why): &(String, String)| word == "hold" && why.contains(policy);
        assert!(!pushes.is_empty() && pushes.iter().all(held), "{pushes:?}\n{said}");
        assert!(self.branches().is_empty(), "{said}");
    }

    /// The pushes on record: how each was decided, and why.
    fn pushes(&self) -> Vec<(String, String)> {
        let rows: Vec<Value> = self.world.bailiwick().run(["--json", "log", "--limit", "1000"]).ok().ndjson();
        let pushes = rows.iter().filter(|row| row["operation"] == "git.push");
        pushes.map(|row| (row["decision"].as_str().unwrap().to_owned(), row["reason"].to_string())).collect()
    }
}

#[test]
fn an_ordinary_push_of_many_megabytes_asks_nobody_and_arrives_whole() {
    let forge = Forge::new();
    let said = forge.agent(
        "git checkout -q -b fix; head -c 20000000 /dev/urandom > data; git add data; git commit -q -m x; git push -q origin fix
         echo more >> README.md; git commit -q -am y; git push -q origin fix; git rev-parse HEAD",
    );
    assert_eq!(forge.host.refs("acme/site")["refs/heads/fix"], said.trim(), "{said}");
    // Git asks with an empty one first, where it has much to send.
    let pushes = forge.pushes();
    assert!(pushes.len() == 3 && pushes.iter().all(|(word, _)| word == "permit"), "{pushes:?}");
    let scratch = forge.world.home.path().join("scratch");
    assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0);
}

#[test]
fn what_takes_effect_once_it_is_pushed_waits_for_a_person_who_sees_which_files() {
    let forge = Forge::new();
    let script = format!("git checkout -q -b fix; {WORKFLOW}; git commit -q -m x");
    let asking = forge.asks(&script, "git push -q origin fix");
    assert!(forge.branches().is_empty());
    assert_eq!(open(&forge.world).len(), 1);
    let person = Person::at_the_card(&forge.world);
    let card = person.contents();
    for shown in
        ["git.push", ".github/workflows/ci.yml", "refs/heads/fix", "take effect once they are pushed"]
    {
        assert!(card.contains(shown), "{shown} in\n{card}");
    }
    person.say_once();
    assert!(asking.again());
    assert_eq!(forge.branches(), ["refs/heads/fix"]);
}

/// A branch that some stranger's pull request made known to the forge is no branch of the forge.
#[test]
fn a_parent_that_has_it_already_does_not_make_it_pass() {
    let forge = Forge::new();
    forge.outside(&["checkout", "-q", "-b", "stranger"]);
    let work = forge.world.home.workspace();
    std::fs::create_dir_all(work.join(".github/workflows")).unwrap();
    std::fs::write(work.join(".github/workflows/ci.yml"), "evil").unwrap();
    forge.outside(&["add", ".github"]);
    forge.outside(&["commit", "-q", "-m", "x"]);
    forge.outside(&["push", "-q", &forge.own_url(), "HEAD:refs/pull/1/head"]);
    let said =
        forge.agent("git commit -q --allow-empty -m y; git push -q origin HEAD:refs/heads/fix || true");
    forge.assert_held("default.push_takes_effect", &said);
}

/// The agent owns the repository that it pushes from: it puts other content under the names that the comparison asks for.
#[test]
fn objects_that_lie_about_their_names_do_not_make_it_pass() {
    let forge = Forge::new();
    let said = forge.agent(&format!(
        "cd .git/objects; for pack in pack/*.pack; do mv $pack ../taken; rm -f pack/*.idx pack/*.rev; git unpack-objects -q < ../taken; done; cd ../..
         git checkout -q -b fix; {WORKFLOW}; git commit -q -m x
         for name in '' '^{{tree}}'; do
           old=$(git rev-parse origin/main$name); new=$(git rev-parse fix$name)
           of=.git/objects/${{old:0:2}}/${{old:2}}; cp $of kept; cp -f .git/objects/${{new:0:2}}/${{new:2}} $of
           git push -q origin fix || true; cp -f kept $of
         done"
    ));
    forge.assert_held("default.push_unseen", &said);
}

#[test]
fn what_cannot_be_compared_says_why_and_what_to_do() {
    let forge = Forge::new();
    // Where the daemon finds nothing to compare with.
    let script = "git clone -q $FORGE/acme/site ~/elsewhere; echo x >> ~/elsewhere/README.md; git -C ~/elsewhere commit -q -am x";
    let script = script.replace("$FORGE", &forge.host.url());
    let asking = forge.asks(&script, "git -C ~/elsewhere push -q origin HEAD:refs/heads/fix");
    let cards = open(&forge.world);
    assert!(cards[0].to_string().contains("so there is nothing to compare with"), "{cards:?}");
    assert!(!asking.again());
    forge.assert_held("default.push_unseen", "");
}

#[test]
fn options_are_shown_and_wait() {
    let forge = Forge::new();
    let option = "merge_request.merge_when_pipeline_succeeds";
    let push = |branch: &str| format!("git push -q -o {option} origin HEAD:refs/heads/{branch}");
    let asking = forge.asks("git commit -q --allow-empty -m x", &push("fix"));
    let person = Person::at_the_card(&forge.world);
    assert!(person.contents().contains(option), "{}", person.contents());
    person.say_once();
    assert!(asking.again());
    assert_eq!(forge.branches(), ["refs/heads/fix"]);
}
