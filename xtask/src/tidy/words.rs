//! Words that have no place in the tree: unfinished business, this machine's paths, and how the text came to be written.

use std::path::Path;

use super::{File, Problem};

/// This file must spell them.
const HERE: &str = "xtask/src/tidy/words.rs";

/// Each with what to do instead. Lower-case ones are compared without case.
const FORBIDDEN: [(&str, &str); 14] = [
    ("TODO", "finish it, or leave it out"),
    ("FIXME", "mend it"),
    ("todo!(", "finish it, or leave it out"),
    ("unimplemented!(", "refuse with an error that says so"),
    ("placeholder until", "write the real thing"),
    ("issue #", "say the reason itself"),
    ("issues show", "say the reason itself"),
    ("part one", "say what the product does"),
    ("part two", "say what the product does"),
    ("shared/design", "say the reason itself"),
    ("shared/research", "say the reason itself"),
    ("shared/prototypes", "say the reason itself"),
    ("subagent", "say sub-agent for the product's noun, or leave it out"),
    ("as an ai", "leave it out"),
];

/// Roots that exist on one machine only.
const MACHINE_ROOTS: [&str; 2] = ["/work/", "/farm/"];

pub(super) fn check(file: &File) -> Vec<Problem> {
    if file.path == Path::new(HERE)
        || file.path == Path::new("LICENSE")
        || file.path == Path::new("Cargo.lock")
    {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let lower = line.to_lowercase();
        for (word, remedy) in FORBIDDEN {
            let text = if word.chars().any(char::is_uppercase) { line } else { &lower };
            if contains_word(text, word) {
                problems.push(Problem::at(file, index + 1, format!("`{word}`: {remedy}")));
            }
        }
        if MACHINE_ROOTS.iter().any(|root| contains_path(line, root)) {
            problems.push(Problem::at(file, index + 1, "a path of one machine"));
        }
    }
    problems
}

/// Whole words only: `fixme` is not in `suffixmember`.
fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|tail| tail.chars().next());
        let open = |neighbour: Option<char>| neighbour.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        open(before) && (open(after) || !word.ends_with(char::is_alphanumeric))
    })
}

/// `/work/x` after a blank or a quote, not in `/home/work/x`.
fn contains_path(text: &str, root: &str) -> bool {
    text.match_indices(root).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !"_./}*".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> usize {
        check(&File::new("docs/x.md", text)).len()
    }

    #[test]
    fn unfinished_business_and_machine_paths_are_found() {
        assert_eq!(problems("// TODO: later"), 1);
        assert_eq!(problems("todo!()"), 1);
        assert_eq!(problems("see issue #2"), 1);
        assert_eq!(problems("cd /work/main"), 1);
    }

    #[test]
    fn ordinary_words_are_not() {
        assert_eq!(problems("MASTODON, todo = \"deny\", /home/me/work/site, crates/work/x, a part once"), 0);
    }
}
