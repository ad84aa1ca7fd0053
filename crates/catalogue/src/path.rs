//! Path patterns: `/{owner}/{repo}.git?/info/refs`, matched segment by segment against a canonical, decoded path.
//!
//! A pattern is a grammar, not a prefix: a capture says what its text may look like, and whatever does not fit is not a match. This
//! module must never match across a `/` that was not there: a decoded `%2F` inside a segment fails every kind but `npm`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the text of a capture may look like. Written `{name:kind}`; `{name}` alone is a [`CaptureKind::Segment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CaptureKind {
    /// A [`CaptureKind::Name`] whose case does not count: it is captured in lower case.
    Caseless,
    /// A file name: letters, digits and `. _ - + ! ~ @`; not starting with a dot.
    File,
    /// Hexadecimal digits.
    Hex,
    /// A decimal number without leading zeros, at most 18 digits.
    Int,
    /// A name: letters, digits, `. _ -`; not starting with a dot.
    Name,
    /// An npm package: a name, or `@scope/name`, also within one segment (`@scope%2fname`).
    Npm,
    /// One or more whole segments, each a [`CaptureKind::File`], of 200 characters together: a page of a site, and little else.
    Pages,
    /// One or more whole segments, written `{name..}`.
    Rest,
    /// Caseless names joined by `/`, within one segment (`group%2Fproject`): captured in lower case.
    Slug,
    /// Any one segment but `.` and `..`, without `/`, `\` or control characters.
    Segment,
    /// A version: letters, digits and `. _ - + ! ~`.
    Version,
}

/// A parsed path pattern.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    text: Box<str>,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Capture { prefix: Box<str>, name: Box<str>, kind: CaptureKind, suffix: Box<str>, suffix_optional: bool },
    Literal(Box<str>),
}

/// A text is not a path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a path pattern: {problem}", .text.escape_debug())]
pub struct ParsePathError {
    text: String,
    problem: String,
}

/// Captured texts by name, in the order of the pattern.
pub(crate) type Captures<'p> = Vec<(&'p str, CaptureKind, String)>;

impl CaptureKind {
    const NAMES: [(&'static str, Self); 10] = [
        ("caseless", Self::Caseless),
        ("file", Self::File),
        ("hex", Self::Hex),
        ("int", Self::Int),
        ("name", Self::Name),
        ("npm", Self::Npm),
        ("pages", Self::Pages),
        ("segment", Self::Segment),
        ("slug", Self::Slug),
        ("version", Self::Version),
    ];

    fn accepts(self, text: &str) -> bool {
        let all = |extra: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c));
        !text.is_empty()
            && match self {
                Self::File => all("._-+!~@") && !text.starts_with('.'),
                Self::Hex => text.bytes().all(|b| b.is_ascii_hexdigit()),
                Self::Int => {
                    text.len() <= 18
                        && text.bytes().all(|b| b.is_ascii_digit())
                        && (text == "0" || !text.starts_with('0'))
                }
                Self::Caseless | Self::Name => all("._-") && !text.starts_with('.'),
                Self::Npm => match text.strip_prefix('@') {
                    None => Self::Name.accepts(text),
                    Some(scoped) => scoped
                        .split_once('/')
                        .is_some_and(|(scope, name)| Self::Name.accepts(scope) && Self::Name.accepts(name)),
                },
                Self::Pages => text.split('/').all(|part| Self::File.accepts(part)),
                Self::Rest | Self::Segment => plain(text),
                Self::Slug => text.split('/').all(|part| Self::Name.accepts(part)),
                Self::Version => all("._-+!~"),
            }
    }
}

fn plain(segment: &str) -> bool {
    !matches!(segment, "." | "..") && !segment.contains(|c: char| matches!(c, '/' | '\\') || c.is_control())
}

/// Characters that [`CaptureKind::Pages`] takes at most.
const MAX_PAGES: usize = 200;

/// Whether `middle` are segments that `kind` takes, one by one. Only the very last of a path may be empty: the path then ends in `/`.
fn takes_all(kind: CaptureKind, middle: &[&str], ends_path: bool) -> bool {
    let last = middle.len() - usize::from(ends_path && middle.len() > 1);
    let length: usize = middle.iter().map(|part| part.len() + 1).sum();
    let fits = |(at, part): (usize, &&str)| match kind {
        CaptureKind::Pages => CaptureKind::File.accepts(part) || (at >= last && part.is_empty()),
        _ => plain(part) && (at >= last || !part.is_empty()),
    };
    (kind != CaptureKind::Pages || length <= MAX_PAGES) && middle.iter().enumerate().all(fits)
}

