//! The rules of `deny.toml` (licences, bans, duplicates, sources), applied without `cargo-deny` so that they hold on every machine.
//!
//! They hold for what the product is built from; what only tests and this tool use is not shipped. It understands exactly the keys that our file uses; a key it does not know is an error, never a rule that is silently not applied.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

use crate::metadata::{Metadata, Package};

use super::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(rename = "graph")]
    _graph: Option<toml::Table>,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Licenses {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<LicenseException>,
    #[serde(rename = "unused-allowed-license")]
    _unused: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LicenseException {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    multiple_versions: String,
    wildcards: Option<String>,
    #[serde(rename = "allow-wildcard-paths")]
    _wildcard_paths: Option<bool>,
    #[serde(default)]
    deny: Vec<Banned>,
    #[serde(default)]
    skip: Vec<Skipped>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Skipped {
    /// `name@version`.
    #[serde(rename = "crate")]
    spec: String,
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    unknown_registry: String,
    unknown_git: String,
}

/// Problems of the resolved graph under the rules of `deny.toml`.
pub(super) fn check(deny: Option<&str>, metadata: &Metadata) -> Result<Vec<Problem>> {
    let rules: Rules = toml::from_str(deny.context("there is no deny.toml")?).context("reading deny.toml")?;
    let strict = [&rules.bans.multiple_versions, &rules.sources.unknown_registry, &rules.sources.unknown_git];
    let mut problems = Vec::new();
    if strict.iter().any(|level| *level != "deny") || rules.bans.wildcards.as_deref() == Some("allow") {
        problems.push(Problem::new(
            "deny.toml",
            "duplicates, wildcards and unknown sources are denied here, not tolerated",
        ));
    }
    let foreign = metadata.foreign();
    problems.extend(foreign.iter().filter_map(|package| licence(&rules.licenses, package)));
    problems.extend(foreign.iter().filter_map(|package| source(package)));
    problems.extend(foreign.iter().filter_map(|package| banned(&rules.bans, package)));
    problems.extend(duplicates(&rules.bans, &foreign));
    Ok(problems)
}

fn licence(rules: &Licenses, package: &Package) -> Option<Problem> {
    let named = |allowed: &[String], requirement: &spdx::LicenseReq| {
        allowed.iter().any(|name| *name == requirement.to_string())
    };
    let extra = rules.exceptions.iter().find(|exception| exception.name == package.name);
    let text = package.license.as_deref().unwrap_or_default();
    let accepted = Expression::parse_mode(text, ParseMode::LAX).is_ok_and(|expression| {
        expression.evaluate(|requirement| {
            named(&rules.allow, requirement)
                || extra.is_some_and(|exception| named(&exception.allow, requirement))
        })
    });
    (!accepted).then(|| Problem::new(label(package), format!("licence `{text}` is not allowed by deny.toml")))
}

fn source(package: &Package) -> Option<Problem> {
    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let known = package.source.as_deref() == Some(CRATES_IO);
    (!known)
        .then(|| Problem::new(label(package), format!("comes from {:?}, not from crates.io", package.source)))
}

fn banned(rules: &Bans, package: &Package) -> Option<Problem> {
    let ban = rules.deny.iter().find(|ban| ban.name == package.name)?;
    Some(Problem::new(label(package), format!("is banned: {}", ban.reason)))
}

fn duplicates(rules: &Bans, packages: &[&Package]) -> Vec<Problem> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut stale: BTreeSet<&str> = rules.skip.iter().map(|skip| skip.spec.as_str()).collect();
    for package in packages {
        let spec = label(package);
        if !stale.remove(spec.as_str()) && !rules.skip.iter().any(|skip| skip.spec == spec) {
            versions.entry(&package.name).or_default().insert(&package.version);
        }
    }
    let twice = versions.into_iter().filter(|(_, versions)| versions.len() > 1).map(|(name, versions)| {
        let versions: Vec<_> = versions.into_iter().collect();
        Problem::new(
            name,
            format!(
                "is there more than once ({}): unify, or skip with a reason in deny.toml",
                versions.join(", ")
            ),
        )
    });
    let unused =
        stale.into_iter().map(|spec| Problem::new("deny.toml", format!("skips {spec}, which is not there")));
    twice.chain(unused).collect()
}

fn label(package: &Package) -> String {
    format!("{}@{}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0"]
        exceptions = [{ crate = "ring-like", allow = ["OpenSSL"] }]
        [bans]
        multiple-versions = "deny"
        deny = [{ crate = "openssl", reason = "one TLS stack" }]
        skip = [{ crate = "rand@0.8.5", reason = "old" }]
        [sources]
        unknown-registry = "deny"
        unknown-git = "deny"
    "#;

    fn foreign(name: &str, version: &str, license: &str) -> Package {
        Package {
            id: format!("{name}-{version}"),
            name: name.into(),
            version: version.into(),
            license: Some(license.into()),
            source: Some("registry+https://github.com/rust-lang/crates.io-index".into()),
            dependencies: Vec::new(),
        }
    }

    fn problems(mut packages: Vec<Package>) -> Vec<String> {
        packages.push(foreign("rand", "0.8.5", "MIT"));
        let product =
            packages.iter().map(|package| format!("{} v{}", package.name, package.version)).collect();
        let metadata = Metadata { packages, workspace_members: Vec::new(), product };
        check(Some(DENY), &metadata).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn licences_are_evaluated_as_expressions() {
        assert!(problems(vec![foreign("a", "1.0.0", "MIT OR GPL-3.0-only")]).is_empty());
        assert!(problems(vec![foreign("a", "1.0.0", "MIT/Apache-2.0")]).is_empty());
        assert!(problems(vec![foreign("ring-like", "1.0.0", "MIT AND OpenSSL")]).is_empty());
        assert_eq!(problems(vec![foreign("a", "1.0.0", "MIT AND GPL-3.0-only")]).len(), 1);
        assert_eq!(problems(vec![foreign("a", "1.0.0", "")]).len(), 1);
    }

    #[test]
    fn bans_duplicates_and_foreign_sources_are_found() {
        assert_eq!(problems(vec![foreign("openssl", "0.10.0", "MIT")]).len(), 1);
        assert_eq!(problems(vec![foreign("a", "1.0.0", "MIT"), foreign("a", "2.0.0", "MIT")]).len(), 1);
        assert!(problems(vec![foreign("rand", "0.9.0", "MIT")]).is_empty());
        let git =
            Package { source: Some("git+https://example.com/a".into()), ..foreign("a", "1.0.0", "MIT") };
        assert_eq!(problems(vec![git]).len(), 1);
    }

    #[test]
    fn a_rule_that_is_not_understood_is_an_error() {
        let metadata =
            Metadata { packages: Vec::new(), workspace_members: Vec::new(), product: BTreeSet::new() };
        assert!(
            check(Some(&DENY.replace("[bans]", "[bans]\nworkspace-duplicates = \"deny\"")), &metadata)
                .is_err()
        );
        assert!(check(None, &metadata).is_err());
    }

    #[test]
    fn a_skip_that_no_longer_applies_is_found() {
        let metadata =
            Metadata { packages: Vec::new(), workspace_members: Vec::new(), product: BTreeSet::new() };
        assert_eq!(check(Some(DENY), &metadata).unwrap().len(), 1);
    }
}
