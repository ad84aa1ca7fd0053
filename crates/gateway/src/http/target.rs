//! The one spelling of a path and a query (RFC 3986).
//!
//! A path is decoded once and written again; whatever some server might read differently (dot segments, empty segments, path
//! parameters, escaped escapes, backslashes, bytes that are not UTF-8) is refused rather than repaired, because a repair is a guess about
//! the upstream.

use super::malformed::Malformed;

/// Query parameters that some servers obey instead of the method.
const OVERRIDES: [&str; 4] = ["_method", "$httpMethod", "x-http-method", "x-http-method-override"];

/// A path and query, canonical.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// The path as it is decided and forwarded.
    pub(crate) path: String,
    /// Its segments after the first `/`, decoded.
    pub(crate) segments: Vec<String>,
    /// The query as it is forwarded, without `?`.
    pub(crate) query: Option<String>,
    /// The query's names and values, decoded.
    pub(crate) pairs: Vec<(String, String)>,
}

impl Target {
    /// Reads the path and query of a request.
    pub(crate) fn read(path: &str, query: Option<&str>) -> Result<Self, Malformed> {
        let (path, segments) = read_path(path)?;
        let query = query.filter(|query| !query.is_empty());
        let pairs = query.map_or_else(|| Ok(Vec::new()), read_query)?;
        Ok(Self { path, segments, query: query.map(str::to_owned), pairs })
    }

    /// Path and query in one.
    pub(crate) fn text(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

fn read_path(path: &str) -> Result<(String, Vec<String>), Malformed> {
    let rest = path.strip_prefix('/').ok_or_else(|| Malformed::new("the request target is no path"))?;
    let last = rest.split('/').count() - 1;
    let mut canonical = String::with_capacity(path.len());
    let mut segments = Vec::new();
    for (at, raw) in rest.split('/').enumerate() {
        if raw.is_empty() && at != last {
            return Err(Malformed::new("the path has an empty segment (`//`)"));
        }
        let segment = read_segment(raw)?;
        canonical.push('/');
        encode(&segment, &mut canonical);
        segments.push(segment);
    }
    Ok((canonical, segments))
}

fn read_segment(raw: &str) -> Result<String, Malformed> {
    if let Some(odd) = raw.bytes().find(|byte| !is_path_byte(*byte)) {
        return Err(match odd {
            b';' => Malformed::new("the path has a parameter (`;`), which servers read differently")
                .with_fix("write a `;` that is data as `%3B`"),
            b'\\' => Malformed::new("the path has a backslash"),
            _ => Malformed::new("the path has a character that must be percent-encoded"),
        });
    }
    let segment =
        decode(raw, false).ok_or_else(|| Malformed::new("an escape in the path is no UTF-8 text"))?;
    if segment.chars().any(char::is_control) {
        return Err(Malformed::new("the path has a control character"));
    }
    if segment.contains('\\') {
        return Err(Malformed::new("the path has a backslash"));
    }
    let dots = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
    if segment.split('/').any(dots) {
        return Err(Malformed::new("the path has a dot segment").with_fix("send the path it leads to"));
    }
    if has_escape(&segment) {
        return Err(Malformed::new("the path is percent-encoded twice"));
    }
    Ok(segment)
}

fn read_query(query: &str) -> Result<Vec<(String, String)>, Malformed> {
    if query.contains(';') {
        return Err(Malformed::new("the query has a `;`, which some servers read as `&`")
            .with_fix("write a `;` that is data as `%3B`"));
    }
    if !query.bytes().all(|byte| is_path_byte(byte) || matches!(byte, b'/' | b'?' | b'[' | b']' | b'|')) {
        return Err(Malformed::new("the query has a character that must be percent-encoded"));
    }
    let text = |part: &str| {
        decode(part, true)
            .filter(|text| !text.contains('\0'))
            .ok_or_else(|| Malformed::new("an escape in the query is no text"))
    };
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((text(name)?, text(value)?))
    };
    let pairs: Vec<_> =
        query.split('&').filter(|part| !part.is_empty()).map(pair).collect::<Result<_, _>>()?;
    match pairs
        .iter()
        .find(|(name, _): &&(String, String)| OVERRIDES.iter().any(|own| own.eq_ignore_ascii_case(name)))
    {
        Some((name, _)) => {
            Err(Malformed::new(format!("the parameter `{name}` would make another request of this one"))
                .with_fix("send the request that is meant"))
        }
        None => Ok(pairs),
    }
}

/// What may stand in a path as it is (RFC 3986 §3.3), but for `;`, and `%` of an escape.
fn is_path_byte(byte: u8) -> bool {
    is_plain(byte) || byte == b'%'
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

/// Undoes percent-encoding; `None` if an escape is incomplete or the result is no UTF-8.
fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                high << 4 | low
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Whether `text`, decoded already, could be decoded again.
fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|part| part[0] == b'%' && part[1..].iter().all(u8::is_ascii_hexdigit))
}

fn encode(segment: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in segment.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (path, canonical) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("/%41%2d", "/A-"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/@scope%2fname", "/@scope%2Fname"),
            ("/a%20b", "/a%20b"),
            ("/100%25", "/100%25"),
            ("/a%3Bb", "/a%3Bb"),
            ("/.hidden/..twice", "/.hidden/..twice"),
        ] {
            assert_eq!(Target::read(path, None).unwrap().path, canonical);
            assert_eq!(Target::read(canonical, None).unwrap().path, canonical);
        }
        assert_eq!(Target::read("/@scope%2fname/", None).unwrap().segments, ["@scope/name", ""]);
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for path in [
            "",
            "a",
            "*",
            "//",
            "/a//b",
            "//a",
            "/a/./b",
            "/a/../b",
            "/..",
            "/%2e%2e/b",
            "/.%2E/b",
            "/%2e",
            "/a%2f..%2fb",
            "/..;/b",
            "/..%3B/b",
            "/a;b",
            "/a\\b",
            "/a%5cb",
            "/..%5cb",
            "/%c0%ae%c0%ae/b",
            "/%c0%af",
            "/%e0%80%af",
            "/%ff",
            "/%00",
            "/a%0a",
            "/a%0d%0ab",
            "/%7f",
            "/%",
            "/%4",
            "/%zz",
            "/%252e%252e/b",
            "/%2541",
            "/a b",
            "/a#b",
            "/\u{e9}",
            "/a\"b",
            "/a<b",
            "/a[b]",
            "/a^b",
        ] {
            assert!(Target::read(path, None).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_query_is_read_in_order_and_forwarded_as_it_came() {
        let target = Target::read("/", Some("a=1&b=x%20y+z&a=2&flag&&c=%3B")).unwrap();
        let pairs: Vec<_> = target.pairs.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        assert_eq!(pairs, ["a:1", "b:x y z", "a:2", "flag:", "c:;"]);
        assert_eq!(target.text(), "/?a=1&b=x%20y+z&a=2&flag&&c=%3B");
        assert_eq!(Target::read("/", Some("")).unwrap().text(), "/");
    }

    #[test]
    fn a_query_that_servers_read_differently_is_refused() {
        for query in ["a=1;b=2", "a=%00", "a=%ff", "a=%4", "a b", "a=\u{e9}", "a=<", "a=\"", "a#b", "a\\b"] {
            assert!(Target::read("/", Some(query)).is_err(), "{query:?}");
        }
    }
}
