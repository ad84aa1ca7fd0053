//! The routes of the HTTP API. Each is one call of the authority, rendered.

use std::{convert::Infallible, io, os::fd::OwnedFd, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, Path, Query, State, connect_info::Connected},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
    serve::IncomingStream,
};
use bailiwick_authority::Authority;
use bailiwick_core::{Approval, Lock, Name, Problem};
use bailiwick_guard::{GuardError, Guards};
use bailiwick_store::LogFilter;
use bailiwick_wire::{
    AnswerRequest, ApprovalView, Attempted, Done, ExtendRequest, ForgetRequest, HandOff, Health, Loaded,
    LockReport, LockRequest, QuarantineContent, Quarantined, SecretValue, SecretView, SessionView,
    WorkspaceView,
};
use bailiwick_wire::{Explanation, LogRow};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use serde::Deserialize;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::{failure::Failure, peer::Peer, workspace};

/// What the routes need.
#[derive(Clone)]
struct Shared {
    authority: Arc<Authority>,
    build: String,
    guards: Arc<Guards>,
    shutdown: CancellationToken,
}

type Answer<T> = Result<Json<T>, Failure>;

/// Serves the HTTP API on `socket` until `shutdown`; a client may ask for that.
///
/// # Errors
/// If the socket cannot be served.
pub async fn serve_http(
    socket: OwnedFd,
    build: String,
    authority: Arc<Authority>,
    guards: Arc<Guards>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    let listener = OurClients(UnixListener::from_std(listener)?);
    let routes = routes(Shared { authority, build, guards, shutdown: shutdown.clone() });
    let routes = routes.into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/shutdown", post(stop_daemon))
        .route("/v1/reload", post(reload))
        .route("/v1/checkpoint", post(checkpoint))
        .route("/v1/sessions", get(sessions))
        .route("/v1/sessions/{reference}", get(session))
        .route("/v1/sessions/{reference}/attempts", get(attempts))
        .route("/v1/sessions/{reference}/resume", post(resume))
        .route("/v1/sessions/{reference}/extend", post(extend))
        .route("/v1/sessions/{reference}/hand-off", post(hand_off))
        .route("/v1/quarantine", get(quarantine))
        .route("/v1/quarantine/{id}", get(quarantined).delete(discard))
        .route("/v1/quarantine/{id}/restore", post(restore))
        .route("/v1/workspaces", get(workspaces))
        .route("/v1/workspaces/forget", post(forget))
        .route("/v1/approvals", get(approvals))
        .route("/v1/approvals/{reference}", get(approval).post(answer))
        .route("/v1/locks", get(locks).post(lock))
        .route("/v1/locks/{reference}", delete(unlock))
        .route("/v1/log", get(log))
        .route("/v1/actions/{reference}", get(explain))
        .route("/v1/secrets", get(secrets))
        .route("/v1/secrets/{name}", put(put_secret).delete(delete_secret))
        .fallback(async || Failure(Problem::new(404, "not_found", "there is no such route")))
        .with_state(shared)
}

/// A listener that drops connections of other users before a byte is read.
struct OurClients(UnixListener);

