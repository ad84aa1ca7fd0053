//! How people name things by a part of their id: the id, a beginning of it, its last four or more characters, or `-` for the latest.

/// A reference to something by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// The latest.
    Latest,
    /// Ids that begin so, with their prefix (`ses_01h…`) or after it (`01h…`); or, from four characters on, that end so.
    Part(&'a str),
}

impl<'a> Reference<'a> {
    /// Reads a reference. `None` if it could fit nothing, because it is empty or has characters that no id has.
    pub fn parse(text: &'a str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        match text {
            "-" => Some(Self::Latest),
            "" => None,
            text if text.len() <= 40 && text.chars().all(fits) => Some(Self::Part(text)),
            _ => None,
        }
    }

    /// The beginning that fitting ids have, of ids that begin with `prefix` (such as `ses_`).
    pub fn beginning(part: &str, prefix: &str) -> String {
        if part.starts_with(prefix) { part.to_owned() } else { format!("{prefix}{part}") }
    }

    /// The first text after all those that begin with `beginning`, which is not empty and ends in a character of an id.
    pub fn after(beginning: &str) -> String {
        // No character of an id is above `z`, and `{` follows it.
        format!("{beginning}{{")
    }

    /// The last four characters, where there are so many: what an index of endings is searched with.
    pub fn tail(part: &str) -> Option<&str> {
        part.len().checked_sub(4).map(|start| &part[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_nothing_else() {
        assert_eq!(Reference::parse("-"), Some(Reference::Latest));
        assert_eq!(Reference::parse("ses_01h2"), Some(Reference::Part("ses_01h2")));
        for bad in ["", "%", "ses_01H", "a b", "é", &"a".repeat(41)] {
            assert_eq!(Reference::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn beginnings_and_endings() {
        assert_eq!(Reference::beginning("01h2", "ses_"), "ses_01h2");
        assert_eq!(Reference::beginning("ses_01h2", "ses_"), "ses_01h2");
        assert!(
            Reference::after("ses_01").as_str() > "ses_01zzzz"
                && Reference::after("ses_01").as_str() < "ses_02"
        );
        assert_eq!((Reference::tail("x41"), Reference::tail("vqjhp41")), (None, Some("hp41")));
    }
}
