//! Trees and commits, as git writes them (gitformat: `git cat-file`, "tree" and "commit" objects).

use crate::{Format, Id};

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tree,
    /// A commit of another repository: a submodule.
    Link,
    /// A file or a symbolic link.
    File,
}

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) id: Id,
}

impl Entry {
    pub(crate) const fn kind(&self) -> Kind {
        match self.mode & 0o170_000 {
            0o040_000 => Kind::Tree,
            0o160_000 => Kind::Link,
            _ => Kind::File,
        }
    }
}

/// The entries of a tree: `mode SP name NUL id`, one after the other. `None` if it is none.
pub(crate) fn entries(mut content: &[u8], format: Format) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !content.is_empty() {
        let space = content.iter().position(|byte| *byte == b' ')?;
        let nul = content.iter().position(|byte| *byte == 0)?;
        let mode = std::str::from_utf8(&content[..space]).ok()?;
        let name = content.get(space + 1..nul)?;
        let id = content.get(nul + 1..nul + 1 + format.length())?;
        let octal = mode.len() <= 6 && mode.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        let plain = octal && !name.is_empty() && !name.contains(&b'/');
        entries.push(Entry {
            name: plain.then(|| name.to_vec())?,
            mode: u32::from_str_radix(mode, 8).ok()?,
            id: Id::from_bytes(id)?,
        });
        content = &content[nul + 1 + format.length()..];
    }
    Some(entries)
}

/// The object that the first line of a commit (`tree ID`) or a tag (`object ID`) names.
pub(crate) fn named_first(content: &[u8], word: &str) -> Option<Id> {
    let line = content.split(|byte| *byte == b'\n').next()?;
    let id = std::str::from_utf8(line).ok()?.strip_prefix(word)?.strip_prefix(' ')?;
    Id::parse(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: &str, name: &str) -> Vec<u8> {
        [format!("{mode} {name}\0").as_bytes(), &[7; 20]].concat()
    }

    #[test]
    fn entries_are_read_as_git_writes_them() {
        let tree = [entry("100644", "a b"), entry("40000", "dir"), entry("160000", "sub")].concat();
        let read = entries(&tree, Format::Sha1).unwrap();
        let kinds: Vec<_> = read.iter().map(Entry::kind).collect();
        assert_eq!(kinds, [Kind::File, Kind::Tree, Kind::Link]);
        assert_eq!(read[0].name, b"a b");
        for end in 1..tree.len() {
            let whole = [31, 31 + 30].contains(&end);
            assert_eq!(entries(&tree[..end], Format::Sha1).is_some(), whole, "{end}");
        }
        assert_eq!(entries(&entry("100644", "a/b"), Format::Sha1), None);
        assert_eq!(entries(&entry("+10064", "a"), Format::Sha1), None);
    }

    #[test]
    fn a_commit_names_its_tree_first() {
        let id = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let commit = format!("tree {id}\nparent {id}\n");
        assert_eq!(named_first(commit.as_bytes(), "tree"), Id::parse(id));
        assert_eq!(named_first(b"tree x\n", "tree"), None);
        assert_eq!(named_first(commit.as_bytes(), "object"), None);
    }
}