impl axum::serve::Listener for OurClients {
    type Io = UnixStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (UnixStream, Peer) {
        loop {
            match self.0.accept().await {
                Ok((stream, _)) => {
                    if let Ok(Some(peer)) = Peer::of(&stream) {
                        return (stream, peer);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::Ourselves)
    }
}

impl Connected<IncomingStream<'_, OurClients>> for Peer {
    fn connect_info(stream: IncomingStream<'_, OurClients>) -> Self {
        stream.remote_addr().clone()
    }
}

async fn health(State(shared): State<Shared>) -> Json<Health> {
    Json(shared.authority.health(&shared.build))
}

async fn stop_daemon(State(shared): State<Shared>) -> Json<Done> {
    shared.shutdown.cancel();
    Json(Done { ok: true })
}

async fn reload(State(shared): State<Shared>) -> Json<Loaded> {
    Json(shared.authority.reload().await)
}

async fn checkpoint(State(shared): State<Shared>) -> Answer<Done> {
    shared.authority.publish().await?;
    Ok(Json(Done { ok: true }))
}

async fn sessions(State(shared): State<Shared>) -> Json<Vec<SessionView>> {
    Json(shared.authority.sessions())
}

async fn session(State(shared): State<Shared>, Path(reference): Path<String>) -> Answer<SessionView> {
    Ok(Json(shared.authority.session(&reference)?))
}

async fn resume(State(shared): State<Shared>, Path(reference): Path<String>) -> Answer<SessionView> {
    Ok(Json(shared.authority.resume_paused(&reference).await?))
}

async fn extend(
    State(shared): State<Shared>,
    Path(reference): Path<String>,
    Json(request): Json<ExtendRequest>,
) -> Answer<SessionView> {
    let more = request.more_ms.map(std::time::Duration::from_millis);
    Ok(Json(shared.authority.extend(&reference, more).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalQuery {
    #[serde(default)]
    all: bool,
}

async fn approvals(
    State(shared): State<Shared>,
    Query(query): Query<ApprovalQuery>,
) -> Json<Vec<ApprovalView>> {
    Json(shared.authority.approvals(query.all))
}

async fn approval(State(shared): State<Shared>, Path(reference): Path<String>) -> Answer<ApprovalView> {
    Ok(Json(shared.authority.approval(&reference)?))
}

async fn answer(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(reference): Path<String>,
    Json(request): Json<AnswerRequest>,
) -> Answer<Approval> {
    Ok(Json(shared.authority.answer(&reference, request, peer.other()).await?))
}

/// What a session left in its workspace. Asked by its launcher, once the agent has ended.
async fn hand_off(State(shared): State<Shared>, Path(session): Path<String>) -> Answer<HandOff> {
    let left = guarding(&shared, move |guards| Ok(guards.hand_off(&session))).await?;
    Ok(Json(left.as_ref().map(workspace::hand_off).unwrap_or_default()))
}

async fn workspaces(State(shared): State<Shared>) -> Json<Vec<WorkspaceView>> {
    Json(shared.authority.workspaces())
}

async fn forget(
    State(shared): State<Shared>,
    Json(request): Json<ForgetRequest>,
) -> Answer<Vec<WorkspaceView>> {
    Ok(Json(shared.authority.forget_workspace(&request.workspace).await?))
}

async fn quarantine(State(shared): State<Shared>) -> Answer<Vec<Quarantined>> {
    let items = guarding(&shared, |guards| Ok(guards.items())).await?;
    Ok(Json(items.iter().map(workspace::quarantined).collect()))
}

async fn quarantined(State(shared): State<Shared>, Path(id): Path<String>) -> Answer<QuarantineContent> {
    let (item, content) = guarding(&shared, move |guards| guards.item(&id)).await?;
    let content = String::from_utf8_lossy(&content).into_owned();
    Ok(Json(QuarantineContent { item: workspace::quarantined(&item), content }))
}

async fn restore(State(shared): State<Shared>, Path(id): Path<String>) -> Answer<Quarantined> {
    let item = guarding(&shared, move |guards| guards.restore(&id)).await?;
    Ok(Json(workspace::quarantined(&item)))
}

async fn discard(State(shared): State<Shared>, Path(id): Path<String>) -> Answer<Quarantined> {
    let item = guarding(&shared, move |guards| guards.discard(&id)).await?;
    Ok(Json(workspace::quarantined(&item)))
}

/// Asks the guards, who look at files.
async fn guarding<T: Send + 'static>(
    shared: &Shared,
    ask: impl FnOnce(&Guards) -> Result<T, GuardError> + Send + 'static,
) -> Result<T, Failure> {
    let guards = Arc::clone(&shared.guards);
    match tokio::task::spawn_blocking(move || ask(&guards)).await {
        Ok(answer) => answer.map_err(|error| workspace::problem(&error).into()),
        Err(error) => Err(Problem::new(500, "daemon", error.to_string()).into()),
    }
}

async fn locks(State(shared): State<Shared>) -> Json<Vec<Lock>> {
    Json(shared.authority.locks())
}

async fn lock(State(shared): State<Shared>, Json(request): Json<LockRequest>) -> Answer<LockReport> {
    Ok(Json(shared.authority.lock(request.target, request.reason).await?))
}

async fn unlock(State(shared): State<Shared>, Path(reference): Path<String>) -> Answer<Lock> {
    Ok(Json(shared.authority.unlock(&reference).await?))
}

async fn secrets(State(shared): State<Shared>) -> Answer<Vec<SecretView>> {
    Ok(Json(shared.authority.secrets().await?))
}

async fn put_secret(
    State(shared): State<Shared>,
    Path(name): Path<Name>,
    Json(secret): Json<SecretValue>,
) -> Answer<Done> {
    shared.authority.put_secret(&name, secret.value).await?;
    Ok(Json(Done { ok: true }))
}

async fn delete_secret(State(shared): State<Shared>, Path(name): Path<Name>) -> Answer<Done> {
    shared.authority.delete_secret(&name).await?;
    Ok(Json(Done { ok: true }))
}

async fn explain(State(shared): State<Shared>, Path(reference): Path<String>) -> Answer<Explanation> {
    Ok(Json(shared.authority.explain(&reference).await?))
}

/// Attempts in one answer, at most.
const MOST_ATTEMPTS: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttemptsQuery {
    #[serde(default)]
    from: u64,
}

async fn attempts(
    State(shared): State<Shared>,
    Path(reference): Path<String>,
    Query(query): Query<AttemptsQuery>,
) -> Answer<Vec<Attempted>> {
    Ok(Json(shared.authority.attempts(&reference, query.from, MOST_ATTEMPTS).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogQuery {
    session: Option<String>,
    decision: Option<String>,
    #[serde(default)]
    follow: bool,
    limit: Option<usize>,
}

/// The log as NDJSON: what is there, then, with `follow`, what comes.
async fn log(State(shared): State<Shared>, Query(query): Query<LogQuery>) -> Result<Response, Failure> {
    let filter = LogFilter {
        session: query
            .session
            .as_deref()
            .map(|reference| shared.authority.session_id(reference))
            .transpose()?,
        decision: query.decision,
    };
    let reading = Reading {
        filter,
        after: None,
        limit: query.limit.unwrap_or(1000),
        follow: query.follow,
        over: false,
        shared,
    };
    let body = Body::from_stream(stream::unfold(reading, |mut reading| async move {
        let chunk = reading.next().await?;
        Some((Ok::<_, Infallible>(chunk), reading))
    }));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

struct Reading {
    shared: Shared,
    filter: LogFilter,
    after: Option<u64>,
    limit: usize,
    follow: bool,
    over: bool,
}

impl Reading {
    /// The next rows, as lines; waits for some where the log is followed.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            // Asked for before reading, so that nothing can come unseen in between.
            let more = self.shared.authority.log_grows();
            let rows = self.shared.authority.log(&self.filter, self.after, self.limit).await.ok()?;
            self.over = !self.follow;
            if let Some((index, _)) = rows.last() {
                self.after = Some(*index);
                return Some(lines(rows.into_iter().map(|(_, row)| row)));
            }
            if self.follow {
                tokio::select! {
                    () = self.shared.shutdown.cancelled() => return None,
                    () = more => {}
                }
            }
        }
        None
    }
}

fn lines(rows: impl Iterator<Item = LogRow>) -> Bytes {
    let mut text = Vec::new();
    for row in rows {
        if serde_json::to_writer(&mut text, &row).is_ok() {
            text.push(b'\n');
        }
    }
    text.into()
}