impl PathPattern {
    /// The captures of `segments` (the canonical path after its first `/`, split at each `/`, decoded), or `None` if they do not fit.
    pub(crate) fn captures(&self, segments: &[&str]) -> Option<Captures<'_>> {
        let mut captures = Vec::new();
        let rest = self.segments.iter().position(Segment::is_rest);
        let (before, after) = match rest {
            None if segments.len() == self.segments.len() => (segments, &segments[..0]),
            None => return None,
            Some(at) => {
                let tail = self.segments.len() - at - 1;
                if segments.len() <= at + tail {
                    return None;
                }
                (&segments[..at], &segments[segments.len() - tail..])
            }
        };
        let patterns = &self.segments[..rest.unwrap_or(self.segments.len())];
        match_each(patterns, before, &mut captures)?;
        if let Some(at) = rest
            && let Some(Segment::Capture { name, kind, .. }) = self.segments.get(at)
        {
            let middle = &segments[at..segments.len() - after.len()];
            if !takes_all(*kind, middle, after.is_empty()) {
                return None;
            }
            captures.push((name, *kind, middle.join("/")));
            match_each(&self.segments[at + 1..], after, &mut captures)?;
        }
        Some(captures)
    }

    /// Whether every path that `other` takes is taken by this, as far as the two patterns tell.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let (own, theirs) = (&self.segments, &other.segments);
        match own.iter().position(Segment::is_rest) {
            None => own.len() == theirs.len() && own.iter().zip(theirs).all(|(a, b)| a.covers(b)),
            // What fits the other need not be as short.
            Some(at) if own[at].is_pages() => own == theirs,
            Some(at) => {
                let tail = own.len() - at - 1;
                theirs.len() > at + tail
                    && own[..at].iter().zip(theirs).all(|(a, b)| a.covers(b))
                    && own[at + 1..].iter().rev().zip(theirs.iter().rev()).all(|(a, b)| a.covers(b))
                    && theirs[at..theirs.len() - tail].iter().all(Segment::is_plain)
            }
        }
    }

    /// This, with `more` behind it.
    ///
    /// # Errors
    /// If the two cannot stand one behind the other.
    pub(crate) fn join(&self, more: &Self) -> Result<Self, ParsePathError> {
        format!("{}{}", self.text.trim_end_matches('/'), more.text).parse()
    }

    /// The pattern, as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the captures.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Capture { name, .. } => Some(&**name),
            Segment::Literal(_) => None,
        })
    }
}

fn match_each<'p>(patterns: &'p [Segment], segments: &[&str], captures: &mut Captures<'p>) -> Option<()> {
    for (pattern, text) in patterns.iter().zip(segments) {
        match pattern {
            Segment::Literal(literal) if &**literal == *text => {}
            Segment::Literal(_) => return None,
            Segment::Capture { prefix, name, kind, suffix, suffix_optional } => {
                let inner = text.strip_prefix(&**prefix)?;
                let inner = match inner.strip_suffix(&**suffix) {
                    Some(inner) => inner,
                    None if *suffix_optional => inner,
                    None => return None,
                };
                if !kind.accepts(inner) {
                    return None;
                }
                let text = match kind {
                    CaptureKind::Caseless | CaptureKind::Slug => inner.to_ascii_lowercase(),
                    _ => inner.to_owned(),
                };
                captures.push((name, *kind, text));
            }
        }
    }
    Some(())
}

impl Segment {
    /// Whether it takes more than one segment.
    const fn is_rest(&self) -> bool {
        matches!(self, Self::Capture { kind: CaptureKind::Rest | CaptureKind::Pages, .. })
    }

    const fn is_pages(&self) -> bool {
        matches!(self, Self::Capture { kind: CaptureKind::Pages, .. })
    }

