use std::process::Command;

use bailiwick_guard::parse_git_config;
use proptest::prelude::*;

/// Name and value of each variable.
type Variables = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// What git makes of the same bytes: name and value of each variable, or nothing if it refuses.
fn git(bytes: &[u8]) -> Option<Variables> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let output = Command::new("git")
        .args(["config", "--no-includes", "--null", "--list", "--file"])
        .arg(file.path())
        .current_dir("/")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    output.status.success().then(|| {
        let entries = output.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| match entry.iter().position(|byte| *byte == b'\n') {
                Some(at) => (entry[..at].to_vec(), Some(entry[at + 1..].to_vec())),
                None => (entry.to_vec(), None),
            })
            .collect()
    })
}

/// Everything that we accept, git reads the same. What git cannot read has no effect.
fn agree(bytes: &[u8]) {
    let Some(ours) = parse_git_config(bytes) else { return };
    let ours: Vec<_> = ours.into_iter().map(|entry| (entry.name, entry.value)).collect();
    if let Some(theirs) = git(bytes) {
        assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn our_reader_and_git_agree_on_odd_files() {
    for text in [
        "[core]fsmonitor=x",
        "[core]\tfsmonitor = x # c\n",
        "[CORE]\nFsMonitor=x",
        "[core] ; c\n a\\\n=1",
        "[a \"b]\"]\nc=1",
        "[a \"b\\\"c\"]\nd=\"e\\\nf\"",
        "[a.B.c]\nd=1",
        "[a.b \"C\"]\nd=1",
        "[a]\nb = c\\\n  d  \n",
        "[a]\nb=\"x ; y\" z ;q\n[c]d",
        "# [core]\n;x\n[a]\r\nb = 1\r\n",
        "[a]\nb = x \\\r\n y\n",
        "[a]\nb =   \n",
        "[a]\nb",
        "[a]\nb\t=\t\"\t\"\n",
        "[a  \"b\"] c = 1",
        "[a \"\"]\nb=1",
        "[a]b=1 [c]\nd=2",
        "[a]\n  b = 1 \"2\" 3\n",
        "[-a]\nb=1",
        "[.a]\nb=1",
        "[1]\na=1",
        "[a.]\nb=1",
    ] {
        agree(text.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn our_reader_and_git_agree(parts in proptest::collection::vec(
        prop_oneof![
            Just("[core]"), Just("[a \"B\"]"), Just("[a.B]"), Just("\n"), Just("\r\n"), Just(" "), Just("\t"), Just("="), Just("key"),
            Just("fsMonitor"), Just("\""), Just("\\"), Just("\\n"), Just("\\\\"), Just("\\\""), Just("#"), Just(";"), Just("]"), Just("["),
            Just("x"), Just("é"), Just("-"), Just("."), Just("\\\n"),
        ], 1..24)) {
        agree(parts.concat().as_bytes());
        agree(format!("[core]\n{}", parts.concat()).as_bytes());
    }
}
