//! How git behaves inside: as the person has set it up, without anything that runs a program, reads another file, opens a credential
//! or leads elsewhere; and every address of a git resource leads to the gateway.

use std::{collections::BTreeMap, fs};

use bailiwick_catalogue::{Address, Definition, Host, Resource, Scheme};
use bailiwick_sandbox::InjectedFile;

use crate::environment::Environment;

/// Where it lies inside.
pub(super) const PATH: &str = "/etc/gitconfig";

/// Keys that say how git works and shows things. An allow-list: git gains keys that run programs.
const KEYS: &[&str] = &[
    "branch.autosetupmerge",
    "branch.autosetuprebase",
    "branch.sort",
    "color.ui",
    "column.ui",
    "commit.verbose",
    "core.abbrev",
    "core.autocrlf",
    "core.eol",
    "core.quotepath",
    "core.safecrlf",
    "core.whitespace",
    "diff.algorithm",
    "diff.colormoved",
    "diff.mnemonicprefix",
    "diff.renames",
    "fetch.prune",
    "fetch.prunetags",
    "help.autocorrect",
    "init.defaultbranch",
    "log.date",
    "merge.conflictstyle",
    "merge.ff",
    "pull.ff",
    "pull.rebase",
    "push.autosetupremote",
    "push.default",
    "push.followtags",
    "rebase.autosquash",
    "rebase.autostash",
    "rebase.updaterefs",
    "rerere.enabled",
    "status.showuntrackedfiles",
    "tag.sort",
    "user.email",
    "user.name",
];
/// Where people keep it, below their home directory. Later ones win, as with git.
const PLACES: &[&str] = &[".config/git/config", ".gitconfig"];

/// The system's configuration of a sandbox.
pub(super) fn file(environment: &Environment) -> InjectedFile {
    let texts = PLACES.iter().map(|place| fs::read_to_string(environment.user_home.join(place)));
    let text = render(texts.filter_map(Result::ok), &git_resources(environment));
    InjectedFile { path: PATH.into(), contents: text.into_bytes(), mode: 0o444 }
}

fn render(users: impl Iterator<Item = String>, resources: &[Resource]) -> String {
    let mut settings = BTreeMap::from([
        ("init.defaultbranch".to_owned(), "main".to_owned()),
        ("safe.directory".to_owned(), "*".to_owned()),
    ]);
    users.for_each(|text| settings.extend(kept(&text)));
    let mut text = String::new();
    for (key, value) in settings {
        let (section, name) = key.split_once('.').unwrap_or_default();
        text.push_str(&format!("[{section}]\n\t{name} = {value}\n"));
    }
    text.extend(resources.iter().flat_map(|resource| &resource.addresses).filter_map(over_https));
    text
}

/// What of a person's configuration counts inside, by lower-case key.
fn kept(text: &str) -> Vec<(String, String)> {
    let (mut section, mut continued, mut kept) = (None, false, Vec::new());
    for line in text.lines() {
        // The rest of a value that goes on in the next line is no key of its own.
        let rest = std::mem::replace(&mut continued, line.ends_with('\\'));
        let line = line.trim();
        if rest {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let name = header.strip_suffix(']').unwrap_or_default().to_lowercase();
            // With a subsection or anything behind it, none of ours.
            section = name.bytes().all(|byte| byte.is_ascii_lowercase()).then_some(name);
            continue;
        }
        let (Some(section), Some((name, value)), false) = (&section, line.split_once('='), continued) else {
            continue;
        };
        let key = format!("{section}.{}", name.trim().to_lowercase());
        if KEYS.contains(&key.as_str()) {
            kept.push((key, value.trim().to_owned()));
        }
    }
    kept
}

/// SSH is not spoken through the gateway; HTTPS is.
fn over_https(address: &Address) -> Option<String> {
    let host = match (&address.host, address.scheme) {
        (Host::Name(name), Scheme::Https) => name,
        (_, _) => return None,
    };
    let port = if address.port == 443 { String::new() } else { format!(":{}", address.port) };
    Some(format!(
        "[url \"https://{host}{port}/\"]\n\tinsteadOf = git@{host}:\n\tinsteadOf = ssh://git@{host}/\n\tinsteadOf = ssh://git@{host}:22/\n"
    ))
}

/// The declared resources that speak git. One that cannot be read is said elsewhere.
fn git_resources(environment: &Environment) -> Vec<Resource> {
    let entries = fs::read_dir(environment.home.join("resources")).into_iter().flatten().flatten();
    let resources = entries.filter_map(|entry| {
        let path = entry.path();
        let name = path.file_name()?.to_str()?.strip_suffix(".toml")?.parse().ok()?;
        Definition::load(name, "", &fs::read_to_string(&path).ok()?).ok()
    });
    let mut speaking: Vec<Resource> =
        resources.filter(|resource| resource.routes.iter().any(|route| route.git.is_some())).collect();
    speaking.sort_by(|a, b| a.name.cmp(&b.name));
    speaking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_keeps_how_it_works_and_nothing_that_runs() {
        let users = r#"
[user]
 name = Mia
 email = mia@example.com
 signingkey = evil
[core]
 pager = evil
 sshCommand = evil
 fsmonitor = evil
 autocrlf = input
 hooksPath = evil
[alias]
 x = !evil
[include]
 path = evil
[credential "https://a"]
 helper = evil
[url "evil"]
 insteadOf = https://
[diff "x"]
 command = evil
[pull]
 rebase = true
[merge]
 ff = only \
[user] name = evil
"#;
        let kept = render([users.to_owned()].into_iter(), &[]);
        for there in ["name = Mia", "email = mia@example.com", "autocrlf = input", "rebase = true"] {
            assert!(kept.contains(there), "{there} in {kept}");
        }
        assert!(!kept.contains("evil") && !kept.contains("only"), "{kept}");
    }

    #[test]
    fn ssh_addresses_of_a_git_resource_become_https() {
        let text = "template = 'git'\naddress = ['https://forge.example', 'https://forge.example:8443']\n";
        let resource = Definition::load("forge".parse().unwrap(), "", text).unwrap();
        let made = render(std::iter::empty(), &[resource]);
        assert!(
            made.contains("[url \"https://forge.example/\"]\n\tinsteadOf = git@forge.example:\n"),
            "{made}"
        );
        assert!(made.contains("insteadOf = ssh://git@forge.example/"), "{made}");
        assert!(made.contains("https://forge.example:8443/"), "{made}");
    }
}
