//! What a person's yes is bound to: the whole body, and the head without what changes from one attempt to the next.

use bailiwick_authority::Bound;
use bailiwick_catalogue::{GitService, RouteMatch};
use bailiwick_core::Digest;
use http::{HeaderMap, header};

use super::{
    body::{Prepared, read_until},
    canonical::Canonical,
    git,
    malformed::Malformed,
};

/// The largest body that a person can be asked about, in bytes: it is kept here meanwhile, and sent as it was shown.
const MAX_BODY: usize = 1 << 20;
/// The most of a body that is kept for showing.
const SHOWN: usize = 4096;

/// Fields that differ between two attempts of the same thing: who sends, how it is traced, what is accepted in return.
const VOLATILE: [&str; 16] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "baggage",
    "date",
    "idempotency-key",
    "priority",
    "sec-websocket-key",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-amzn-trace-id",
    "x-b3-traceid",
    "x-client-request-id",
    "x-correlation-id",
    "x-request-id",
];

/// Reads what is left of `prepared`, and what binds an answer to it. A push is bound by the objects that its commands name.
///
/// # Errors
/// If the body is too long to ask a person about, or broke off.
pub(super) async fn bind(
    canonical: &Canonical,
    meaning: &RouteMatch,
    prepared: Prepared,
) -> Result<(Prepared, Bound), Malformed> {
    let head = Some(head(&canonical.fields));
    if meaning.git == Some(GitService::ReceivePack)
        && let Some(commands) = git::read(&prepared.read)?
    {
        let (body, excerpt) = (Some(commands.digest()), Some(commands.to_string()));
        return Ok((prepared, Bound { body, head, excerpt, ..Bound::default() }));
    }
    let whole = whole(prepared).await?;
    let (body, excerpt) = if whole.read.is_empty() {
        (None, None)
    } else {
        (Some(Digest::of(&whole.read)), Some(excerpt(&whole.read)))
    };
    Ok((whole, Bound { body, head, excerpt, ..Bound::default() }))
}

async fn whole(prepared: Prepared) -> Result<Prepared, Malformed> {
    let Prepared { read, spool, rest, room } = prepared;
    if spool.is_some() {
        return Err(Malformed::new(
            "what was kept aside of the body is bound by its commands, and there are none",
        ));
    }
    let Some(rest) = rest else { return Ok(Prepared { room, ..Prepared::whole(read) }) };
    let left = read_until(rest, MAX_BODY.saturating_sub(read.len()), |_| Ok(false)).await.map_err(|error| {
        error.with_fix("a person can be asked about a mebibyte at most: send less at once, or have a policy permit it")
    })?;
    let read = if read.is_empty() { left.read } else { [read, left.read].concat().into() };
    Ok(Prepared { room, ..Prepared::whole(read) })
}

/// The digest of the fields in a fixed order, each with its length in front: no two heads look alike.
fn head(fields: &HeaderMap) -> Digest {
    let mut kept: Vec<_> = fields
        .iter()
        .filter(|(name, _)| !VOLATILE.contains(&name.as_str()) && *name != header::COOKIE)
        .collect();
    // Stable: the order among fields of one name stays.
    kept.sort_by_key(|(name, _)| name.as_str());
    let mut bytes = Vec::new();
    for part in kept.into_iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]) {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    Digest::of(&bytes)
}

fn excerpt(body: &[u8]) -> String {
    let beginning = &body[..body.len().min(SHOWN)];
    let more = if body.len() > SHOWN { format!("… ({} bytes in all)", body.len()) } else { String::new() };
    match std::str::from_utf8(beginning) {
        Ok(text) => format!("{text}{more}"),
        // Cut within a character, which is shown as what is missing.
        Err(error) if error.error_len().is_none() => format!("{}{more}", String::from_utf8_lossy(beginning)),
        Err(_) => format!("{} bytes that are not text", body.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in pairs {
            fields.append(*name, value.parse().unwrap());
        }
        fields
    }

    #[test]
    fn a_head_is_what_it_says_and_not_how_it_is_traced() {
        let one =
            fields(&[("content-type", "a/b"), ("if-match", "x"), ("user-agent", "u"), ("x-request-id", "1")]);
        let same = fields(&[("x-request-id", "2"), ("if-match", "x"), ("content-type", "a/b")]);
        assert_eq!(head(&one), head(&same));
        for other in [
            fields(&[("content-type", "a/b")]),
            fields(&[("content-type", "a/b"), ("if-match", "y")]),
            fields(&[("content-type", "a/b"), ("if-match", "x"), ("if-match", "x")]),
            fields(&[("content-typ", "ea/b"), ("if-match", "x")]),
        ] {
            assert_ne!(head(&one), head(&other), "{other:?}");
        }
    }

    #[test]
    fn a_body_is_shown_as_far_as_it_is_text() {
        assert_eq!(excerpt(b"{\"a\":1}"), "{\"a\":1}");
        assert_eq!(excerpt(&[0xff, 0xfe, 0]), "3 bytes that are not text");
        let long = excerpt(&[b'x'; 5000]);
        assert!(long.ends_with("… (5000 bytes in all)") && long.len() < 4200);
    }
}