    /// Whether every text that fits `other` fits this.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(own), Self::Literal(other)) => own == other,
            (Self::Literal(_), Self::Capture { .. }) => false,
            (Self::Capture { .. }, Self::Literal(text)) => {
                !self.is_rest()
                    && match_each(std::slice::from_ref(self), &[&**text], &mut Vec::new()).is_some()
            }
            (
                Self::Capture { prefix, kind, suffix, .. },
                Self::Capture { prefix: other_prefix, kind: other_kind, suffix: other_suffix, .. },
            ) => {
                let whole = prefix.is_empty() && suffix.is_empty();
                (whole && *kind == CaptureKind::Segment && other.is_plain() && !other.is_rest())
                    || (kind == other_kind && prefix == other_prefix && suffix == other_suffix)
            }
        }
    }

    /// Whether its text is certainly what a [`CaptureKind::Segment`] takes.
    fn is_plain(&self) -> bool {
        match self {
            Self::Literal(text) => plain(text) && !text.is_empty(),
            Self::Capture { kind, .. } => !matches!(kind, CaptureKind::Npm | CaptureKind::Slug),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let Some((prefix, rest)) = text.split_once('{') else {
            return match text {
                "." | ".." => Err("dot segments match nothing".into()),
                _ if text.contains(['}', '*', '?', '#', '%', '\\']) => {
                    Err(format!("`{text}` must be literal, decoded text, or a capture like `{{name}}`"))
                }
                _ => Ok(Self::Literal(text.into())),
            };
        };
        let (capture, suffix) = rest.split_once('}').ok_or_else(|| format!("`{text}` lacks its `}}`"))?;
        if suffix.contains(['{', '}']) || prefix.contains('}') {
            return Err(format!("`{text}` has more than one capture in a segment"));
        }
        let (suffix, suffix_optional) = match suffix.strip_suffix('?') {
            Some("") => {
                return Err(format!("`{text}`: a `?` makes the text before it optional; there is none"));
            }
            Some(suffix) => (suffix, true),
            None => (suffix, false),
        };
        let (name, kind) = match (capture.strip_suffix(".."), capture.split_once(':')) {
            (Some(name), _) => (name, CaptureKind::Rest),
            (None, None) => (capture, CaptureKind::Segment),
            (None, Some((name, kind))) => (name, Self::kind(kind)?),
        };
        let many = matches!(kind, CaptureKind::Rest | CaptureKind::Pages);
        if many && !(prefix.is_empty() && suffix.is_empty()) {
            return Err(format!("`{text}`: `{{name..}}` and `{{name:pages}}` stand alone between two `/`"));
        }
        if !is_capture_name(name) {
            return Err(format!("`{name}` is not a capture's name: lower-case letters, digits and `_`"));
        }
        Ok(Self::Capture {
            prefix: prefix.into(),
            name: name.into(),
            kind,
            suffix: suffix.into(),
            suffix_optional,
        })
    }

    fn kind(text: &str) -> Result<CaptureKind, String> {
        let known = CaptureKind::NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, kind)| *kind).ok_or_else(|| {
            let names: Vec<_> = CaptureKind::NAMES.iter().map(|(name, _)| *name).collect();
            format!("`{text}` is no kind of capture: use {}, or `{{name..}}` for the rest", names.join(", "))
        })
    }
}

pub(crate) fn is_capture_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

