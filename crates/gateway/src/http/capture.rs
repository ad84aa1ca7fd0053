//! What answers hand out that is a credential itself: kept by the broker, with a dummy going inside in its place; and requests that
//! present such a dummy. Which value stands for which dummy is never known here.

use bailiwick_broker::{CaptureError, Presented, Site};
use bailiwick_catalogue::{Resource, Scheme};
use bailiwick_core::{ActionId, Digest, Operation, Reason, ReasonCode};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header, response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{canonical::Canonical, exchange::Wire};

/// The longest answer that is read for what it hands out, in bytes.
const LONGEST: usize = 1 << 20;
/// Fields that tell about the bytes of an answer as they came: they would not fit those that go on, and are a way to try guesses.
const OF_THE_BYTES: [HeaderName; 7] = [
    header::ACCEPT_RANGES,
    header::CONTENT_LENGTH,
    header::ETAG,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// Where a request to `resource` goes.
pub(super) fn site<'a>(canonical: &'a Canonical, resource: &'a Resource) -> Site<'a> {
    Site { resource: &resource.name, host: &canonical.host, secure: canonical.scheme == Scheme::Https }
}

/// What the record calls what the answer to `action` hands out.
pub(super) fn source(operation: &Operation, action: ActionId) -> String {
    format!("{operation} of {action}")
}

/// Takes out of a request the dummies of what was captured at its resource: it is opened with what they stand for.
pub(super) fn withdraw(
    wire: &Wire,
    canonical: &Canonical,
    resource: &Resource,
) -> Result<(Canonical, Presented), Reason> {
    let captures = wire.plane.captures();
    if !captures.has(&resource.name) {
        return Ok((canonical.clone(), Presented::default()));
    }
    let (host, port, path) = (canonical.host.as_str(), canonical.port, canonical.target.path.as_str());
    let own = resource.credential_at(host, port, path).map(|credential| credential.pattern);
    let mut head = canonical.head().map_err(|malformed| malformed.reason())?;
    let presented =
        captures.withdraw(&mut head, site(canonical, resource), own.as_ref()).map_err(|error| {
            brought(error.to_string())
                .with_fix("send it as `Authorization: Bearer …`, a cookie to the host that set it")
        })?;
    if presented.is_empty() {
        return Ok((canonical.clone(), presented));
    }
    if !resource.captured_at(host, port, path) {
        let detail = format!(
            "no credential of `{}` goes to this part of it, and none that it handed out",
            resource.name
        );
        return Err(brought(detail).with_fix("send it without"));
    }
    let canonical = canonical.clone().with_head(head).map_err(|malformed| malformed.reason())?;
    Ok((canonical, presented))
}

fn brought(detail: String) -> Reason {
    Reason::new(ReasonCode::CredentialBrought, detail)
}

/// The digest that a person's yes is bound to, with what the request is opened with.
pub(super) fn bind(head: Option<Digest>, presented: &Presented) -> Option<Digest> {
    if presented.is_empty() {
        return head;
    }
    let head = head.map_or_else(String::new, |head| head.to_string());
    Some(Digest::of([&[head.as_str()], &*presented.dummies()].concat().join("\n").as_bytes()))
}

/// Reads an answer whole.
pub(super) async fn read_whole(
    mut body: Incoming,
    stop: &CancellationToken,
) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let mut read = Zeroizing::new(Vec::new());
    loop {
        let frame = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(Reason::new(ReasonCode::Locked, "the action was stopped")),
            frame = body.frame() => frame,
        };
        match frame {
            None => return Ok(read),
            Some(Err(_)) => return Err(refused("the upstream broke off its answer".to_owned())),
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
                if read.len() + data.len() > LONGEST {
                    let detail = format!(
                        "the answer hands out a credential and is longer than {LONGEST} bytes, so it is not looked through"
                    );
                    return Err(refused(detail));
                }
                read.extend_from_slice(&data);
            }
        }
    }
}

/// Takes out of a head what its body, which is another now, would belie.
pub(super) fn of_new_bytes(parts: &mut response::Parts) {
    let headers: &mut HeaderMap = &mut parts.headers;
    for name in OF_THE_BYTES {
        headers.remove(name);
    }
}

fn refused(detail: String) -> Reason {
    Reason::new(ReasonCode::UpstreamRefused, detail)
}

/// Why an answer does not go on, and what would change that.
pub(super) fn uncaptured(error: &CaptureError, resource: &Resource) -> Reason {
    let fix = match error {
        CaptureError::TooMany => "go on in another session".to_owned(),
        _ => format!(
            "what was handed out stays outside; say in `mints` of the route in resources/{}.toml where it stands in the answer",
            resource.name
        ),
    };
    refused(error.to_string()).with_fix(fix)
}
