//! A permitted request on its way: credential, connection, injection, answer. Nothing here decides any more; everything here can fail,
//! and then says so.

use std::sync::Arc;

use bailiwick_authority::{Admission, Denied};
use bailiwick_broker::{Opened, Presented, Sought, ask_for_plain};
use bailiwick_catalogue::{Resource, RouteMatch, Stream};
use bailiwick_core::{Reason, ReasonCode};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header, request, uri};
use hyper::{body::Incoming, client::conn::TrySendError, upgrade::OnUpgrade};

use super::{
    answer::AnswerBody,
    body::{OutBody, Prepared},
    canonical::Canonical,
    exchange::Wire,
    render::Rendering,
    websocket,
};
use crate::{
    tracked::Tracked,
    upstream::{Connection, Key, Lent, Sender},
};

/// A permitted request.
pub(super) struct Forwarding<'a> {
    pub(super) wire: &'a Wire,
    pub(super) canonical: Canonical,
    pub(super) meaning: RouteMatch,
    pub(super) resource: Arc<Resource>,
    /// What opens it in place of the resource's own credential.
    pub(super) presented: Presented,
    pub(super) prepared: Prepared,
    pub(super) upgrade: Option<OnUpgrade>,
}

/// An upstream's answer, and the connection it came on where that can be used again.
pub(super) type Answered = (Response<Incoming>, Option<Lent>);

/// Forwards a request and returns the answer.
pub(super) async fn forward(
    forwarding: Forwarding<'_>,
    admission: Admission,
) -> Result<Response<AnswerBody>, Denied> {
    let action = admission.action().id;
    let mut tracked = Tracked::new(admission);
    let plane = &forwarding.wire.plane;
    let failed = |(tracked, reason): Failed| {
        let decision = bailiwick_core::Decision::Refuse(reason.clone().into());
        tracked.fail(reason).unwrap_or(Denied { action, decision, approval: None })
    };
    let Canonical { host, port, target, .. } = &forwarding.canonical;
    let credential = match forwarding.resource.credential_at(host, *port, &target.path) {
        Some(spec) if forwarding.presented.is_empty() => {
            if let Err(reason) = plane.gate().freshen(&forwarding.resource, plane.issuers()).await {
                return Err(failed((Box::new(tracked), reason)));
            }
            tracked.open_credential()?.map(|opened| opened.placed(spec.pattern))
        }
        Some(_) | None => None,
    };
    match carry_out(forwarding, credential, tracked).await {
        Ok(response) => Ok(response),
        Err((tracked, reason)) => Err(failed((tracked, reason))),
    }
}

/// What could not be carried out, and why.
pub(super) type Failed = (Box<Tracked>, Reason);

async fn carry_out(
    forwarding: Forwarding<'_>,
    credential: Option<Opened>,
    mut tracked: Tracked,
) -> Result<Response<AnswerBody>, Failed> {
    let Forwarding { wire, canonical, meaning, resource, presented, prepared, upgrade } = forwarding;
    let websocket = canonical.websocket && meaning.stream == Some(Stream::Websocket);
    let captures = wire.plane.captures();
    let opened = credential.is_some() || !presented.is_empty();
    let searched = opened || meaning.minting.is_captured() || captures.has(&resource.name);
    let sought = Sought::new(credential.as_ref(), Arc::clone(captures));
    let head = match injected(&canonical, credential.as_ref(), &presented, searched, websocket) {
        Ok(head) => head,
        Err(reason) => return Err((Box::new(tracked), reason)),
    };
    let body = OutBody::new(prepared, tracked.sent_counter(), tracked.stop());
    let key = Key {
        resource: resource.name.clone(),
        scheme: canonical.scheme,
        host: canonical.host.clone(),
        port: canonical.port,
        credential: credential.as_ref().map(Opened::fingerprint).or_else(|| presented.fingerprint()),
    };
    let stop = tracked.stop();
    let sending =
        send(wire, &canonical, &resource, key, Request::from_parts(head, body), websocket, &mut tracked);
    let answered = tokio::select! {
        biased;
        () = stop.cancelled() => Err(Reason::new(ReasonCode::Locked, "the action was stopped")),
        answered = sending => answered,
    };
    let answered = match answered {
        Ok(answered) => answered,
        Err(reason) => return Err((Box::new(tracked), reason)),
    };
    let status = answered.0.status();
    tracked.note_answer(status.as_u16());
    if let (StatusCode::UNAUTHORIZED, Some(opened)) = (status, &credential) {
        wire.plane.gate().distrust(&resource, opened);
    }
    if websocket && status == StatusCode::SWITCHING_PROTOCOLS {
        let sought = searched.then_some(sought);
        return websocket::switch(wire, answered.0, sought.as_ref(), upgrade, tracked);
    }
    let (canonical, meaning, resource, sought) = (&canonical, &meaning, &*resource, &sought);
    Rendering { wire, canonical, meaning, resource, sought, searched }.render(answered, tracked).await
}

