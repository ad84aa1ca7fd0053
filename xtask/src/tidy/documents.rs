//! ARCHITECTURE.md is a map: a crate that is not on it does not exist for a reader. And a test that docs/attacks.md names must be there.

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

/// Tests are named there in backticks; nothing else in it has that many words joined.
pub(super) fn attacks(page: Option<&str>, files: &[File]) -> Vec<Problem> {
    let Some(page) = page else { return vec![Problem::new(ATTACKS, "is missing")] };
    let named = page.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() >= 2);
    let there =
        |name: &str| files.iter().any(|file| file.is_rust() && file.text.contains(&format!("fn {name}(")));
    named
        .filter(|name| !there(name))
        .map(|name| Problem::new(ATTACKS, format!("names the test `{name}`, which is not there")))
        .collect()
}

/// The page of attacks.
pub(super) const ATTACKS: &str = "docs/attacks.md";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_that_is_named_is_there() {
        let files = [File::new("crates/a/tests/all.rs", "fn what_it_tries() {}")];
        assert!(attacks(Some("| x | `what_it_tries`, `core.x` |"), &files).is_empty());
        assert_eq!(attacks(Some("`what_it_tries` `what_is_gone`"), &files).len(), 1);
        assert_eq!(attacks(None, &files).len(), 1);
    }

    #[test]
    fn every_crate_is_on_the_map() {
        let files = [File::new("crates/core/src/lib.rs", ""), File::new("crates/cli/src/main.rs", "")];
        assert!(check(Some("`core` is pure; crates/cli is the binary"), &files).is_empty());
        assert_eq!(check(Some("`core` is pure"), &files).len(), 1);
        assert_eq!(check(None, &files).len(), 1);
    }
}
