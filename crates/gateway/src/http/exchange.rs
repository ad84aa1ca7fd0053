//! One request, from its head to its answer.
//!
//! The order is fixed: understand, find the resource, take out what the agent brought, find the meaning, read what must be read, ask the
//! gate, forward. Whatever fails on the way is on record before it is told.

use std::sync::Arc;

use bailiwick_authority::{Attempt, Bound, Denied, Found, captured_use};
use bailiwick_broker::{Brought, Treatment};
use bailiwick_catalogue::{Resource, RouteMatch, Scheme, Stream};
use bailiwick_core::{
    Arguments, EffectClass, Effects, Operation, ProcessFacts, Reason, ReasonCode, ResourceRef,
};
use http::{Method, Request, Response, request};
use hyper::{body::Incoming, upgrade::OnUpgrade};

use super::{
    answer::AnswerBody,
    body::Prepared,
    bound::bind,
    canonical::Canonical,
    capture::{self, withdraw},
    forward::{Forwarding, forward},
    hook,
    malformed::Malformed,
    prepare::prepare,
    respond,
    screen::{MARK, Signals},
};
use crate::{plane::Plane, sources::Meant};

/// A connection on which requests come in.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) plane: Arc<Plane>,
    pub(crate) process: ProcessFacts,
    pub(crate) meant: Meant,
    pub(crate) scheme: Scheme,
    pub(crate) signals: Arc<Signals>,
}

/// Answers one request.
pub(crate) async fn exchange(wire: &Wire, request: Request<Incoming>) -> Response<AnswerBody> {
    let (mut parts, body) = request.into_parts();
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let canonical = match understand(wire, &parts) {
        Ok(canonical) => canonical,
        Err(malformed) => {
            let attempt = wire.unread(&parts);
            let denied = wire.refuse(attempt, malformed.reason()).await;
            return respond::denied_and_closed(&denied);
        }
    };
    let websocket = canonical.websocket;
    match answer(wire, canonical, body, upgrade).await {
        Ok(response) => response,
        Err(denied) if websocket => respond::denied_websocket(&denied),
        Err(denied) => respond::denied(&denied),
    }
}

fn understand(wire: &Wire, parts: &request::Parts) -> Result<Canonical, Malformed> {
    if parts.method.as_str() == MARK {
        let unknown = || Malformed::new("the method is not known");
        return Err(wire.signals.fault().cloned().unwrap_or_else(unknown));
    }
    Canonical::read(parts, wire.scheme, &wire.meant)
}

async fn answer(
    wire: &Wire,
    canonical: Canonical,
    body: Incoming,
    upgrade: Option<OnUpgrade>,
) -> Result<Response<AnswerBody>, Denied> {
    if hook::is_here(&canonical) {
        return Ok(hook::answer(wire, &canonical, body).await);
    }
    let Some(Found { resource, reference }) = wire.find(&canonical) else {
        return match wire.plane.hush(&canonical.host) {
            Some(folded) => Err(wire.turn_away(&canonical, folded).await),
            None => Ok(respond::hushed()),
        };
    };
    let given = canonical.head().map_err(|malformed| malformed.reason());
    let given = given.and_then(|head| wire.plane.dummies().check_head(&head, reference.listed()));
    let authenticated = given
        .and_then(|()| withdraw(wire, &canonical, &resource))
        .and_then(|(canonical, presented)| Ok((own_authentication(&canonical, &resource)?, presented)));
    let (canonical, presented) = match authenticated {
        Ok(authenticated) => authenticated,
        Err(reason) => {
            let reason = wire.of_observed(reason);
            return Err(wire.refuse(wire.plain(&canonical, reference), reason).await);
        }
    };
    let meaning = canonical.view(|view| resource.route(view)).map_err(|refusal| refusal.reason());
    let mut meaning = match meaning.and_then(|meaning| supported(&meaning, &resource).map(|()| meaning)) {
        Ok(meaning) => meaning,
        Err(reason) => return Err(wire.refuse(wire.plain(&canonical, reference), reason).await),
    };
    let prepared = prepare(wire, &canonical, &resource, &mut meaning, body).await;
    let attempt = wire.attempt(reference, &meaning);
    let checked = prepared.and_then(|(prepared, digest)| {
        wire.plane.dummies().check_body(&prepared.read, &resource.name).map(|()| (prepared, digest))
    });
    let (prepared, digest) = match checked {
        Ok(prepared) => prepared,
        Err(reason) => return Err(wire.refuse(attempt, reason).await),
    };
    let attempt = Attempt { body: digest, captured: captured_use(&presented), ..attempt };
    let mut weighed = wire.plane.gate().weigh(wire.plane.session(), attempt);
    let mut prepared = prepared;
    if weighed.is_held() {
        let bound = match wire.plane.gate().is_given(&weighed, &meaning.vary) {
            true => Ok((prepared, Bound { unread: true, ..Bound::default() })),
            false => bind(&canonical, &meaning, prepared).await.map_err(|malformed| malformed.reason()),
        };
        let checked = bound.and_then(|(prepared, bound)| {
            wire.plane.dummies().check_body(&prepared.read, &resource.name).map(|()| (prepared, bound))
        });
        (prepared, weighed) = match checked {
            Ok((prepared, bound)) => {
                let head = capture::bind(bound.head, &presented);
                (prepared, weighed.bind(Bound { head, vary: meaning.vary.clone(), ..bound }))
            }
            Err(reason) => (Prepared::empty(), weighed.refuse(reason)),
        };
    }
    let admission = wire.plane.gate().pass(weighed).await?;
    let forwarding = Forwarding { wire, canonical, meaning, resource, presented, prepared, upgrade };
    forward(forwarding, admission).await
}

