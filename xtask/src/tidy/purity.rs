//! Who may ask the machine: the pure crates nothing at all, the others not for the environment or argv.

use super::source::code_of;
use super::{File, Problem};

/// Crates without I/O, clock and randomness: time and random bytes are parameters.
const PURE: [&str; 3] = ["core", "catalogue", "policy"];

/// Only the composition root reads argv and the environment.
const READS_ENVIRONMENT: [&str; 2] = ["cli", "testkit"];

/// What a function of `std::env` must not be called for; splitting a `PATH` that was handed in is not among them.
const ENVIRONMENT: [&str; 6] =
    ["env::var", "env::args", "env::home_dir", "env::temp_dir", "env::current_dir", "env::current_exe"];

const IMPURE: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "OffsetDateTime::now",
    "Uuid::new_v4",
    "Uuid::now_v7",
];

pub(super) fn check(file: &File) -> Vec<Problem> {
    let Some(directory) = file.crate_directory() else { return Vec::new() };
    if !file.is_rust() || file.is_test() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (number, line) in file.production_lines() {
        let code = code_of(line);
        if !READS_ENVIRONMENT.contains(&directory) && ENVIRONMENT.iter().any(|call| code.contains(call)) {
            problems.push(Problem::at(
                file,
                number,
                "only crates/cli reads the environment; take the value as a parameter",
            ));
        }
        if PURE.contains(&directory)
            && let Some(found) = IMPURE.iter().find(|impure| code.contains(**impure))
        {
            problems.push(Problem::at(
                file,
                number,
                format!("crates/{directory} is pure: `{found}` has no place in it"),
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, code: &str) -> usize {
        check(&File::new(path, code)).len()
    }

    #[test]
    fn the_environment_is_read_in_one_place() {
        let code = "let home = std::env::var_os(\"HOME\");";
        assert_eq!(problems("crates/sandbox/src/lib.rs", code), 1);
        assert_eq!(problems("crates/sandbox/src/lib.rs", "std::env::split_paths(given)"), 0);
        assert_eq!(problems("crates/cli/src/main.rs", code), 0);
        assert_eq!(problems("crates/sandbox/tests/all.rs", code), 0);
    }

    #[test]
    fn pure_crates_do_not_touch_files_or_the_clock() {
        assert_eq!(problems("crates/core/src/id.rs", "use std::fs;"), 1);
        assert_eq!(problems("crates/policy/src/lib.rs", "let now = std::time::SystemTime::now();"), 1);
        assert_eq!(problems("crates/ledger/src/writer.rs", "use std::fs;"), 0);
    }
}
