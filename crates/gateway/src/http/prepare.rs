//! What of a body the decision must know: git's commands, a GraphQL document, a JSON body that rules look at. What was read for the decision
//! is kept, and exactly that is forwarded.

use bailiwick_catalogue::{BodyRule, GitService, Resource, RouteMatch};
use bailiwick_core::{Digest, Reason};
use http::{Method, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::{
    body::{Prepared, read_until},
    canonical::Canonical,
    exchange::Wire,
    fields,
    git::{self, contents},
    graphql, json,
    malformed::Malformed,
};

/// Reads of `body` what the decision must know, and adds it to `meaning`.
pub(super) async fn prepare(
    wire: &Wire,
    canonical: &Canonical,
    resource: &Resource,
    meaning: &mut RouteMatch,
    body: Incoming,
) -> Result<(Prepared, Option<Digest>), Reason> {
    let malformed = |malformed: Malformed| malformed.reason();
    if meaning.git == Some(GitService::ReceivePack) && canonical.method == Method::POST {
        return push(wire, canonical, meaning, body).await.map_err(malformed);
    }
    contents::of_file(&mut meaning.arguments, meaning.effects);
    match meaning.body {
        BodyRule::Empty if body.is_end_stream() => {
            if let Some(rules) = meaning.graphql.clone() {
                graphql::read_query(&canonical.target.pairs, &rules, meaning)?;
            }
            Ok((Prepared::empty(), None))
        }
        BodyRule::Empty => Err(malformed(Malformed::new("the request has a body, where none belongs"))),
        BodyRule::Json { max } => {
            check_readable(canonical, meaning).map_err(malformed)?;
            let max = usize::try_from(max).unwrap_or(usize::MAX);
            let room = wire.plane.room_for(&body, max).await;
            let prepared = read_until(body, max, |_| Ok(false)).await.map_err(malformed)?;
            understand(&prepared.read, canonical, resource, meaning)?;
            let digest = Digest::of(&prepared.read);
            Ok((Prepared { room, ..prepared }, Some(digest)))
        }
        BodyRule::Stream => Ok((Prepared::streaming(body), None)),
    }
}

async fn push(
    wire: &Wire,
    canonical: &Canonical,
    meaning: &mut RouteMatch,
    body: Incoming,
) -> Result<(Prepared, Option<Digest>), Malformed> {
    if canonical.fields.contains_key(header::CONTENT_ENCODING) {
        return Err(Malformed::new("the push is compressed, and its commands cannot be read"));
    }
    let mut commands = None;
    let prepared = read_until(body, git::LIMIT * 2, |read| {
        commands = git::read(read)?;
        Ok(commands.is_some())
    })
    .await?;
    let commands = commands.ok_or_else(|| Malformed::new("the push ends within its commands"))?;
    commands.describe(&mut meaning.arguments);
    meaning.effects = commands.effects(meaning.effects);
    let prepared = contents::look(wire, canonical, &commands, prepared, &mut meaning.arguments).await?;
    Ok((prepared, None))
}

/// What is read here must be what the server reads: not compressed, and JSON in UTF-8 where rules look at it.
pub(super) fn check_readable(canonical: &Canonical, meaning: &RouteMatch) -> Result<(), Malformed> {
    if canonical.fields.contains_key(header::CONTENT_ENCODING) {
        return Err(Malformed::new("the body is compressed, and has to be looked at")
            .with_fix("send it as it is, without `content-encoding`"));
    }
    let looked_at = meaning.inspect.is_some() || meaning.graphql.is_some();
    if looked_at && !fields::is_plain_json(&canonical.fields) {
        return Err(Malformed::new(
            "the body has to be looked at, and its `content-type` is not JSON in UTF-8",
        )
        .with_fix("send `content-type: application/json`"));
    }
    Ok(())
}

/// What a body that was read whole says, written into `meaning`.
pub(super) fn understand(
    body: &[u8],
    canonical: &Canonical,
    resource: &Resource,
    meaning: &mut RouteMatch,
) -> Result<(), Reason> {
    let inspection = meaning.inspect.clone();
    let found = json::read(body, inspection.as_deref(), resource.name.as_str())?;
    for (name, value) in found.arguments {
        // What the address says is not said over again by a body.
        meaning.arguments.entry(name).or_insert(value);
    }
    if let Some(effects) = found.effects {
        meaning.effects = meaning.effects.union(effects);
    }
    match meaning.graphql.clone() {
        Some(rules) => graphql::read_body(body, &canonical.target.pairs, &rules, meaning),
        None => Ok(()),
    }
}
