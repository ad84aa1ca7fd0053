//! Pushes that real git makes, and those that an attacker makes of them.
#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

use std::{
    collections::BTreeSet,
    fs,
    io::{Seek, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use bailiwick_git::{Heads, Id, Push, Unseen, Workroom, carried, store_of};

/// A forge's repository and a clone of it, below one directory.
struct Town {
    root: tempfile::TempDir,
}

fn git(directory: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"])
        .args(words)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn write(directory: &Path, path: &str, content: &str) {
    let path = directory.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn commit(directory: &Path, files: &[(&str, &str)]) -> Id {
    for (path, content) in files {
        write(directory, path, content);
    }
    git(directory, &["add", "-A"]);
    git(directory, &["commit", "-q", "--allow-empty", "-m", "x"]);
    head(directory)
}

fn head(directory: &Path) -> Id {
    Id::parse(&git(directory, &["rev-parse", "HEAD"])).unwrap()
}

impl Town {
    /// A forge whose `main` has these files, and a clone.
    fn with(files: &[(&str, &str)]) -> Self {
        let town = Self { root: tempfile::tempdir().unwrap() };
        git(town.root.path(), &["init", "-q", "seed"]);
        commit(&town.root.path().join("seed"), files);
        git(town.root.path(), &["clone", "-q", "--bare", "seed", "forge"]);
        git(town.root.path(), &["clone", "-q", "forge", "work"]);
        town
    }

    fn forge(&self) -> PathBuf {
        self.root.path().join("forge")
    }

    fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Where the forge's branches are, as it would advertise them.
    fn tips(&self) -> Vec<Id> {
        let heads = git(&self.forge(), &["for-each-ref", "--format=%(objectname)", "refs/heads"]);
        heads.lines().map(|line| Id::parse(line).unwrap()).collect()
    }

    /// The pack that git would send for `new`: without what `known` has, and with differences to it.
    fn pack(&self, new: &Id, known: &[Id]) -> fs::File {
        let mut child = Command::new("git")
            .args(["pack-objects", "--revs", "--thin", "--stdout", "-q"])
            .current_dir(self.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        write!(stdin, "{new}\n{}", known.iter().map(|id| format!("^{id}\n")).collect::<String>()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&output.stdout).unwrap();
        file.rewind().unwrap();
        file
    }

    /// What a push of the work's head to a new branch carries.
    fn carried(&self) -> Result<BTreeSet<String>, Unseen> {
        self.carried_from(Some(&self.work().join(".git/objects")))
    }

    fn carried_from(&self, store: Option<&Path>) -> Result<BTreeSet<String>, Unseen> {
        let (new, tips) = (head(&self.work()), self.tips());
        let pack = Some(self.pack(&new, &tips));
        self.asked(&[(None, new)], pack, Some(&tips), store)
    }

    fn asked(
        &self,
        updates: &[(Option<Id>, Id)],
        pack: Option<fs::File>,
        tips: Option<&[Id]>,
        store: Option<&Path>,
    ) -> Result<BTreeSet<String>, Unseen> {
        let room = Workroom { directory: self.root.path().into(), search: std::env::var_os("PATH").unwrap() };
        carried(Push { updates, pack, tips, store, room: &room })
    }
}

fn listed(paths: &[&str]) -> Result<BTreeSet<String>, Unseen> {
    Ok(paths.iter().map(|path| (*path).to_owned()).collect())
}

const ORDINARY: &[(&str, &str)] =
    &[("src/main.rs", "fn main() {}"), (".github/workflows/ci.yml", "on: push"), ("docs/run.yml", "evil")];

#[test]
fn an_ordinary_push_changes_nothing_that_takes_effect() {
    let town = Town::with(ORDINARY);
    commit(&town.work(), &[("src/main.rs", "fn main() { work() }"), (".github/ISSUE_TEMPLATE.md", "x")]);
    commit(&town.work(), &[("src/other.rs", "")]);
    assert_eq!(town.carried(), listed(&[]));
}

#[test]
fn what_takes_effect_is_told_by_its_path() {
    let town = Town::with(ORDINARY);
    let files = [
        ".github/workflows/ci.yml",
        ".GITHUB/workflows/b.yml",
        "a/b/.gitattributes",
        ".gitmodules",
        "docs/CODEOWNERS",
    ];
    commit(&town.work(), &files.map(|path| (path, "x")));
    assert_eq!(town.carried(), listed(&files));
}

#[test]
fn taking_away_is_a_change() {
    let town = Town::with(ORDINARY);
    fs::remove_dir_all(town.work().join(".github")).unwrap();
    commit(&town.work(), &[]);
    assert_eq!(town.carried(), listed(&[".github/workflows/ci.yml"]));
}

#[test]
fn a_workflow_made_of_what_the_forge_has_already_is_a_change() {
    let town = Town::with(ORDINARY);
    fs::copy(town.work().join("docs/run.yml"), town.work().join(".github/workflows/run.yml")).unwrap();
    commit(&town.work(), &[]);
    assert_eq!(town.carried(), listed(&[".github/workflows/run.yml"]));
}

#[test]
fn a_whole_directory_moved_into_place_is_a_change() {
    let town = Town::with(&[("docs/workflows/run.yml", "evil"), ("x", "y")]);
    git(&town.work(), &["mv", "docs", ".github"]);
    commit(&town.work(), &[]);
    assert_eq!(town.carried(), listed(&[".github/workflows/run.yml"]));
}

#[test]
fn another_repository_within_is_a_change_wherever_it_lies() {
    let town = Town::with(ORDINARY);
    let link = format!("160000,{},vendor/deep/lib", head(&town.work()));
    git(&town.work(), &["update-index", "--add", "--cacheinfo", &link]);
    git(&town.work(), &["commit", "-q", "-m", "x"]);
    assert_eq!(town.carried(), listed(&["vendor/deep/lib"]));
}

#[test]
fn a_parent_that_no_branch_of_the_forge_has_makes_nothing_known() {
    let town = Town::with(ORDINARY);
    // As a stranger's pull request: the forge has the objects, and no branch does.
    let evil = commit(&town.work(), &[(".github/workflows/ci.yml", "evil")]);
    git(&town.work(), &["push", "-q", "origin", "HEAD:refs/pull/1/head"]);
    let new = commit(&town.work(), &[("src/main.rs", "x")]);
    let pack = town.pack(&new, &[evil]);
    let tips = town.tips();
    let store = town.work().join(".git/objects");
    assert_eq!(
        town.asked(&[(None, new)], Some(pack), Some(&tips), Some(&store)),
        listed(&[".github/workflows/ci.yml"])
    );
}

#[test]
fn a_branch_made_where_a_commit_in_between_was_is_compared_as_well() {
    let town = Town::with(ORDINARY);
    let evil = commit(&town.work(), &[(".github/workflows/ci.yml", "evil")]);
    commit(&town.work(), &[(".github/workflows/ci.yml", "on: push")]);
    assert_eq!(town.carried(), listed(&[]));
    git(&town.work(), &["push", "-q", "origin", "HEAD:refs/heads/fine"]);
    let (tips, store) = (town.tips(), town.work().join(".git/objects"));
    assert_eq!(
        town.asked(&[(None, evil)], None, Some(&tips), Some(&store)),
        listed(&[".github/workflows/ci.yml"])
    );
}

#[test]
fn a_branch_that_has_it_already_may_keep_it() {
    let town = Town::with(ORDINARY);
    let old = commit(&town.work(), &[(".github/workflows/ci.yml", "reviewed")]);
    let new = commit(&town.work(), &[("src/main.rs", "x")]);
    let (pack, tips) = (town.pack(&new, std::slice::from_ref(&old)), town.tips());
    let store = town.work().join(".git/objects");
    assert_eq!(town.asked(&[(Some(old), new)], Some(pack), Some(&tips), Some(&store)), listed(&[]));
}

/// Puts into the work's repository an object with the name of one and the content of another.
fn forge_object(town: &Town, name: &str, content_of: &str) {
    let id = git(&town.work(), &["rev-parse", name]);
    let other = git(&town.work(), &["rev-parse", content_of]);
    let objects = town.work().join(".git/objects");
    let at = |id: &str| objects.join(&id[..2]).join(&id[2..]);
    // Clones of local repositories are packed; what is looked for first is what lies by itself.
    for pack in fs::read_dir(objects.join("pack")).unwrap() {
        let path = pack.unwrap().path();
        let moved = town.root.path().join(path.file_name().unwrap());
        fs::rename(&path, &moved).unwrap();
        if moved.extension().is_some_and(|extension| extension == "pack") {
            let mut unpack = Command::new("git");
            unpack.args(["unpack-objects", "-q"]).current_dir(town.work());
            assert!(unpack.stdin(fs::File::open(&moved).unwrap()).status().unwrap().success());
        }
    }
    let _ = fs::remove_file(at(&id));
    fs::create_dir_all(at(&id).parent().unwrap()).unwrap();
    fs::copy(at(&other), at(&id)).unwrap();
}

#[test]
fn an_object_that_is_not_what_its_name_says_is_not_believed() {
    for forged in ["main", "main^{tree}", "main:.github", "main:.github/workflows"] {
        let town = Town::with(ORDINARY);
        git(&town.work(), &["checkout", "-q", "-b", "fix"]);
        let new = commit(&town.work(), &[(".github/workflows/ci.yml", "evil")]);
        let (pack, tips) = (town.pack(&new, &town.tips()), town.tips());
        forge_object(&town, forged, &forged.replace("main", "fix"));
        let store = town.work().join(".git/objects");
        let found = town.asked(&[(None, new)], Some(pack), Some(&tips), Some(&store));
        assert!(found.is_err(), "{forged}: {found:?}");
    }
}

#[test]
fn what_cannot_be_compared_is_not_taken_for_unchanged() {
    let town = Town::with(ORDINARY);
    let new = commit(&town.work(), &[("src/main.rs", "x")]);
    let tips = town.tips();
    let store = town.work().join(".git/objects");
    let ask = |pack, tips: Option<&[Id]>, store| town.asked(&[(None, new.clone())], pack, tips, store);
    let pack = || Some(town.pack(&new, &town.tips()));
    assert_eq!(ask(pack(), None, Some(&store)), Err(Unseen::NoBase));
    assert!(ask(pack(), Some(&tips), None).is_err());
    let strange = Id::parse(&"1".repeat(40)).unwrap();
    assert_eq!(ask(pack(), Some(&[strange]), Some(&store)), Err(Unseen::NoBase));
    let mut garbage = tempfile::tempfile().unwrap();
    garbage.write_all(b"PACK and nothing").unwrap();
    garbage.rewind().unwrap();
    assert!(matches!(ask(Some(garbage), Some(&tips), Some(&store)), Err(Unseen::Pack(_))));
    let left: Vec<_> =
        fs::read_dir(town.root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("push-")), "{left:?}");
}

#[test]
fn in_an_empty_repository_everything_is_new() {
    let town = Town::with(&[("README.md", "x")]);
    let new = commit(&town.work(), &[(".github/workflows/ci.yml", "x")]);
    let pack = Some(town.pack(&new, &[]));
    assert_eq!(town.asked(&[(None, new)], pack, Some(&[]), None), listed(&[".github/workflows/ci.yml"]));
}

#[test]
fn the_store_of_a_working_tree_is_found_from_anywhere_in_it() {
    let town = Town::with(ORDINARY);
    let root = town.root.path();
    git(&town.work(), &["worktree", "add", "-q", "../beside"]);
    let store = town.work().join(".git/objects");
    let found = |path: &str| store_of(&root.join(path), root).map(|path| path.canonicalize().unwrap());
    let expected = Some(store.canonicalize().unwrap());
    assert_eq!(found("work/src"), expected);
    assert_eq!(found("beside"), expected);
    assert_eq!(found("forge"), Some(town.forge().join("objects").canonicalize().unwrap()));
    assert_eq!(store_of(&town.work(), &root.join("beside")), None);
    assert_eq!(store_of(&root.join("work/../work"), root), None);
}

#[test]
fn what_git_advertises_is_read() {
    let town = Town::with(ORDINARY);
    git(&town.work(), &["push", "-q", "origin", "HEAD:refs/heads/other", "HEAD:refs/pull/1/head"]);
    let advertised = |service: &str| {
        let output = Command::new("git")
            .args([service, "--stateless-rpc", "--advertise-refs", "."])
            .current_dir(town.forge())
            .output()
            .unwrap();
        Heads::read(&output.stdout).unwrap().tips
    };
    let tip = head(&town.work());
    assert_eq!(advertised("receive-pack"), [tip.clone(), tip.clone()]);
    assert_eq!(advertised("upload-pack"), [tip.clone(), tip]);
}