impl FromStr for PathPattern {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |problem: String| ParsePathError { text: text.to_owned(), problem };
        let path = text.strip_prefix('/').ok_or_else(|| error("it starts with `/`".into()))?;
        let segments = path.split('/').map(Segment::parse).collect::<Result<Vec<_>, _>>().map_err(&error)?;
        let last = segments.len() - 1;
        if segments.iter().take(last).any(|segment| *segment == Segment::Literal("".into())) {
            return Err(error("an empty segment matches nothing".into()));
        }
        if segments.iter().filter(|segment| segment.is_rest()).count() > 1 {
            return Err(error("only one `{name..}` can be told from its neighbours".into()));
        }
        let pattern = Self { text: text.into(), segments };
        let mut names: Vec<_> = pattern.names().collect();
        names.sort_unstable();
        if let Some([name, _]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(error(format!("`{name}` is captured twice")));
        }
        Ok(pattern)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for PathPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for PathPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for PathPattern {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PathPattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^/" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn captured(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
        let pattern: PathPattern = pattern.parse().unwrap();
        let segments: Vec<_> = path.strip_prefix('/').unwrap().split('/').collect();
        let captures = pattern.captures(&segments)?;
        Some(captures.into_iter().map(|(name, _, text)| (name.to_owned(), text)).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn captures_are_typed() {
        let git = "/{owner:name}/{repo:name}.git?/info/refs";
        assert_eq!(captured(git, "/acme/site/info/refs"), pairs(&[("owner", "acme"), ("repo", "site")]));
        assert_eq!(captured(git, "/acme/site.git/info/refs"), pairs(&[("owner", "acme"), ("repo", "site")]));
        for no in [
            "/acme/info/refs",
            "/acme//info/refs",
            "/acme/../info/refs",
            "/acme/si te/info/refs",
            "/a/b/info/refs/",
        ] {
            assert_eq!(captured(git, no), None, "{no}");
        }
        assert_eq!(captured("/issues/{number:int}", "/issues/007"), None);
        assert_eq!(captured("/issues/{number:int}", "/issues/7"), pairs(&[("number", "7")]));
    }

    #[test]
    fn the_rest_may_stand_anywhere_but_takes_whole_segments() {
        assert_eq!(
            captured("/p/{dirs..}/{file:file}", "/p/a/b/c.whl"),
            pairs(&[("dirs", "a/b"), ("file", "c.whl")])
        );
        assert_eq!(captured("/p/{rest..}", "/p/a/"), pairs(&[("rest", "a/")]));
        for no in ["/p", "/p/x", "/p/../x", "/p/a/../x", "/p//x"] {
            assert_eq!(captured("/p/{dirs..}/{file:file}", no), None, "{no}");
        }
    }

    #[test]
    fn pages_are_few_plain_words() {
        for page in ["3/library/json.html", "3/", "crate/1.0.0+build/", "net/http@go1.22"] {
            assert_eq!(captured("/{page:pages}", &format!("/{page}")), pairs(&[("page", page)]));
        }
        let long = format!("/{}", ["abcdefghi"; 21].join("/"));
        for no in
            ["/", "/a b", "/a=b", "/a//b", "/a/../b", "/.git/x", "/a%2", "/{}", &long, &long[..200].repeat(2)]
        {
            assert_eq!(captured("/{page:pages}", no), None, "{no}");
        }
        assert!(captured("/docs/{page:pages}", "/other/a").is_none());
    }

    #[test]
    fn a_pattern_covers_what_it_takes_whole() {
        let covers =
            |a: &str, b: &str| a.parse::<PathPattern>().unwrap().covers(&b.parse::<PathPattern>().unwrap());
        for (wide, narrow) in [
            ("/a/b", "/a/b"),
            ("/{x}", "/a"),
            ("/{x}", "/{y:int}"),
            ("/{x:int}", "/{y:int}"),
            ("/{x:name}", "/abc"),
            ("/{x..}", "/a/{y}/c"),
            ("/a/{x..}", "/a/{y..}"),
            ("/{x..}/refs", "/{a}/{b}/refs"),
        ] {
            assert!(covers(wide, narrow), "{wide} {narrow}");
        }
        for (narrow, wide) in [
            ("/a", "/{x}"),
            ("/{x:int}", "/{y}"),
            ("/{x:int}", "/a"),
            ("/{x}", "/a/b"),
            ("/{x}", "/{y:npm}"),
            ("/{x..}", "/{y:slug}"),
            ("/a/{x..}", "/a"),
            ("/a/{x..}", "/{y..}"),
            ("/{x}.git", "/{y}"),
            ("/{x..}/refs", "/refs"),
        ] {
            assert!(!covers(narrow, wide), "{narrow} {wide}");
        }
    }

    #[test]
    fn names_without_case_have_one_spelling() {
        assert_eq!(captured("/{a:caseless}", "/AcMe"), pairs(&[("a", "acme")]));
        let slug: PathPattern = "/{project:slug}".parse().unwrap();
        assert_eq!(slug.captures(&["Acme/Site"]).unwrap()[0].2, "acme/site");
        for no in ["acme//site", "acme/../site", "/acme", "acme/", ".a/b", "a b/c"] {
            assert!(slug.captures(&[no]).is_none(), "{no}");
        }
    }

    #[test]
    fn an_encoded_slash_is_no_separator() {
        let pattern: PathPattern = "/{owner}/{repo}".parse().unwrap();
        assert!(pattern.captures(&["acme", "site/../other"]).is_none());
        let npm: PathPattern = "/{package:npm}".parse().unwrap();
        assert!(npm.captures(&["@scope/name"]).is_some());
        assert!(npm.captures(&["@scope/../name"]).is_none());
    }

    #[test]
    fn what_cannot_be_a_pattern_is_refused() {
        for bad in [
            "a",
            "/a//b",
            "/..",
            "/{",
            "/{}",
            "/{a}{b}",
            "/{A}",
            "/{a:url}",
            "/{a..}/{b..}",
            "/{a}/{a}",
            "/x{a..}",
            "/x{a:pages}",
            "/{a:pages}/{b..}",
            "/*",
            "/{a}?",
        ] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_captured_climbs(segments in prop::collection::vec("[a./\\\\]{0,3}", 0..5)) {
            let segments: Vec<_> = segments.iter().map(String::as_str).collect();
            for pattern in ["/{a}", "/{a..}", "/{a..}/{b:name}", "/a/{b:file}", "/{a:npm}/{b..}"] {
                let pattern: PathPattern = pattern.parse().unwrap();
                for (_, _, text) in pattern.captures(&segments).unwrap_or_default() {
                    prop_assert!(text.split('/').all(|part| part != ".." && part != "."));
                }
            }
        }
    }
}
