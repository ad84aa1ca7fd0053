//! Header fields: which are between two neighbours only, and which would say the request over again in other words.

use http::{HeaderMap, HeaderName, Method, Version, header, request};

use super::malformed::Malformed;

/// Fields that belong to one connection (RFC 9110 §7.6.1), whether `connection` lists them or not. Not `proxy-authorization`: it is a
/// credential that the agent brings, and is dealt with as one.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// Fields by which a proxy tells who asked. Nobody but us is in a place to say.
const FORWARDING: [&str; 8] = [
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];
/// Fields that some servers obey instead of the request line. What is decided must be what is done.
const OVERRIDES: [&str; 6] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-override-url",
    "x-rewrite-url",
];
/// Fields that may not be listed in `connection`: taking them out there would change what was decided.
const UNLISTABLE: [HeaderName; 5] =
    [header::AUTHORIZATION, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::COOKIE, header::HOST];

/// The fields that go on, without `host`.
pub(crate) fn end_to_end(fields: &HeaderMap) -> Result<HeaderMap, Malformed> {
    if let Some(name) = OVERRIDES.iter().find(|name| fields.contains_key(**name)) {
        return Err(Malformed::new(format!("the field `{name}` would make another request of this one"))
            .with_fix("send the request that is meant"));
    }
    let mut kept = fields.clone();
    for name in listed(fields)? {
        if UNLISTABLE.contains(&name) {
            return Err(Malformed::new(format!("`connection` lists `{name}`")));
        }
        kept.remove(name);
    }
    for name in HOP_BY_HOP.iter().chain(&FORWARDING) {
        kept.remove(*name);
    }
    for name in [header::HOST, header::EXPECT, header::CONTENT_LENGTH] {
        kept.remove(name);
    }
    if wants_trailers(fields) {
        kept.insert(header::TE, http::HeaderValue::from_static("trailers"));
    }
    Ok(kept)
}

/// Without anything that frames, routes, authenticates or describes a message: what trailers may not say (RFC 9110 §6.5.1).
pub(crate) fn harmless(mut fields: HeaderMap) -> HeaderMap {
    let names: Vec<HeaderName> = fields.keys().filter(|name| !is_harmless(name.as_str())).cloned().collect();
    for name in names {
        fields.remove(name);
    }
    fields
}

fn is_harmless(name: &str) -> bool {
    let starts = [
        "content-",
        "if-",
        "accept",
        "authorization",
        "cookie",
        "proxy-",
        "range",
        "cache-control",
        "expect",
        "max-forwards",
    ];
    let ends = ["-token", "-key", "-secret", "-authorization"];
    !starts.iter().any(|start| name.starts_with(start)) && !ends.iter().any(|end| name.ends_with(end))
}

/// Takes out of an answer what belongs to the upstream's connection, and what would lead a client around the gateway.
pub(crate) fn clean_answer(fields: &mut HeaderMap) {
    for name in listed(fields).unwrap_or_default() {
        fields.remove(name);
    }
    for name in HOP_BY_HOP.iter().chain(&["alt-svc", "alternate-protocol", "proxy-authentication-info"]) {
        fields.remove(*name);
    }
}

/// The names that `connection` lists.
fn listed(fields: &HeaderMap) -> Result<Vec<HeaderName>, Malformed> {
    let mut names = Vec::new();
    for value in fields.get_all(header::CONNECTION) {
        let value = value.to_str().map_err(|_| Malformed::new("`connection` is not ASCII"))?;
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            names.push(
                name.parse().map_err(|_| Malformed::new("`connection` lists something that is no field"))?,
            );
        }
    }
    Ok(names)
}

fn wants_trailers(fields: &HeaderMap) -> bool {
    let trailers = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"trailers");
    fields.get_all(header::TE).iter().any(trailers)
}

/// Whether the request asks to become a WebSocket (RFC 6455 §4.1). Any other upgrade is not asked for upstream: the answer is then an
/// ordinary one, as RFC 9110 §7.8 allows.
pub(crate) fn asks_for_websocket(parts: &request::Parts) -> Result<bool, Malformed> {
    let asks = parts.headers.get_all(header::UPGRADE).iter().any(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    });
    if !asks {
        return Ok(false);
    }
    let once = |name: HeaderName| parts.headers.get_all(name).iter().count() == 1;
    let whole = parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && once(header::UPGRADE)
        && once(header::SEC_WEBSOCKET_KEY)
        && parts.headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    if whole {
        Ok(true)
    } else {
        Err(Malformed::new("the request to become a WebSocket is not one of RFC 6455"))
    }
}

/// The content type's essence, lower-case.
pub(crate) fn content_type(fields: &HeaderMap) -> Result<Option<String>, Malformed> {
    let mut values = fields.get_all(header::CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Malformed::new("the request has more than one `content-type`")),
        (Some(value), None) => {
            let value = value.to_str().map_err(|_| Malformed::new("the `content-type` is not ASCII"))?;
            let essence = value.split(';').next().unwrap_or_default().trim();
            Ok(Some(essence.to_ascii_lowercase()))
        }
    }
}

/// Whether an answer is a stream of server-sent events.
pub(crate) fn is_event_stream(fields: &HeaderMap) -> bool {
    let essence = |value: &http::HeaderValue| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    };
    fields.get_all(header::CONTENT_TYPE).iter().any(essence)
}

/// Whether the body is JSON in UTF-8, by the one `content-type` and its parameters (RFC 8259 §8.1, §11).
pub(crate) fn is_plain_json(fields: &HeaderMap) -> bool {
    let mut values = fields.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(value)), None) = (values.next().map(http::HeaderValue::to_str), values.next()) else {
        return false;
    };
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    json && parts
        .all(|part| part.strip_prefix("charset=").is_none_or(|charset| charset.trim_matches('"') == "utf-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn what_belongs_to_one_connection_stays_on_it() {
        let kept = end_to_end(&fields(&[
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("x-forwarded-for", "127.0.0.1"),
            ("host", "a.example"),
            ("accept", "*/*"),
        ]))
        .unwrap();
        let mut names: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "te"]);
    }

    #[test]
    fn a_second_request_in_the_fields_is_refused() {
        for (name, value) in [
            ("x-http-method-override", "DELETE"),
            ("x-original-url", "/admin"),
            ("connection", "authorization"),
            ("connection", "content-length"),
            ("connection", "a b"),
        ] {
            assert!(end_to_end(&fields(&[(name, value)])).is_err(), "{name}: {value}");
        }
    }
}