/// The gateway owns authentication: what the agent brought is taken out where a real credential follows, and refused elsewhere.
pub(super) fn own_authentication(canonical: &Canonical, resource: &Resource) -> Result<Canonical, Reason> {
    let (host, port) = (canonical.host.as_str(), canonical.port);
    let path = canonical.target.path.as_str();
    let own = resource.credential_at(host, port, path).map(|credential| credential.pattern);
    let own = own.as_ref();
    let mut head = canonical.head().map_err(|malformed| malformed.reason())?;
    let brought = Brought::find(&head, own);
    match brought.treatment(own.is_some(), resource.agent_credentials_at(host, port, path)) {
        Treatment::Pass => Ok(canonical.clone()),
        Treatment::Refuse => {
            let detail = format!("the request brings a credential of its own, in {brought}");
            let fix = format!(
                "send it without; if the agent should use its own here, write `credentials = \"agent\"` in resources/{}.toml",
                resource.name
            );
            Err(Reason::new(ReasonCode::CredentialBrought, detail).with_fix(fix))
        }
        Treatment::Remove => {
            let failed = |detail: String| Reason::new(ReasonCode::CredentialBrought, detail);
            Brought::remove(&mut head, own).map_err(|error| failed(error.to_string()))?;
            canonical.clone().with_head(head).map_err(|malformed| malformed.reason())
        }
    }
}

/// What this adapter cannot carry out as described, it refuses.
pub(super) fn supported(meaning: &RouteMatch, resource: &Resource) -> Result<(), Reason> {
    let refuse = |what: &str| {
        let fix = format!("change the route in resources/{}.toml", resource.name);
        Err(Reason::new(ReasonCode::NotPermitted, what).with_fix(fix))
    };
    match meaning.stream {
        Some(Stream::Opaque) => refuse("a stream without a grammar cannot be opened by a request"),
        Some(Stream::Sse | Stream::Websocket) | None => Ok(()),
    }
}

impl Wire {
    /// What the session finds where the request is addressed to. The hosts that its program tells about itself stay refused.
    fn find(&self, canonical: &Canonical) -> Option<Found> {
        let (plane, host) = (&self.plane, canonical.host.as_str());
        let found =
            plane.gate().find(plane.session(), canonical.scheme, host, canonical.port, &canonical.address());
        found.filter(|found| found.reference.listed().is_some() || !plane.is_quiet(host))
    }

    /// Where nothing is opened for the session, no file of resources can change that.
    fn of_observed(&self, reason: Reason) -> Reason {
        if reason.code == ReasonCode::CredentialBrought && self.plane.session().is_observed() {
            reason.with_fix("send it without: an observed session uses no credential")
        } else {
            reason
        }
    }

    pub(crate) async fn refuse(&self, attempt: Attempt, why: Reason) -> Denied {
        self.plane.gate().refuse(self.plane.session(), attempt, why).await
    }

