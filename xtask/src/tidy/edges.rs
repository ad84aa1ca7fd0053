//! The direction of dependencies between our crates: what is not in this table is not allowed.
//!
//! A new edge is a design decision; it is made here, in a commit of its own.

use crate::metadata::{Metadata, Package};

use super::Problem;

/// Crate, and every crate of ours that its production code may name. Test code may use whatever it needs.
const ALLOWED: &[(&str, &[&str])] = &[
    ("bailiwick-core", &[]),
    ("bailiwick-catalogue", &["core"]),
    ("bailiwick-policy", &["core", "catalogue"]),
    ("bailiwick-profile", &["core", "catalogue"]),
    ("bailiwick-ledger", &["core"]),
    ("bailiwick-launch", &["core"]),
    ("bailiwick-sandbox-sys", &["core"]),
    ("bailiwick-sandbox", &["core", "launch", "sandbox-sys"]),
    ("bailiwick-wire", &["core"]),
    ("bailiwick-store", &["core", "ledger", "wire"]),
    ("bailiwick-store-sqlite", &["core", "ledger", "store", "wire"]),
    ("bailiwick-broker", &["core", "catalogue", "profile", "policy", "ledger", "store"]),
    ("bailiwick-authority", &["core", "catalogue", "policy", "ledger", "store", "broker", "wire"]),
    ("bailiwick-guard", &["core"]),
    ("bailiwick-git", &["core", "guard"]),
    (
        "bailiwick-gateway",
        &["core", "catalogue", "policy", "ledger", "store", "broker", "authority", "guard", "git"],
    ),
    ("bailiwick-client", &["core", "launch", "wire"]),
    (
        "bailiwick-api",
        &["core", "catalogue", "policy", "ledger", "launch", "store", "broker", "authority", "guard", "wire"],
    ),
];

/// Packages that may use any other: the composition root, and what only tests compile.
const UNBOUND: [&str; 3] = ["bailiwick", "bailiwick-testkit", "xtask"];

pub(super) fn check(metadata: &Metadata) -> Vec<Problem> {
    metadata.members().flat_map(package).collect()
}

fn package(package: &Package) -> Vec<Problem> {
    let is_suite = package.name.ends_with("-tests");
    let ours = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some() && dependency.kind.as_deref() != Some("dev"));
    let names = ours.map(|dependency| dependency.name.as_str());
    if is_suite || UNBOUND.contains(&package.name.as_str()) {
        return names
            .filter(|name| *name == "bailiwick-testkit" && package.name == "bailiwick")
            .map(|name| Problem::new(&package.name, format!("may use {name} only in tests")))
            .collect();
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
        return vec![Problem::new(&package.name, "is not in the table of xtask/src/tidy/edges.rs")];
    };
    names
        .filter(|name| !allowed.iter().any(|short| name.strip_prefix("bailiwick-") == Some(short)))
        .map(|name| {
            Problem::new(
                &package.name,
                format!("must not depend on {name}: the direction is in xtask/src/tidy/edges.rs"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    fn member(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        Package {
            id: name.into(),
            name: name.into(),
            version: "0.1.0".into(),
            license: None,
            source: None,
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency {
                    name: (*name).into(),
                    kind: kind.map(Into::into),
                    path: Some(String::new()),
                })
                .collect(),
        }
    }

    #[test]
    fn upward_edges_are_found_and_test_edges_are_free() {
        assert_eq!(package(&member("bailiwick-core", &[("bailiwick-policy", None)])).len(), 1);
        assert_eq!(package(&member("bailiwick-client", &[("bailiwick-authority", None)])).len(), 1);
        assert_eq!(package(&member("bailiwick-core", &[("bailiwick-testkit", Some("dev"))])).len(), 0);
        assert_eq!(package(&member("bailiwick-gateway", &[("bailiwick-broker", None)])).len(), 0);
        assert_eq!(package(&member("bailiwick-unknown", &[])).len(), 1);
        assert_eq!(package(&member("bailiwick", &[("bailiwick-testkit", None)])).len(), 1);
    }

    #[test]
    fn the_table_itself_has_no_cycle() {
        for (index, (name, allowed)) in ALLOWED.iter().enumerate() {
            let earlier: Vec<_> =
                ALLOWED[..index].iter().filter_map(|(name, _)| name.strip_prefix("bailiwick-")).collect();
            assert!(allowed.iter().all(|short| earlier.contains(short)), "{name} names a crate below it");
        }
    }
}
