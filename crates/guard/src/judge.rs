//! Whether a file that runs later may stay: a pure question about what was there before and what is there now.

use crate::baseline::{Baseline, Known};
use crate::git::config::{self, Entry};
use crate::git::keys::{File, may_stay};
use crate::rel::Rel;
use crate::rules::Hold;
use crate::tree::{Found, Tree};

/// What is to be done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may stay.
    Pass,
    /// It goes, and what was there before comes back.
    Remove,
    /// It may stay without these variables.
    Clean { bytes: Vec<u8>, removed: Vec<Removed> },
}

/// A variable that was taken out of a configuration: its name, and the variable as text to put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Judges what was found at `rel`, which is held as `hold`.
pub(crate) fn judge(tree: &Tree, baseline: &Baseline, rel: &Rel, hold: Hold, found: &Found) -> Verdict {
    let known = baseline.held.get(rel);
    let pass_if = |passes: bool| if passes { Verdict::Pass } else { Verdict::Remove };
    match found {
        Found::Absent | Found::Directory => Verdict::Pass,
        Found::Link(target) => pass_if(matches!(known, Some(Known::Link { target: old }) if old == target)),
        Found::Other(_) => pass_if(false),
        // Nothing in it, so nothing runs; whoever made it may be about to write it.
        Found::File { bytes, .. } if bytes.is_empty() => Verdict::Pass,
        Found::File { bytes, mode } => match hold {
            Hold::Show => Verdict::Pass,
            _ if known.is_some_and(|known| known.is(bytes, *mode)) => Verdict::Pass,
            Hold::Quarantine => Verdict::Remove,
            Hold::Redirect => pass_if(redirects_within(tree, rel, bytes)),
            Hold::GitConfig => configuration(bytes, known, File::Config(&rel.parent())),
            Hold::GitModules => configuration(bytes, known, File::Modules),
        },
    }
}

/// `gitdir: PATH` of a `.git` file, or the bare path of `commondir`: within the workspace, not through a link. What it leads to there is
/// looked at as a git directory of its own.
fn redirects_within(tree: &Tree, rel: &Rel, bytes: &[u8]) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let text = bytes.strip_prefix(b"gitdir:").unwrap_or(bytes).trim_ascii();
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(text));
    let target = match path.strip_prefix(tree.path()) {
        Ok(below) => Rel::new(below),
        Err(_) => rel.parent().join_lexically(path),
    };
    target.is_some_and(|target| tree.plainly_within(&target))
}

fn configuration(bytes: &[u8], known: Option<&Known>, file: File<'_>) -> Verdict {
    let before = known.and_then(Known::bytes).and_then(config::parse).unwrap_or_default();
    let Some(entries) = config::parse(bytes) else { return Verdict::Remove };
    let (keep, remove): (Vec<_>, Vec<_>) =
        entries.iter().cloned().partition(|entry| may_stay(entry, &before, file));
    if remove.is_empty() {
        return Verdict::Pass;
    }
    let cleaned = without(bytes, &keep, &remove, &before);
    // Never trust our own pen more than our own eyes.
    let harmless = config::parse(&cleaned)
        .is_some_and(|entries| entries.iter().all(|entry| may_stay(entry, &before, file)));
    if !harmless {
        return Verdict::Remove;
    }
    let text = |entry: &Entry| Removed {
        name: printable(&entry.name),
        text: String::from_utf8_lossy(&config::appended(entry)).into_owned(),
    };
    Verdict::Clean { bytes: cleaned, removed: remove.iter().map(text).collect() }
}

/// The file without what must go. Where that had taken the place of what was there before, the latter comes back.
fn without(bytes: &[u8], keep: &[Entry], remove: &[Entry], before: &[Entry]) -> Vec<u8> {
    let mut cleaned = Vec::with_capacity(bytes.len());
    let (mut at, mut restored) = (0, Vec::new());
    for entry in remove {
        cleaned.extend_from_slice(bytes.get(at..entry.span.start).unwrap_or_default());
        at = entry.span.end;
        if restored.contains(&&entry.name) {
            continue;
        }
        restored.push(&entry.name);
        let missing = before.iter().filter(|old| {
            old.name == entry.name
                && !keep.iter().any(|kept| kept.name == old.name && kept.value == old.value)
        });
        let lines: Vec<_> = missing.map(config::written).collect();
        cleaned.extend(lines.join(&b"\n\t"[..]));
    }
    cleaned.extend_from_slice(bytes.get(at..).unwrap_or_default());
    cleaned
}

fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(now: &str, before: &str) -> Verdict {
        let known = Known::file(before.as_bytes().to_vec(), 0o644);
        configuration(now.as_bytes(), Some(&known), File::Config(&Rel::new(".git").unwrap()))
    }

    #[test]
    fn only_what_must_go_goes() {
        let before = "# mine\n[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://good # mine\n";
        let now = "# mine\n[core]\n\tbare = false\n\thooksPath = .husky/_\n[remote \"origin\"]\n\turl = https://evil\n\turl = https://worse\n[branch \"x\"]\n\tmerge = refs/heads/x\n";
        let Verdict::Clean { bytes, removed } = cleaned(now, before) else { panic!("not cleaned") };
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "# mine\n[core]\n\tbare = false\n\t\n[remote \"origin\"]\n\turl = \"https://good\"\n\t\n[branch \"x\"]\n\tmerge = refs/heads/x\n"
        );
        let names: Vec<_> = removed.iter().map(|removed| removed.name.as_str()).collect();
        assert_eq!(names, ["core.hookspath", "remote.origin.url", "remote.origin.url"]);
        assert_eq!(cleaned(before, before), Verdict::Pass);
        assert_eq!(cleaned("[core", before), Verdict::Remove);
    }
}
