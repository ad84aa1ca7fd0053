//! An upstream's answer as the agent may see it: without the credential that opened it, and without what it hands out.

use bailiwick_broker::{Captured, Sought, check_answer, stand_in};
use bailiwick_catalogue::{Resource, RouteMatch};
use bailiwick_core::{Reason, ReasonCode};
use http::{Method, Response, StatusCode, header, response};
use hyper::body::Incoming;

use super::{
    answer::AnswerBody,
    canonical::Canonical,
    capture,
    exchange::Wire,
    fields,
    forward::{Answered, Failed},
    git::heads::Listener,
};
use crate::{tracked::Tracked, upstream::Lent};

/// What has to be known of a request to show its answer.
#[derive(Clone, Copy)]
pub(super) struct Rendering<'a> {
    pub(super) wire: &'a Wire,
    pub(super) canonical: &'a Canonical,
    pub(super) meaning: &'a RouteMatch,
    pub(super) resource: &'a Resource,
    pub(super) sought: &'a Sought,
    /// Whether the answer was asked for in plain bytes, because there is something to be found in it.
    pub(super) searched: bool,
}

impl Rendering<'_> {
    /// The answer as the agent may see it.
    pub(super) async fn render(
        self,
        answered: Answered,
        mut tracked: Tracked,
    ) -> Result<Response<AnswerBody>, Failed> {
        let (response, lent) = answered;
        let (mut parts, body) = response.into_parts();
        if let Err(reason) =
            self.acceptable(&parts).and_then(|()| self.take_cookies(&mut parts, &mut tracked))
        {
            return Err((Box::new(tracked), reason));
        }
        let body = if self.meaning.minting.has_fields() && self.canonical.method != Method::HEAD {
            match self.whole(&mut parts, body, lent, &mut tracked).await {
                Ok(body) => body,
                Err(reason) => return Err((Box::new(tracked), reason)),
            }
        } else {
            tracked.note_scrubbed(self.sought.scrub_headers(&mut parts.headers));
            let listener = Listener::to(&self.wire.plane, self.canonical, self.meaning, &parts);
            AnswerBody::upstream(body, self.sought.clone(), lent, tracked).heard_by(listener)
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = parts.status;
        *answer.headers_mut() = parts.headers;
        Ok(answer)
    }

    fn acceptable(&self, answer: &response::Parts) -> Result<(), Reason> {
        let refuse = |detail: String| Err(Reason::new(ReasonCode::UpstreamRefused, detail));
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            return refuse("the upstream switched protocols although nobody asked".to_owned());
        }
        if self.meaning.minting.is_captured() && fields::is_event_stream(&answer.headers) {
            return refuse(
                "the answer hands out a credential and is a stream, which cannot wait to be looked through"
                    .to_owned(),
            );
        }
        // Something may have been captured while it was on its way.
        if !self.searched && !self.wire.plane.captures().has(&self.resource.name) {
            return Ok(());
        }
        if answer.status == StatusCode::PARTIAL_CONTENT {
            return refuse("the upstream answered in parts although the whole was asked for".to_owned());
        }
        check_answer(answer).or_else(|error| refuse(error.to_string()))
    }

    /// A cookie is a credential that the upstream makes: it is captured, or does not pass.
    fn take_cookies(&self, parts: &mut response::Parts, tracked: &mut Tracked) -> Result<(), Reason> {
        fields::clean_answer(&mut parts.headers);
        if self.meaning.minting.cookies {
            let (site, source) = (capture::site(self.canonical, self.resource), self.source(tracked));
            let taken = self.wire.plane.captures().take_cookies(&mut parts.headers, site, &source);
            let captured = taken.map_err(|error| capture::uncaptured(&error, self.resource))?;
            tracked.note_captured(captured.dummies.len(), 0);
            self.stand_in(captured);
        } else if !self.resource.agent_credentials {
            parts.headers.remove(header::SET_COOKIE);
        }
        Ok(())
    }

    /// The body, read to its end, with dummies where its route says that it hands out credentials.
    async fn whole(
        &self,
        parts: &mut response::Parts,
        body: Incoming,
        lent: Option<Lent>,
        tracked: &mut Tracked,
    ) -> Result<AnswerBody, Reason> {
        let stop = tracked.stop();
        let read = capture::read_whole(body, &stop).await?;
        tracked.note_received(read.len() as u64);
        let (site, source) = (capture::site(self.canonical, self.resource), self.source(tracked));
        let (minting, success) = (&self.meaning.minting, parts.status.is_success());
        if minting.login && success {
            return self.logged_in(parts, &read, lent, tracked).await;
        }
        let taken = self.wire.plane.captures().take_fields(&read, minting, success, site, &source);
        let (mut next, captured, scrubbed) =
            taken.map_err(|error| capture::uncaptured(&error, self.resource))?;
        tracked.note_captured(0, captured.dummies.len());
        self.stand_in(captured);
        capture::of_new_bytes(parts);
        let hits = self.sought.scrub_headers(&mut parts.headers) + self.sought.scrub_bytes(&mut next);
        tracked.note_scrubbed(scrubbed + hits);
        if let Some(lent) = lent {
            lent.give_back();
        }
        tracked.complete();
        Ok(AnswerBody::own(std::mem::take(&mut *next)))
    }

    /// The answer to a login: its tokens are kept as the resource's, and what stands for them goes inside.
    async fn logged_in(
        &self,
        parts: &mut response::Parts,
        read: &[u8],
        lent: Option<Lent>,
        tracked: &mut Tracked,
    ) -> Result<AnswerBody, Reason> {
        let uncaptured = |error| capture::uncaptured(&error, self.resource);
        let (mut next, captured) = stand_in(read, &self.meaning.minting).map_err(uncaptured)?;
        self.wire.plane.gate().log_in(self.resource, read).await?;
        tracked.note_captured(0, captured.dummies.len());
        self.stand_in(captured);
        capture::of_new_bytes(parts);
        tracked.note_scrubbed(
            self.sought.scrub_headers(&mut parts.headers) + self.sought.scrub_bytes(&mut next),
        );
        if let Some(lent) = lent {
            lent.give_back();
        }
        tracked.complete();
        Ok(AnswerBody::own(std::mem::take(&mut *next)))
    }

    /// From now on these dummies belong to this resource, and nowhere else.
    fn stand_in(&self, captured: Captured) {
        self.wire.plane.dummies().stand_in(&self.resource.name, captured.dummies);
    }

    fn source(&self, tracked: &Tracked) -> String {
        tracked.action().map_or_else(String::new, |action| capture::source(&self.meaning.operation, action))
    }
}
