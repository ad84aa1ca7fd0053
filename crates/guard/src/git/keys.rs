//! Which variables of git's configuration an agent may set: those that neither run a program nor lead git, or what it sends, elsewhere.
//!
//! An allow-list: git gains variables, and what is not known here is not harmless. What the person's configuration had before the
//! session passes always. A remote, and the remote that a branch belongs to, stay as the person had them: `git push` must go where it
//! went before.

use std::path::Path;

use super::config::Entry;
use crate::rel::Rel;

/// Variables whose value does not matter: flags, numbers, names of colours, text that git shows or compares.
const SAFE: &[&str] = &[
    "advice.*",
    "apply.whitespace",
    "blame.ignorerevsfile",
    "branch.*.autosetuprebase",
    "branch.*.base",
    "branch.*.description",
    "branch.*.gh-merge-base",
    "branch.*.github-pr-owner-number",
    "branch.*.merge",
    "branch.*.rebase",
    "branch.*.vscode-merge-base",
    "branch.autosetupmerge",
    "branch.autosetuprebase",
    "branch.sort",
    "checkout.defaultremote",
    "clone.defaultremotename",
    "color.*",
    "color.*.*",
    "column.*",
    "commit.cleanup",
    "commit.status",
    "commit.verbose",
    "core.abbrev",
    "core.autocrlf",
    "core.bare",
    "core.commentchar",
    "core.commitgraph",
    "core.eol",
    "core.excludesfile",
    "core.filemode",
    "core.ignorecase",
    "core.logallrefupdates",
    "core.longpaths",
    "core.multipackindex",
    "core.precomposeunicode",
    "core.preloadindex",
    "core.quotepath",
    "core.repositoryformatversion",
    "core.safecrlf",
    "core.sparsecheckout",
    "core.sparsecheckoutcone",
    "core.symlinks",
    "core.untrackedcache",
    "core.whitespace",
    "diff.algorithm",
    "diff.colormoved",
    "diff.colormovedws",
    "diff.context",
    "diff.indentheuristic",
    "diff.interhunkcontext",
    "diff.mnemonicprefix",
    "diff.noprefix",
    "diff.relative",
    "diff.renamelimit",
    "diff.renames",
    "diff.submodule",
    "extensions.compatobjectformat",
    "extensions.noop",
    "extensions.objectformat",
    "extensions.partialclone",
    "extensions.preciousobjects",
    "extensions.refstorage",
    "extensions.relativeworktrees",
    "extensions.worktreeconfig",
    "fetch.all",
    "fetch.output",
    "fetch.parallel",
    "fetch.prune",
    "fetch.prunetags",
    "fetch.recursesubmodules",
    "gc.auto",
    "gc.autodetach",
    "gc.autopacklimit",
    "grep.linenumber",
    "grep.patterntype",
    "index.threads",
    "index.version",
    "init.defaultbranch",
    "lfs.*.access",
    "lfs.*.locksverify",
    "lfs.repositoryformatversion",
    "log.abbrevcommit",
    "log.date",
    "log.decorate",
    "log.follow",
    "log.showroot",
    "maintenance.auto",
    "maintenance.strategy",
    "merge.conflictstyle",
    "merge.ff",
    "merge.log",
    "merge.renames",
    "merge.stat",
    "pack.threads",
    "pack.windowmemory",
    "pull.ff",
    "pull.rebase",
    "push.autosetupremote",
    "push.default",
    "push.followtags",
    "push.useforceifincludes",
    "rebase.autosquash",
    "rebase.autostash",
    "rebase.stat",
    "rebase.updaterefs",
    "receive.autogc",
    "receive.denycurrentbranch",
    "receive.denydeletes",
    "receive.denynonfastforwards",
    "remote.*.fetch",
    "remote.*.gh-resolved",
    "remote.*.partialclonefilter",
    "remote.*.promisor",
    "remote.*.prune",
    "remote.*.prunetags",
    "remote.*.skipdefaultupdate",
    "remote.*.skipfetchall",
    "remote.*.tagopt",
    "rerere.autoupdate",
    "rerere.enabled",
    "status.*",
    "submodule.*.active",
    "submodule.*.branch",
    "submodule.*.fetchrecursesubmodules",
    "submodule.*.ignore",
    "submodule.*.path",
    "submodule.*.shallow",
    "submodule.active",
    "submodule.recurse",
    "tag.sort",
    "uploadpack.allowanysha1inwant",
    "uploadpack.allowfilter",
    "uploadpack.allowreachablesha1inwant",
    "uploadpack.allowtipsha1inwant",
    "user.email",
    "user.name",
];