    /// Asks the gate about something that the catalogue does not know: it says why not, and what would change that.
    async fn turn_away(&self, canonical: &Canonical, folded: u64) -> Denied {
        let mut attempt = self.plain(canonical, ResourceRef::Unlisted { address: canonical.address() });
        let given = canonical.head().map_err(|malformed| malformed.reason());
        if let Err(reason) = given.and_then(|head| self.plane.dummies().check_head(&head, None)) {
            return self.refuse(attempt, reason).await;
        }
        if folded > 0 {
            let folded = i64::try_from(folded).unwrap_or(i64::MAX);
            attempt.arguments.insert("folded".to_owned(), folded.into());
        }
        if self.plane.session().is_observed() {
            let detail = format!(
                "`{}` is not open to an observed session: it is no name of the Internet, or its program tells about itself there",
                canonical.address()
            );
            return self.refuse(attempt, Reason::new(ReasonCode::Unlisted, detail)).await;
        }
        match self.plane.gate().admit(self.plane.session(), attempt).await {
            Err(denied) => denied,
            Ok(mut admission) => {
                let address = canonical.address();
                let reason =
                    Reason::new(ReasonCode::Unlisted, format!("no resource is declared at {address}"));
                admission.late(reason)
            }
        }
    }

    /// What a request means by its method alone.
    fn plain(&self, canonical: &Canonical, resource: ResourceRef) -> Attempt {
        let (operation, effects) = by_method(&canonical.method);
        let mut arguments = Arguments::new();
        arguments.insert("method".to_owned(), canonical.method.as_str().into());
        arguments.insert("host".to_owned(), canonical.host.as_str().into());
        arguments.insert("path".to_owned(), canonical.target.path.as_str().into());
        Attempt {
            process: Some(self.process.clone()),
            resource,
            operation,
            effects,
            target: canonical.target.path.clone(),
            arguments,
            body: None,
            captured: None,
        }
    }

    fn attempt(&self, resource: ResourceRef, meaning: &RouteMatch) -> Attempt {
        Attempt {
            process: Some(self.process.clone()),
            resource,
            operation: meaning.operation.clone(),
            effects: meaning.effects,
            target: meaning.target.clone(),
            arguments: meaning.arguments.clone(),
            body: None,
            captured: None,
        }
    }

    /// What is known of a request that was not understood: where its connection was meant to go.
    fn unread(&self, parts: &request::Parts) -> Attempt {
        const SHOWN: usize = 256;
        let (host, port) = (self.meant.host(), self.meant.port());
        let resource =
            self.plane.gate().catalogue().lookup(self.scheme, &host, port).map(|known| known.name.clone());
        let address = format!("{}://{host}:{port}", self.scheme.as_str());
        let (operation, effects) = by_method(&parts.method);
        Attempt {
            process: Some(self.process.clone()),
            resource: resource.map_or(ResourceRef::Unlisted { address }, |name| ResourceRef::Listed { name }),
            operation,
            effects,
            target: parts.uri.path().chars().take(SHOWN).collect::<String>().escape_debug().to_string(),
            arguments: Arguments::new(),
            body: None,
            captured: None,
        }
    }
}

/// The operation and effects of a method (RFC 9110 §9.3).
fn by_method(method: &Method) -> (Operation, Effects) {
    let (name, effect) = match *method {
        Method::GET => ("http.get", EffectClass::Read),
        Method::HEAD => ("http.head", EffectClass::Read),
        Method::OPTIONS => ("http.options", EffectClass::Read),
        Method::POST => ("http.post", EffectClass::Write),
        Method::PUT => ("http.put", EffectClass::Write),
        Method::PATCH => ("http.patch", EffectClass::Write),
        Method::DELETE => ("http.delete", EffectClass::Destructive),
        _ => ("http.unknown", EffectClass::Write),
    };
    (named(name), effect.into())
}

#[expect(clippy::expect_used, reason = "called only with the constants above, each parsed by a test")]
fn named(operation: &str) -> Operation {
    operation.parse().expect("a constant operation name parses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_an_operation() {
        for method in
            ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "MALFORMED"]
        {
            let (operation, effects) = by_method(&method.parse().unwrap());
            assert_eq!(operation.protocol(), "http");
            assert_eq!(effects.is_read(), ["GET", "HEAD", "OPTIONS"].contains(&method));
        }
    }
}
