//! `launch.sock`: one connection is one session, from the launcher's hello to the end of file that ends it.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use bailiwick_authority::{
    Announced, Authority, DataPlane, Dummy, Ended, Listeners, LiveSession, OpenRequest, SessionPlane,
    Surroundings, Verdict,
};
use bailiwick_core::{Problem, SessionEnd};
use bailiwick_guard::Guards;
use bailiwick_launch::{
    Answer, ChannelError, Connect, Connection, Ends, Exited, FromDaemon, FromLauncher, Hello, Hold, Open,
    Opened, PROTOCOL, Stop, Transport,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{io::unix::AsyncFd, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{peer::Peer, workspace};

/// Wishes to connect that one session may have open at once.
const MAX_WISHES: usize = 256;
/// How long a launcher may take to say hello and ask, and to end a stopped sandbox.
const PATIENCE: Duration = Duration::from_secs(10);

type Wire = Connection<FromLauncher, FromDaemon>;

/// Accepts launchers on `socket` until `shutdown`.
///
/// # Errors
/// If the socket cannot be watched.
pub async fn serve_launch(
    socket: OwnedFd,
    build: String,
    authority: Arc<Authority>,
    plane: Arc<dyn DataPlane>,
    guards: Arc<Guards>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&socket, true)?;
    #[expect(
        deprecated,
        reason = "unsound only for types whose descriptor may change; an `OwnedFd` is one descriptor"
    )]
    let socket = AsyncFd::new(socket)?;
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            accepted = accept(&socket) => accepted,
        };
        match accepted {
            Ok(connection) => {
                let server = Server {
                    build: build.clone(),
                    authority: Arc::clone(&authority),
                    plane: Arc::clone(&plane),
                    guards: Arc::clone(&guards),
                    shutdown: shutdown.clone(),
                };
                tokio::spawn(async move {
                    if let Err(error) = server.serve(connection).await {
                        tracing::debug!(%error, "a launcher's connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a launcher");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn accept(socket: &AsyncFd<OwnedFd>) -> io::Result<OwnedFd> {
    loop {
        let mut ready = socket.readable().await?;
        let flags = rustix::net::SocketFlags::CLOEXEC;
        if let Ok(accepted) = ready.try_io(|socket| Ok(rustix::net::accept_with(socket, flags)?)) {
            return accepted;
        }
    }
}

struct Server {
    build: String,
    authority: Arc<Authority>,
    plane: Arc<dyn DataPlane>,
    guards: Arc<Guards>,
    shutdown: CancellationToken,
}

/// What a connection needs while its session goes on.
struct Sitting {
    wire: Arc<Wire>,
    session: Arc<LiveSession>,
    plane: Arc<dyn SessionPlane>,
    wishes: Arc<Semaphore>,
}

impl Server {
    async fn serve(&self, connection: OwnedFd) -> Result<(), ChannelError> {
        let ours = Peer::of(&connection)?.is_some();
        let wire = Arc::new(Wire::new(connection)?);
        if !ours {
            let problem = Problem::new(403, "not_yours", "this daemon serves another user");
            return wire.send(&FromDaemon::Failed(problem)).await;
        }
        let Ok(asked) = tokio::time::timeout(PATIENCE, self.asked(&wire)).await else {
            return Err(ChannelError::Closed);
        };
        let opened = match asked {
            Ok((open, listeners)) => self.open(&wire, open, listeners).await,
            Err(refusal) => Err(refusal),
        };
        let sitting = match opened {
            Ok(sitting) => sitting,
            Err(Refusal::Channel(error)) => return Err(error),
            Err(Refusal::Problem(problem)) => return wire.send(&FromDaemon::Failed(*problem)).await,
        };
        if let Some((ended, exited)) = self.sit(&sitting).await {
            let dead = exited.code.is_some() || exited.signal.is_some();
            // Where the agent may have a moment yet, its authority ends first.
            if !dead {
                self.authority.close(&sitting.session, ended.clone(), exited.code, exited.signal).await;
            }
            workspace::leave(&self.guards, &self.authority, sitting.session.id(), dead).await;
            if dead {
                self.authority.close(&sitting.session, ended, exited.code, exited.signal).await;
            }
            // Whoever is still there waits for the end to be on record.
            let _ = sitting.wire.send(&FromDaemon::Noted).await;
        }
        Ok(())
    }

    /// What the launcher asks for.
    async fn asked(&self, wire: &Arc<Wire>) -> Result<(Box<Open>, Listeners), Refusal> {
        let FromLauncher::Hello(_) = wire.receive().await?.frame else {
            return Err(Problem::new(400, "malformed", "the launcher did not say hello").into());
        };
        // The launcher compares: it knows what to do about another build.
        wire.send(&FromDaemon::Hello(Hello { build: self.build.clone(), protocol: PROTOCOL })).await?;
        let packet = wire.receive().await?;
        let FromLauncher::Open(open) = packet.frame else {
            return Err(Problem::new(400, "malformed", "the launcher did not ask for a session").into());
        };
        Ok((open, listeners(packet.descriptors)?))
    }

    async fn open(
        &self,
        wire: &Arc<Wire>,
        open: Box<Open>,
        listeners: Listeners,
    ) -> Result<Sitting, Refusal> {
        let (session, kept) = self.session(&open).await?;
        if let Err(problem) = workspace::enter(&self.guards, &self.authority, &session, &open).await {
            let ended = Ended { end: SessionEnd::Lost, reason: problem.detail.clone() };
            self.authority.close(&session, ended, None, None).await;
            return Err(problem.into());
        }
        let plane =
            self.plane.attach(&session, listeners, surroundings(&open), kept.as_deref()).map_err(|error| {
                Problem::new(400, "listeners", format!("the sandbox's listeners cannot be served: {error}"))
            });
        let plane = match plane {
            Ok(plane) => plane,
            Err(problem) => {
                let ended = Ended { end: SessionEnd::Lost, reason: problem.detail.clone() };
                self.authority.close(&session, ended, None, None).await;
                workspace::leave(&self.guards, &self.authority, session.id(), true).await;
                return Err(problem.into());
            }
        };
        let keepsake = self.authority.seal_keepsake(&session, &plane.keepsake())?;
        let opened = Opened {
            session: session.id(),
            expires_at: session.chain().map(|chain| chain.expires_at()).unwrap_or_default(),
            authority_pem: plane.authority_pem(),
            keepsake: STANDARD.encode(keepsake),
        };
        wire.send(&FromDaemon::Opened(Box::new(opened))).await?;
        Ok(Sitting { wire: Arc::clone(wire), session, plane, wishes: Arc::new(Semaphore::new(MAX_WISHES)) })
    }

    /// The session asked for: a new one, or one that goes on after a daemon went away.
    async fn session(&self, open: &Open) -> Result<(Arc<LiveSession>, Option<Vec<u8>>), Refusal> {
        let Some(keepsake) = &open.resume else {
            return Ok((self.authority.open(request(open)).await?, None));
        };
        let sealed = STANDARD
            .decode(keepsake)
            .map_err(|_| Problem::new(400, "malformed", "the keepsake is damaged"))?;
        let (session, kept) = self.authority.resume(&sealed).await?;
        Ok((session, Some(kept)))
    }

    /// Serves a session until it ends. `None` when the daemon is going away: the session goes on with a successor.
    async fn sit(&self, sitting: &Sitting) -> Option<(Ended, Exited)> {
        let lost = Ended { end: SessionEnd::Lost, reason: "its launcher went away".to_owned() };
        let mut exited = Exited::default();
        let mut questions = self.authority.questions(sitting.session.id());
        loop {
            let packet = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                () = sitting.session.stop().cancelled() => return Some(self.stop(sitting).await),
                told = questions.next() => {
                    let frame = match told {
                        Announced::Asked { id, line } => FromDaemon::Hold(Hold { approval: id, line }),
                        Announced::Ends { at } => FromDaemon::Ends(Ends { session: sitting.session.id(), at }),
                    };
                    let _ = sitting.wire.send(&frame).await;
                    continue;
                }
                packet = sitting.wire.receive() => packet,
            };
            match packet.map(|packet| packet.frame) {
                Ok(FromLauncher::Connect(wish)) => sitting.connect(wish).await,
                Ok(FromLauncher::Measured(measured)) => {
                    if self.authority.measured(&sitting.session, measured.evidence).await.is_err() {
                        return Some((lost, exited));
                    }
                    let _ = sitting.wire.send(&FromDaemon::Noted).await;
                }
                Ok(FromLauncher::Exited(how)) => {
                    exited = how;
                    return Some((
                        Ended { end: SessionEnd::Exited, reason: "its agent exited".to_owned() },
                        exited,
                    ));
                }
                Ok(FromLauncher::Hello(_) | FromLauncher::Open(_)) | Err(_) => return Some((lost, exited)),
            }
        }
    }

    /// Tells the launcher to end the sandbox, and waits a little for how it went.
    async fn stop(&self, sitting: &Sitting) -> (Ended, Exited) {
        let ended = sitting
            .session
            .ended()
            .unwrap_or(Ended { end: SessionEnd::Locked, reason: "the session was stopped".to_owned() });
        let order = Stop { end: ended.end, reason: ended.reason.clone() };
        let mut exited = Exited::default();
        if sitting.wire.send(&FromDaemon::Stop(order)).await.is_ok() {
            let farewell = async {
                while let Ok(packet) = sitting.wire.receive().await {
                    if let FromLauncher::Exited(how) = packet.frame {
                        exited = how;
                        return;
                    }
                }
            };
            let _ = tokio::time::timeout(PATIENCE, farewell).await;
        }
        (ended, exited)
    }
}

impl Sitting {
    /// Answers one wish to connect, beside others. At the cap it waits here, so that one sandbox's flood is its own problem.
    async fn connect(&self, wish: Connect) {
        let Ok(permit) = Arc::clone(&self.wishes).acquire_owned().await else { return };
        let (wire, plane) = (Arc::clone(&self.wire), Arc::clone(&self.plane));
        tokio::spawn(async move {
            let udp = wish.transport == Transport::Udp;
            let verdict = match plane.connect(wish.process, wish.src, wish.dst, udp).await {
                Verdict::Inside => bailiwick_launch::Verdict::Inside,
                Verdict::Listener => bailiwick_launch::Verdict::Listener,
                Verdict::Refuse(errno) => bailiwick_launch::Verdict::Refuse { errno },
            };
            let _ = wire.send(&FromDaemon::Answer(Answer { id: wish.id, verdict })).await;
            drop(permit);
        });
    }
}

enum Refusal {
    Channel(ChannelError),
    Problem(Box<Problem>),
}

impl From<ChannelError> for Refusal {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

fn listeners(descriptors: Vec<OwnedFd>) -> Result<Listeners, Problem> {
    let mut all: Vec<Option<OwnedFd>> = descriptors.into_iter().map(Some).collect();
    if all.len() == 3 {
        // A kernel without IPv6.
        all.insert(1, None);
    }
    match <[Option<OwnedFd>; 4]>::try_from(all) {
        Ok([Some(tcp4), tcp6, Some(dns_udp), Some(dns_tcp)]) => {
            Ok(Listeners { tcp4, tcp6, dns_udp, dns_tcp })
        }
        Ok(_) => Err(wrong_listeners(3)),
        Err(found) => Err(wrong_listeners(found.len())),
    }
}

fn wrong_listeners(found: usize) -> Problem {
    let detail = format!("a session brings four listeners, or three without IPv6, not {found}");
    Problem::new(400, "listeners", detail)
}

fn surroundings(open: &Open) -> Surroundings {
    let dummies =
        open.dummies.iter().map(|one| Dummy { resource: one.resource.clone(), text: one.text.clone() });
    Surroundings {
        dummies: dummies.collect(),
        quiet: open.quiet.clone(),
        workspace: open.workdir.clone().into(),
    }
}

fn request(open: &Open) -> OpenRequest {
    OpenRequest {
        statement: open.task.clone(),
        repositories: open.repositories.clone(),
        pages: open.pages.clone(),
        agent: open.agent.clone(),
        profile: open.profile.clone(),
        argv: open.argv.clone(),
        workdir: open.workdir.clone(),
        ttl: Duration::from_millis(open.ttl_ms),
        terminal: open.terminal,
        parent: open.parent,
        grant: open.grant.clone(),
        observed: open.observed,
    }
}