/// What of it `.gitmodules` may say.
const MODULES: &[&str] = &[
    "submodule.*.branch",
    "submodule.*.fetchrecursesubmodules",
    "submodule.*.ignore",
    "submodule.*.path",
    "submodule.*.shallow",
    "submodule.*.update",
    "submodule.*.url",
];

/// Which file it is that a variable stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum File<'a> {
    /// Configuration of the repository whose git directory this is.
    Config(&'a Rel),
    /// `.gitmodules`.
    Modules,
}

/// Whether `entry` may stay, given what the person's file had before the session.
pub(crate) fn may_stay(entry: &Entry, before: &[Entry], file: File<'_>) -> bool {
    if before.iter().any(|old| old.name == entry.name && old.value == entry.value) {
        return true;
    }
    let (section, subsection, key) = entry.parts();
    let value = entry.value.as_deref().unwrap_or_default();
    let had = |key: &[u8]| before.iter().any(|old| old.parts() == (section, subsection, key));
    let had_any = || before.iter().any(|old| (old.parts().0, old.parts().1) == (section, subsection));
    match (section, subsection, key) {
        (b"submodule", Some(_), b"update") => matches!(value, b"checkout" | b"rebase" | b"merge" | b"none"),
        (b"submodule", Some(_), b"url") => {
            plain_address(value) && (matches!(file, File::Modules) || !had(b"url"))
        }
        _ if matches!(file, File::Modules) => listed(MODULES, section, subsection, key),
        (b"remote", Some(_), b"url" | b"pushurl") | (b"branch", Some(_), b"pushremote") => {
            plain_address(value) && !had_any()
        }
        (b"remote", Some(_), b"push" | b"mirror") => !had_any(),
        (b"branch", Some(_), b"remote") => plain_address(value) && !had(b"remote"),
        (b"core", None, b"worktree") => !had(b"worktree") && within(value, file),
        _ => listed(SAFE, section, subsection, key),
    }
}

fn listed(list: &[&str], section: &[u8], subsection: Option<&[u8]>, key: &[u8]) -> bool {
    list.iter().any(|pattern| {
        let names: Vec<&[u8]> = pattern.split('.').map(str::as_bytes).collect();
        let is = |pattern: &[u8], name: &[u8]| pattern == b"*" || pattern == name;
        match (names.as_slice(), subsection) {
            ([s, k], None) | ([s, _, k], Some(_)) => *s == section && is(k, key),
            _ => false,
        }
    })
}

/// An address or the name of a remote that git opens without a program named in it: no `transport::address`, nothing that could be
/// taken for an option.
fn plain_address(value: &[u8]) -> bool {
    let helper = value.windows(2).any(|pair| pair == b"::");
    let bracketed = value.windows(3).any(|part| part == b"://") || value.contains(&b'[');
    !value.is_empty()
        && value[0] != b'-'
        && (!helper || (bracketed && !starts_with_transport(value)))
        && value.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f)
}

/// `ext::sh`: what stands before the first `::` is a word (gitremote-helpers(7)).
fn starts_with_transport(value: &[u8]) -> bool {
    let end =
        value.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')));
    end.is_some_and(|end| value[end..].starts_with(b"::"))
}

