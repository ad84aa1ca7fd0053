//! Git over HTTPS: clone, fetch, push, and a repository of 100 MB. No token is ever inside.

use bailiwick_testkit::GitHost;

use bailiwick_testkit::world::{TOKEN, World};

const IDENTITY: &str = "export GIT_AUTHOR_NAME=e GIT_AUTHOR_EMAIL=e@example.com GIT_COMMITTER_NAME=e GIT_COMMITTER_EMAIL=e@example.com\n";

#[test]
fn clone_commit_push_and_fetch() {
    let world = World::new();
    let forge = GitHost::start(&world.ca, TOKEN);
    forge.add_repository("acme/site");
    world.add("forge", &forge.url(), "git");
    let script = format!(
        "{IDENTITY}git clone -q {}/acme/site
         cd site
         echo change > file
         git add file
         git commit -q -m change
         git push -q origin HEAD:fix-42
         git fetch -q origin
         git rev-parse HEAD origin/fix-42",
        forge.url()
    );
    let output = world.script(&script).ok().stdout();
    let ids: Vec<&str> = output.split_whitespace().collect();
    assert_eq!(ids.len(), 2, "{output}");
    assert_eq!(ids[0], ids[1], "what was fetched back is what was committed");
    assert_eq!(forge.refs("acme/site").get("refs/heads/fix-42").map(String::as_str), Some(ids[0]));
    assert!(
        forge.seen().iter().any(|seen| !seen.header("authorization").is_empty()),
        "the gateway opened the forge"
    );
}

#[test]
fn a_repository_of_100_megabytes_comes_and_goes() {
    const SIZE: usize = 100_000_000;
    let world = World::new();
    let forge = GitHost::start(&world.ca, TOKEN);
    forge.add_large_repository("acme/large", SIZE);
    world.add("forge", &forge.url(), "git");
    let script = format!(
        "{IDENTITY}git clone -q {}/acme/large
         cd large
         stat -c %s large.bin
         head -c 40000000 /dev/urandom > more.bin
         git add more.bin
         git commit -q -m more
         git push -q origin HEAD:more
         git rev-parse HEAD",
        forge.url()
    );
    let output = world.script(&script).ok().stdout();
    let mut words = output.split_whitespace();
    assert_eq!(words.next(), Some(SIZE.to_string().as_str()));
    assert_eq!(forge.refs("acme/large").get("refs/heads/more").map(String::as_str), words.next());
}

#[test]
fn a_token_of_the_agents_own_never_reaches_the_forge() {
    let world = World::new();
    let forge = GitHost::start(&world.ca, TOKEN);
    forge.add_repository("acme/site");
    world.add("forge", &forge.url(), "git");
    let own = forge.url().replace("https://", "https://evil:MARKER-attackers-own@");
    world.script(&format!("git clone -q {own}/acme/site || true\ngit -c http.extraHeader='Authorization: Bearer MARKER-attackers-own' clone -q {}/acme/site other || true", forge.url())).ok();
    for seen in forge.seen() {
        let sent = seen.header("authorization");
        assert!(sent.is_empty() || sent == expected_authorization(), "{sent}");
        assert!(!seen.mentions("MARKER-attackers-own"), "{seen:?}");
    }
}

/// `x-access-token:TOKEN` in base64: what the git template says.
fn expected_authorization() -> String {
    let output = std::process::Command::new("python3")
        .args(["-c", "import base64,sys; print('Basic ' + base64.b64encode(sys.argv[1].encode()).decode())"])
        .arg(format!("x-access-token:{TOKEN}"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
