//! Pages that a person's own words name: addresses that may be read as they stand there, and nothing that only resembles one.

use std::collections::BTreeSet;

use crate::{Action, ResourceRef, Task, Value};

/// The longest address of a page, in bytes.
const LONGEST: usize = 512;

impl Task {
    /// The pages that a person's own words name: `https` addresses, each as `https://host[:port]/path`, without a fragment. Not one with
    /// a query, a user, or an escape in its path.
    pub fn pages_in(words: &str) -> BTreeSet<String> {
        let apart = |c: char| c.is_whitespace() || "\"'`()[]<>,;".contains(c);
        let words = words.split(apart);
        words.filter_map(|word| page(word.trim_end_matches(['.', ':', '!', '?']))).collect()
    }
}

impl Action {
    /// The page that it reads, where it only reads a page of something that is not listed.
    pub fn page(&self) -> Option<String> {
        let ResourceRef::Unlisted { address } = &self.resource else { return None };
        let text = |name: &str| match self.arguments.get(name) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let reads = self.effects.is_read() && matches!(text("method"), Some("GET" | "HEAD"));
        if !reads || self.arguments.contains_key("query") {
            return None;
        }
        page(&format!("{address}{}", text("path")?))
    }
}

fn page(word: &str) -> Option<String> {
    let rest = word.strip_prefix("https://")?;
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(":443").unwrap_or(&authority);
    let host = authority.split_once(':').map_or(authority, |(host, _)| host);
    let named =
        host.contains('.') && authority.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c));
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-~+!@=:".contains(c));
    let path = if path.is_empty() { "/" } else { path };
    (named && plain && word.len() <= LONGEST).then(|| format!("https://{authority}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(words: &str) -> Vec<String> {
        Task::pages_in(words).into_iter().collect()
    }

    #[test]
    fn words_name_pages() {
        assert_eq!(
            pages(
                "Read https://Docs.example.com/a/b.html#part, then (https://x.example) and https://x.example:8443/c."
            ),
            ["https://docs.example.com/a/b.html", "https://x.example/", "https://x.example:8443/c"]
        );
        assert_eq!(pages("https://x.example:443/"), ["https://x.example/"]);
    }

    #[test]
    fn what_only_resembles_a_page_is_none() {
        for text in [
            "http://x.example/a",
            "x.example/a",
            "https://mia@x.example/a",
            "https://x.example/a?q=1",
            "https://x.example/%61",
            "https://x.example\\a",
            "https://localhost/a",
            "https:///a",
            "xhttps://x.example/a",
        ] {
            assert_eq!(pages(text), Vec::<String>::new(), "{text}");
        }
    }
}