/// The head that goes upstream, with the credential in its place; where the answer is `searched`, it is asked for in plain bytes.
fn injected(
    canonical: &Canonical,
    credential: Option<&Opened>,
    presented: &Presented,
    searched: bool,
    websocket: bool,
) -> Result<request::Parts, Reason> {
    let mut head = canonical.head().map_err(|malformed| malformed.reason())?;
    if websocket {
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    let injected = match credential {
        Some(opened) => opened.inject(&mut head),
        None => presented.inject(&mut head),
    };
    injected.map_err(|error| Reason::new(ReasonCode::CredentialMissing, error.to_string()))?;
    if searched {
        ask_for_plain(&mut head);
    }
    Ok(head)
}

/// Sends the request, once. A connection that turns out to be closed before anything of it left is replaced.
async fn send(
    wire: &Wire,
    canonical: &Canonical,
    resource: &Resource,
    key: Key,
    mut request: Request<OutBody>,
    websocket: bool,
    tracked: &mut Tracked,
) -> Result<Answered, Reason> {
    let pool = wire.plane.pool();
    let unreachable = |detail: String| {
        Reason::new(ReasonCode::UpstreamUnreachable, format!("`{}` cannot be used: {detail}", resource.name))
    };
    let host: bailiwick_catalogue::Host =
        canonical.host.parse().map_err(|_| unreachable("its host cannot be read".to_owned()))?;
    loop {
        let connection = if websocket {
            pool.fresh(&key, resource, host.clone(), true)
                .await
                .map(|sender| Connection { sender, used: false })
        } else {
            pool.connection(&key, resource, host.clone()).await
        };
        let Connection { sender, used } = connection.map_err(|error| unreachable(error.to_string()))?;
        tracked.note_sent();
        let sent = match sender {
            Sender::Http1(mut sender) => {
                address_http1(&mut request, canonical).map_err(unreachable)?;
                sender.try_send_request(request).await.map(|response| {
                    let lent = (!websocket).then(|| Lent::new(Arc::clone(pool), key.clone(), sender));
                    (response, lent)
                })
            }
            Sender::Http2(mut sender) => {
                address_http2(&mut request, canonical).map_err(unreachable)?;
                sender.try_send_request(request).await.map(|response| (response, None))
            }
        };
        match sent {
            Ok(answered) => return Ok(answered),
            Err(error) => {
                request = again(error, used).map_err(|error| unreachable(describe(&error).to_owned()))?;
            }
        }
    }
}

/// The request, if nothing of it left on a connection that had been used before.
fn again(mut error: TrySendError<Request<OutBody>>, used: bool) -> Result<Request<OutBody>, hyper::Error> {
    match error.take_message() {
        Some(request) if used => Ok(request),
        Some(_) | None => Err(error.into_error()),
    }
}

/// In our own words: an error can quote what the upstream sent.
fn describe(error: &hyper::Error) -> &'static str {
    if error.is_parse() {
        "its answer is not HTTP"
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "it closed the connection before it answered"
    } else if error.is_user() || error.is_body_write_aborted() {
        "the request's body broke off"
    } else {
        "the connection broke"
    }
}

fn address_http1(request: &mut Request<OutBody>, canonical: &Canonical) -> Result<(), String> {
    let mut parts = uri::Parts::default();
    parts.path_and_query = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| error.to_string())?;
    let host = HeaderValue::try_from(canonical.authority()).map_err(|error| error.to_string())?;
    request.headers_mut().insert(header::HOST, host);
    *request.version_mut() = http::Version::HTTP_11;
    Ok(())
}

fn address_http2(request: &mut Request<OutBody>, canonical: &Canonical) -> Result<(), String> {
    let mut parts = uri::Parts::default();
    parts.scheme =
        Some(canonical.scheme.as_str().parse().map_err(|_| "its scheme cannot be written".to_owned())?);
    parts.authority =
        Some(canonical.authority().parse().map_err(|_| "its host cannot be written".to_owned())?);
    parts.path_and_query = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| error.to_string())?;
    request.headers_mut().remove(header::HOST);
    *request.version_mut() = http::Version::HTTP_2;
    Ok(())
}
