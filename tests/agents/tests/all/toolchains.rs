//! Directories of tools are there to be used; credentials that lie in them are not there at all.

use crate::stage::Stage;

/// A directory of tools, and a credential as its tool keeps it there.
const PLANTED: &[&str] = &[
    ".cargo/credentials.toml",
    ".cargo/credentials",
    ".cargo/config.toml",
    ".rustup/.netrc",
    ".nvm/.npmrc",
    ".pyenv/.netrc",
    ".local/bin/.env",
    ".local/lib/.pypirc",
    ".local/share/uv/credentials/pypi.toml",
    ".local/share/pypoetry/auth.toml",
    ".local/share/pnpm/auth.ini",
    ".bun/.npmrc",
    ".deno/auth.json",
    ".asdf/.netrc",
    ".local/share/mise/.netrc",
    ".volta/.npmrc",
    "go/.netrc",
    "go/bin/auth.json",
    "tools/bin/.npmrc",
];

#[test]
fn no_planted_credential_is_visible() {
    let stage = Stage::new(Vec::new());
    for path in PLANTED {
        stage.user_file(path, "[registries.acme]\ntoken = \"MARKER-planted\"\n");
        stage.user_file(
            &std::path::Path::new(path).with_file_name("harmless").display().to_string(),
            "harmless",
        );
    }
    stage.user_file(".netrc", "MARKER-planted");
    let look = r#"cd
grep -rls harmless . > "$OLDPWD/harmless" || true
grep -rl MARKER-planted . > "$OLDPWD/found" 2>/dev/null || true"#;
    stage.program("look", look);
    let mut command = stage.command(&[], &["./look"]);
    let home = stage.world.home.user();
    command.env("PATH", format!("{}/tools/bin:/usr/bin:/bin", home.display()));
    bailiwick_testkit::product::finish(command, b"", bailiwick_testkit::product::LIMIT).ok();
    let work = stage.world.home.workspace();
    let harmless = std::fs::read_to_string(work.join("harmless")).unwrap();
    let directories = PLANTED.iter().map(|path| std::path::Path::new(path).parent().unwrap());
    for directory in directories.filter(|directory| !directory.ends_with("credentials")) {
        let there = format!("./{}/harmless", directory.display());
        assert!(harmless.lines().any(|line| line == there), "{there} is not visible:\n{harmless}");
    }
    assert_eq!(std::fs::read_to_string(work.join("found")).unwrap(), "");
}

#[test]
fn git_reaches_a_forge_by_its_ssh_address() {
    let stage = Stage::new(Vec::new());
    let forge = bailiwick_testkit::GitHost::start(&stage.world.ca, bailiwick_testkit::world::TOKEN);
    forge.add_repository("acme/site");
    stage.world.add("forge", &forge.url(), "git");
    stage.user_file(".gitconfig", "[user]\n name = Mia\n[core]\n sshCommand = touch MARKER-ran\n[credential]\n helper = MARKER-helper\n");
    stage.program("work", "git clone -q git@localhost:acme/site site; git config --get user.name > name; git config --list > all");
    stage.run(&[], &["./work"]).ok();
    let work = stage.world.home.workspace();
    assert!(work.join("site/.git").is_dir());
    assert_eq!(std::fs::read_to_string(work.join("name")).unwrap(), "Mia\n");
    assert!(!std::fs::read_to_string(work.join("all")).unwrap().contains("MARKER"));
}
