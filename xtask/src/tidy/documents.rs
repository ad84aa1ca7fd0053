//! ARCHITECTURE.md is a map: a crate that is not on it does not exist for a reader.

use std::collections::BTreeSet;

use super::{File, Problem};

pub(super) fn check(architecture: Option<&str>, files: &[File]) -> Vec<Problem> {
    let Some(map) = architecture else {
        return vec![Problem::new("ARCHITECTURE.md", "is missing")];
    };
    let crates: BTreeSet<&str> = files.iter().filter_map(File::crate_directory).collect();
    crates
        .into_iter()
        .filter(|name| !map.contains(&format!("crates/{name}")) && !map.contains(&format!("`{name}`")))
        .map(|name| Problem::new("ARCHITECTURE.md", format!("does not say what crates/{name} is for")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_is_on_the_map() {
        let files = [File::new("crates/core/src/lib.rs", ""), File::new("crates/cli/src/main.rs", "")];
        assert!(check(Some("`core` is pure; crates/cli is the binary"), &files).is_empty());
        assert_eq!(check(Some("`core` is pure"), &files).len(), 1);
        assert_eq!(check(None, &files).len(), 1);
    }
}
