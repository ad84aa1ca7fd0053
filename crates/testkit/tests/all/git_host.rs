//! The real git against the forge.

use bailiwick_testkit::{GitHost, TestCa};

use super::client;

#[test]
fn clone_and_push_need_the_token() {
    let (ca, directory) = (TestCa::new(), tempfile::tempdir().unwrap());
    let pem = ca.write_pem(directory.path());
    let forge = GitHost::start(&ca, "MARKER-token");
    forge.add_repository("acme/site");
    let git = |at: &str, arguments: &[&str]| client("git", &directory.path().join(at), Some(&pem), arguments);
    let open = format!("{}/acme/site", forge.url());
    git(".", &["clone", "--quiet", &open, "closed"]).expect_code(128);

    let with_token = open.replace("https://", "https://example:MARKER-token@");
    git(".", &["clone", "--quiet", &with_token, "site"]).ok();
    let commit = [
        "-c",
        "user.name=e",
        "-c",
        "user.email=e@example.com",
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "x",
    ];
    git("site", &commit).ok();
    git("site", &["push", "--quiet", "origin", "HEAD:fix-42"]).ok();
    let head = git("site", &["rev-parse", "HEAD"]).ok().stdout();
    assert_eq!(forge.refs("acme/site").get("refs/heads/fix-42").map(String::as_str), Some(head.trim()));
    assert!(
        forge.seen().iter().any(
            |seen| seen.path().ends_with("/git-receive-pack") && !seen.header("authorization").is_empty()
        )
    );
}

#[test]
fn a_large_repository_is_as_large_as_asked() {
    let (ca, directory) = (TestCa::new(), tempfile::tempdir().unwrap());
    let pem = ca.write_pem(directory.path());
    let forge = GitHost::start(&ca, "MARKER-token");
    forge.add_large_repository("acme/big", 3_000_000);
    let url = format!("{}/acme/big", forge.url()).replace("https://", "https://example:MARKER-token@");
    client("git", directory.path(), Some(&pem), &["clone", "--quiet", &url, "big"]).ok();
    assert_eq!(std::fs::metadata(directory.path().join("big/large.bin")).unwrap().len(), 3_000_000);
    let pack = directory.path().join("big/.git/objects/pack");
    let size: u64 =
        std::fs::read_dir(pack).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(size > 2_900_000, "it compressed to {size} bytes");
}