/// A worktree of the workspace: relative to the git directory, and not out of it.
fn within(value: &[u8], file: File<'_>) -> bool {
    let File::Config(git) = file else { return false };
    let path = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(value);
    git.join_lexically(Path::new(path)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::config::parse;

    fn stays(text: &str, before: &str) -> bool {
        let before = parse(before.as_bytes()).unwrap();
        let git = Rel::new("sub/.git").unwrap();
        parse(text.as_bytes()).unwrap().iter().all(|entry| may_stay(entry, &before, File::Config(&git)))
    }

    #[test]
    fn ordinary_git_may_be_written() {
        for text in [
            "[core]\nrepositoryformatversion=0\nfilemode=true\nbare=false\nlogallrefupdates=true",
            "[remote \"fork\"]\nurl=git@example.com:me/x.git\nfetch=+refs/heads/*:refs/remotes/fork/*",
            "[remote \"o\"]\nurl=https://example.com/x.git",
            "[remote \"o\"]\nurl=../x",
            "[remote \"o\"]\nurl=ssh://git@[2001:db8::1]/x",
            "[branch \"a/b\"]\nremote=origin\nmerge=refs/heads/a/b",
            "[submodule \"lib\"]\nactive=true\nurl=https://example.com/lib\nupdate=rebase",
            "[core]\nworktree=../../lib",
            "[extensions]\nworktreeConfig=true",
            "[user]\nname=A\nemail=a@example.com",
        ] {
            assert!(stays(text, ""), "{text}");
        }
    }

    #[test]
    fn nothing_that_runs_or_leads_away_may_be_written() {
        for text in [
            "[core]\nfsmonitor=x",
            "[core]\nhooksPath=x",
            "[core]\nsshCommand=x",
            "[core]\npager=x",
            "[core]\neditor=x",
            "[core]\naskPass=x",
            "[core]\ngitProxy=x",
            "[core]\nattributesFile=x",
            "[core]\nalternateRefsCommand=x",
            "[include]\npath=x",
            "[includeIf \"gitdir:/\"]\npath=x",
            "[filter \"x\"]\nclean=x",
            "[filter \"x\"]\nprocess=x",
            "[diff]\nexternal=x",
            "[diff \"x\"]\ncommand=x",
            "[diff \"x\"]\ntextconv=x",
            "[merge \"x\"]\ndriver=x",
            "[credential]\nhelper=!x",
            "[credential \"https://x\"]\nhelper=x",
            "[url \"x\"]\ninsteadOf=y",
            "[url \"x\"]\npushInsteadOf=y",
            "[alias]\nst=!x",
            "[alias]\nst=status",
            "[gpg]\nprogram=x",
            "[gpg \"ssh\"]\nprogram=x",
            "[protocol]\nallow=always",
            "[protocol \"ext\"]\nallow=always",
            "[remote \"o\"]\nurl=ext::sh -c x",
            "[remote \"o\"]\nuploadpack=x",
            "[remote \"o\"]\nreceivepack=x",
            "[remote \"o\"]\nproxy=x",
            "[remote \"o\"]\nvcs=x",
            "[remote \"o\"]\nurl=--upload-pack=x",
            "[remote]\npushDefault=x",
            "[http]\nproxy=x",
            "[http]\nsslVerify=false",
            "[sequence]\neditor=x",
            "[pager]\nlog=x",
            "[interactive]\ndiffFilter=x",
            "[submodule \"x\"]\nupdate=!x",
            "[submodule \"x\"]\nurl=ext::x",
            "[core]\nworktree=/home",
            "[core]\nworktree=../../..",
            "[mergetool \"x\"]\ncmd=x",
            "[difftool \"x\"]\ncmd=x",
            "[browser \"x\"]\ncmd=x",
            "[uploadpack]\npackObjectsHook=x",
            "[trailer \"x\"]\ncommand=x",
            "[gitflow \"path\"]\nhooks=x",
            "[init]\ntemplateDir=x",
            "[safe]\ndirectory=*",
            "[branch \"x\"]\nmergeOptions=-s x",
            "[lfs \"customtransfer.x\"]\npath=x",
            "[lfs]\nurl=x",
            "[color]\nx.y=1",
            "[core \"x\"]\nfsmonitor=x",
            "[core.x]\nfsmonitor=y",
            "[status.x]\nshort=1",
        ] {
            if let Some(entries) = parse(text.as_bytes()) {
                assert!(!entries.is_empty() && !stays(text, ""), "{text}");
            }
        }
    }

    #[test]
    fn what_was_there_stays_and_may_not_be_turned() {
        let before =
            "[core]\npager=less\n[remote \"origin\"]\nurl=https://good\n[branch \"main\"]\nremote=origin\n";
        assert!(stays(before, before));
        for text in [
            "[core]\npager=evil",
            "[remote \"origin\"]\nurl=https://evil",
            "[remote \"origin\"]\npushurl=https://evil",
            "[branch \"main\"]\nremote=fork",
            "[branch \"main\"]\npushRemote=fork",
        ] {
            assert!(!stays(text, before), "{text}");
        }
        assert!(stays("[branch \"topic\"]\nremote=fork\npushRemote=fork", before));
        assert!(stays(
            "[remote \"fork\"]\nurl=https://x\npushurl=https://y",
            "[remote \"fork\"]\nurl=https://x\npushurl=https://y"
        ));
    }
}
