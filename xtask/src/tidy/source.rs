//! Rules about a source file as it reads: its length, its header, where `unsafe` and printing may stand.

use super::{File, Problem};

/// Longest file of production code, in lines.
const LONGEST: usize = 800;

/// The one crate that may contain `unsafe`.
const UNSAFE_CRATE: &str = "sandbox-sys";

/// Crates that may print: the command line and what only tests use. A library returns values.
const PRINTING_CRATES: [&str; 2] = ["cli", "testkit"];

pub(super) fn check(file: &File) -> Vec<Problem> {
    if !file.is_rust() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    problems.extend(header(file));
    problems.extend(length(file));
    problems.extend(unsafe_code(file));
    problems.extend(printing(file));
    problems
}

/// Test files may do without: what they are for is the names of their tests.
fn header(file: &File) -> Option<Problem> {
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    (!file.is_test() && !first.starts_with("//!"))
        .then(|| Problem::at(file, 1, "the first line must be a `//!` header: why the module exists"))
}

fn length(file: &File) -> Option<Problem> {
    let lines = file.production_lines().count();
    (!file.is_test() && lines > LONGEST).then(|| {
        Problem::new(
            file.path.display(),
            format!("{lines} lines of production code; at most {LONGEST}: split it"),
        )
    })
}

fn unsafe_code(file: &File) -> Vec<Problem> {
    if file.crate_directory() == Some(UNSAFE_CRATE) {
        return Vec::new();
    }
    lines_with_word(file, "unsafe")
        .map(|line| {
            Problem::at(file, line, "`unsafe` stands only in crates/sandbox-sys; call a safe function of it")
        })
        .collect()
}

fn printing(file: &File) -> Vec<Problem> {
    let library = file.crate_directory().is_some_and(|name| !PRINTING_CRATES.contains(&name));
    if !library || file.is_test() {
        return Vec::new();
    }
    let printers = ["println", "eprintln", "print", "eprint", "dbg"];
    let mut problems = Vec::new();
    for (line, text) in file.production_lines() {
        let code = code_of(text);
        let calls = code.match_indices('!').any(|(at, _)| printers.contains(&last_word(&code, at)));
        if calls {
            problems.push(Problem::at(file, line, "a library never prints; return a value or use `tracing`"));
        }
    }
    problems
}

/// The identifier that ends at `end`.
fn last_word(code: &str, end: usize) -> &str {
    let head = code.get(..end).unwrap_or_default();
    head.rsplit(|c: char| c != '_' && !c.is_alphanumeric()).next().unwrap_or_default()
}

fn lines_with_word<'f>(file: &'f File, word: &'f str) -> impl Iterator<Item = usize> + 'f {
    file.text.lines().enumerate().filter_map(move |(index, line)| {
        let code = code_of(line);
        code.split(|c: char| c != '_' && !c.is_alphanumeric()).any(|token| token == word).then_some(index + 1)
    })
}

/// The line without its comment and without what stands between double quotes.
pub(super) fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => {
                characters.next();
            }
            '\'' if !quoted && characters.peek() == Some(&'"') => {
                characters.next();
            }
            '"' => quoted = !quoted,
            '/' if !quoted && characters.peek() == Some(&'/') => break,
            other if !quoted => code.push(other),
            _ => {}
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> usize {
        check(&File::new(path, text)).len()
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        assert_eq!(code_of("let x = \"unsafe // not\"; // unsafe"), "let x = ; ");
        assert_eq!(code_of("let q = '\"'; call(\"a\\\"b\")"), "let q = '; call()");
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(problems("crates/core/src/id.rs", "use std::fmt;\n"), 1);
        assert_eq!(problems("crates/core/src/id.rs", "//! Ids.\n"), 0);
        assert_eq!(problems("crates/core/src/id/tests.rs", "use super::*;\n"), 0);
    }

    #[test]
    fn length_counts_production_lines_only() {
        let long = format!("//! Long.\n{}", "fn a() {}\n".repeat(LONGEST));
        assert_eq!(problems("crates/core/src/id.rs", &long), 1);
        assert_eq!(problems("crates/core/tests/all.rs", &long), 0);
        let tested = format!("//! Short.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "fn a() {}\n".repeat(LONGEST));
        assert_eq!(problems("crates/core/src/id.rs", &tested), 0);
    }

    #[test]
    fn unsafe_is_found_everywhere_but_in_its_crate() {
        let text = "//! X.\nfn f() { unsafe { g() } }\n";
        assert_eq!(problems("crates/sandbox/src/lib.rs", text), 1);
        assert_eq!(problems("crates/sandbox/tests/all.rs", text), 1);
        assert_eq!(problems("crates/sandbox-sys/src/lib.rs", text), 0);
        assert_eq!(problems("crates/core/src/lib.rs", "//! X.\n#![forbid(unsafe_code)]\n"), 0);
    }

    #[test]
    fn a_library_that_prints_is_found() {
        let text = "//! X.\nfn f() { println!(\"x\") }\n";
        assert_eq!(problems("crates/core/src/lib.rs", text), 1);
        assert_eq!(problems("crates/cli/src/main.rs", text), 0);
    }
}
