//! Rules about manifests: every direct dependency is declared once, in the root, with a reason; every crate takes the lints.

use toml::Table;

use super::{File, Problem};

/// May replace the workspace's lints by its own table, because the workspace forbids `unsafe`.
const OWN_LINTS: &str = "crates/sandbox-sys/Cargo.toml";

pub(super) fn check(root: &str, files: &[File]) -> Vec<Problem> {
    let mut problems = reasons(root);
    for file in files.iter().filter(|file| is_member(file)) {
        match file.text.parse::<Table>() {
            Ok(manifest) => problems.extend(member(file, &manifest)),
            Err(error) => problems.push(Problem::new(file.path.display(), error.to_string())),
        }
    }
    problems
}

/// Manifests of the workspace; the crates outside it (fuzz, bench) keep their own dependencies.
fn is_member(file: &File) -> bool {
    let inside = ["crates", "tests", "xtask"].iter().any(|directory| file.path.starts_with(directory));
    inside && file.path.ends_with("Cargo.toml")
}

/// Dependencies of the root that end without a `# why` (our own, by path, speak for themselves).
fn reasons(root: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut inside = false;
    for (index, line) in root.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.trim() == "[workspace.dependencies]";
        }
        let declares = inside && line.contains('=') && !line.trim_start().starts_with('#');
        if declares && !line.contains("path =") && !line.contains("# ") {
            let place = format!("Cargo.toml:{}", index + 1);
            problems.push(Problem::new(place, "a dependency without a `# why` at the end of its line"));
        }
    }
    problems
}

fn member(file: &File, manifest: &Table) -> Vec<Problem> {
    let mut problems = Vec::new();
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let dependencies = manifest.get(table).and_then(|value| value.as_table());
        for (name, value) in dependencies.into_iter().flatten() {
            if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                problems.push(Problem::new(
                    file.path.display(),
                    format!("declare `{name}` in the root and write `{name}.workspace = true`"),
                ));
            }
        }
    }
    let inherits =
        manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool)
            == Some(true);
    if !inherits && file.path != std::path::Path::new(OWN_LINTS) {
        problems.push(Problem::new(file.path.display(), "write `[lints] workspace = true`"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let root = "[workspace.dependencies]\nour = { path = \"crates/our\" }\nbytes = \"1\" # chunks\nhttp = \"1\"\n[profile.dev]\nx = 1\n";
        let problems = reasons(root);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().starts_with("Cargo.toml:4:"));
    }

    #[test]
    fn members_inherit_versions_and_lints() {
        let good =
            File::new("crates/a/Cargo.toml", &format!("{LINTS}[dependencies]\nhttp.workspace = true\n"));
        assert!(check("", &[good]).is_empty());
        let own_version = File::new("crates/a/Cargo.toml", &format!("{LINTS}[dependencies]\nhttp = \"1\"\n"));
        assert_eq!(check("", &[own_version]).len(), 1);
        let no_lints = File::new("crates/a/Cargo.toml", "[package]\nname = \"a\"\n");
        assert_eq!(check("", &[no_lints]).len(), 1);
        let outside = File::new("bench/Cargo.toml", "[dependencies]\nhttp = \"1\"\n");
        assert!(check("", &[outside]).is_empty());
    }
}
