//! The comparison: the files of each branch as it would be, with those of every branch that the forge has.
//!
//! What counts is where a branch ends. A file that takes effect once it is pushed is as it was if some branch of the forge, or the branch itself
//! before, has just this at the same path; commits in between do not count, since nothing runs from them before a branch ends there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
};

use bailiwick_guard::pushed;

use crate::{
    Id, Unseen,
    objects::Objects,
    scratch::{Scratch, Workroom},
    tree::{Entry, Kind, entries, named_first},
};

/// The most branches of the forge that one branch is compared with.
const BASES: usize = 64;
/// The most tags that stand before a commit.
const TAGS: usize = 4;
/// The longest path that is told, in bytes.
const TOLD: usize = 256;

/// A push.
#[derive(Debug)]
pub struct Push<'a> {
    /// Where each reference was and where it would be. The first only for a branch: the forge refuses the push if it is not there.
    pub updates: &'a [(Option<Id>, Id)],
    /// The pack, from where the file stands.
    pub pack: Option<File>,
    /// Where branches of the forge are; `None` if it has not said so.
    pub tips: Option<&'a [Id]>,
    /// Where the objects of the repository that is pushed from may be found.
    pub store: Option<&'a Path>,
    /// Where it is compared.
    pub room: &'a Workroom,
}

/// The paths at which the push changes what takes effect once it is pushed, as text that a terminal can show.
///
/// # Errors
/// If that is not known.
pub fn carried(push: Push<'_>) -> Result<BTreeSet<String>, Unseen> {
    let Some((_, first)) = push.updates.first() else { return Ok(BTreeSet::new()) };
    let tips = push.tips.ok_or(Unseen::NoBase)?;
    let scratch = Scratch::new(push.room, push.store, first.format())?;
    if let Some(pack) = push.pack {
        scratch.unpack(pack)?;
    }
    let mut comparison = Comparison { objects: Objects::open(&scratch)?, trees: BTreeMap::new() };
    let mut found = BTreeSet::new();
    for (old, new) in push.updates {
        let bases: Vec<&Id> = old.iter().chain(tips).collect();
        found.extend(comparison.differs_from_all(new, &bases)?);
    }
    Ok(found.iter().map(|path| told(path)).collect())
}

fn told(path: &[u8]) -> String {
    String::from_utf8_lossy(&path[..path.len().min(TOLD)]).escape_debug().to_string()
}

struct Comparison {
    objects: Objects,
    /// The trees of the commits that were asked for; `None` for those that are not here.
    trees: BTreeMap<Id, Option<Id>>,
}

type Paths = BTreeSet<Vec<u8>>;

impl Comparison {
    /// The paths at which `tip` differs from each of `bases` that is here.
    fn differs_from_all(&mut self, tip: &Id, bases: &[&Id]) -> Result<Paths, Unseen> {
        let tree = self.tree_of(tip)?.ok_or_else(|| Unseen::Missing(tip.clone()))?;
        if bases.is_empty() {
            return self.differing(None, &tree);
        }
        let (mut left, mut why): (Option<Paths>, _) = (None, Unseen::NoBase);
        let mut compared = 0;
        for base in bases {
            // What is not here, or not what its name says, is nothing to compare with.
            let Ok(Some(base)) = self.tree_of(base) else { continue };
            match self.differing(Some(&base), &tree) {
                Ok(differing) => {
                    let both = left.take().map(|left| left.intersection(&differing).cloned().collect());
                    left = Some(both.unwrap_or(differing));
                }
                Err(unseen) => why = unseen,
            }
            compared += 1;
            if compared == BASES || left.as_ref().is_some_and(BTreeSet::is_empty) {
                break;
            }
        }
        left.ok_or(why)
    }

    /// The tree of a commit, or of the commit that a tag stands for. `None` if it is not here.
    fn tree_of(&mut self, commit: &Id) -> Result<Option<Id>, Unseen> {
        if let Some(known) = self.trees.get(commit) {
            return Ok(known.clone());
        }
        let tree = self.read_tree_of(commit)?;
        self.trees.insert(commit.clone(), tree.clone());
        Ok(tree)
    }

    fn read_tree_of(&mut self, commit: &Id) -> Result<Option<Id>, Unseen> {
        let mut id = commit.clone();
        for _ in 0..=TAGS {
            let Some(object) = self.objects.find(&id)? else { return Ok(None) };
            let word = match object.kind.as_str() {
                "commit" => "tree",
                "tag" => "object",
                _ => return Err(Unseen::False(id)),
            };
            let named = named_first(&object.content, word).ok_or_else(|| Unseen::False(id.clone()))?;
            if word == "tree" {
                return Ok(Some(named));
            }
            id = named;
        }
        Err(Unseen::TooMuch("a tag of a tag of a tag"))
    }

    /// The paths of what takes effect once pushed at which the tree `new` is not as `old`. Equal trees are not looked into.
    fn differing(&mut self, old: Option<&Id>, new: &Id) -> Result<Paths, Unseen> {
        let mut paths = Paths::new();
        let mut left = vec![(Vec::new(), old.cloned(), Some(new.clone()))];
        while let Some((path, old, new)) = left.pop() {
            if old == new {
                continue;
            }
            let (old, new) = (self.entries(old.as_ref())?, self.entries(new.as_ref())?);
            for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                let (old, new) = (old.get(name), new.get(name));
                if old.map(|entry| (entry.mode, &entry.id)) == new.map(|entry| (entry.mode, &entry.id)) {
                    continue;
                }
                let path = join(&path, name);
                if old.into_iter().chain(new).any(|entry| takes_effect(&path, entry)) {
                    paths.insert(path.clone());
                }
                let tree = |entry: Option<&Entry>| {
                    entry.filter(|entry| entry.kind() == Kind::Tree).map(|entry| entry.id.clone())
                };
                left.push((path, tree(old), tree(new)));
            }
        }
        Ok(paths)
    }

    /// The entries of a tree by name; none where there is no tree.
    fn entries(&mut self, tree: Option<&Id>) -> Result<BTreeMap<Vec<u8>, Entry>, Unseen> {
        let Some(id) = tree else { return Ok(BTreeMap::new()) };
        let content = self.objects.read(id, "tree")?;
        let listed = entries(&content, id.format()).ok_or_else(|| Unseen::False(id.clone()))?;
        let count = listed.len();
        let by_name: BTreeMap<Vec<u8>, Entry> =
            listed.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        // Of two entries of one name, others might take the other one.
        if by_name.len() == count { Ok(by_name) } else { Err(Unseen::False(id.clone())) }
    }
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

/// Whether a file at `path`, or another repository there, takes effect once it is pushed.
fn takes_effect(path: &[u8], entry: &Entry) -> bool {
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    match entry.kind() {
        Kind::Link => true,
        Kind::File => pushed(&names).is_some(),
        Kind::Tree => false,
    }
}
