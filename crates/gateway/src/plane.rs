//! One session's plane: its names, its announced connections, its authority, its upstream connections, and the tasks that serve them.

mod attempts;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use bailiwick_authority::{Answer, Gate, LiveSession, SessionPlane, Surroundings, TokenEndpoint, Verdict};
use bailiwick_broker::Captures;
use bailiwick_catalogue::Host;
use bailiwick_core::ProcessFacts;
use bailiwick_git::Workroom;
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{
    Gateway, Limits,
    connect::{EACCES, Own, Ruling, rule},
    dns,
    dummies::Dummies,
    fold::Folds,
    forges::Forges,
    http,
    names::Names,
    sources::{Expected, Meant, Sources},
    tls::{AuthorityError, Leaves, Offer, SessionAuthority},
    upstream::{Issuers, Pool, Protocol},
};

/// One session's plane.
pub struct Plane {
    session: Arc<LiveSession>,
    gate: Gate,
    limits: Limits,
    own: Own,
    names: Names,
    sources: Sources,
    leaves: Leaves,
    pool: Arc<Pool>,
    room: Arc<Semaphore>,
    resolves: Folds<String>,
    connects: Folds<(String, u16)>,
    dummies: Dummies,
    captures: Arc<Captures>,
    quiet: Vec<Host>,
    hushed: Folds<String>,
    issuers: Arc<dyn TokenEndpoint>,
    forges: Forges,
    pushes: Arc<Semaphore>,
    workspace: PathBuf,
    room_for_pushes: Arc<Workroom>,
}

/// The sockets of one sandbox.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) tcp4: TcpListener,
    pub(crate) tcp6: Option<TcpListener>,
    pub(crate) dns_udp: UdpSocket,
    pub(crate) dns_tcp: TcpListener,
}

/// What a later plane needs to go on with a session.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keepsake {
    authority_key: String,
    authority: Vec<u8>,
    names: Vec<(String, std::net::Ipv4Addr)>,
}

impl Plane {
    /// Begins to serve.
    pub(crate) fn begin(
        gateway: &Gateway,
        session: &Arc<LiveSession>,
        sockets: Sockets,
        surroundings: Surroundings,
        keepsake: Option<&[u8]>,
    ) -> io::Result<Arc<Self>> {
        let limits = gateway.limits;
        let names = Names::new(session.id(), limits.names);
        let authority = match keepsake {
            None => SessionAuthority::new(),
            Some(kept) => restore(kept, &names)?,
        };
        let pool =
            Pool::new(Arc::clone(&gateway.resolver), Arc::clone(&gateway.trust), limits.dial, limits.keep);
        let plane = Arc::new(Self {
            session: Arc::clone(session),
            gate: gateway.gate.clone(),
            limits,
            own: Own {
                tcp4: sockets.tcp4.local_addr()?,
                tcp6: sockets.tcp6.as_ref().map(TcpListener::local_addr).transpose()?,
            },
            names,
            sources: Sources::new(limits.announced, limits.announced_for),
            leaves: Leaves::new(authority.map_err(io::Error::other)?),
            pool: Arc::new(pool),
            room: Arc::new(Semaphore::new(limits.body_kib as usize)),
            resolves: Folds::new(limits.fold),
            connects: Folds::new(limits.fold),
            dummies: Dummies::new(surroundings.dummies),
            captures: Arc::new(gateway.gate.broker().captures()),
            quiet: surroundings.quiet.iter().filter_map(|host| host.parse().ok()).collect(),
            hushed: Folds::new(limits.fold),
            issuers: Arc::new(Issuers::new(
                Arc::clone(&gateway.resolver),
                Arc::clone(&gateway.trust),
                limits.dial,
            )),
            forges: Forges::default(),
            pushes: Arc::new(Semaphore::new(limits.pushes)),
            workspace: surroundings.workspace,
            room_for_pushes: Arc::clone(&gateway.room),
        });
        plane.start(sockets);
        Ok(plane)
    }

    fn start(self: &Arc<Self>, sockets: Sockets) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        tokio::spawn(accept(Arc::clone(self), sockets.tcp4, Arc::clone(&places)));
        if let Some(tcp6) = sockets.tcp6 {
            tokio::spawn(accept(Arc::clone(self), tcp6, places));
        }
        tokio::spawn(dns::serve_udp(Arc::clone(self), sockets.dns_udp));
        tokio::spawn(dns::serve_tcp(Arc::clone(self), sockets.dns_tcp));
        let plane = Arc::clone(self);
        tokio::spawn(async move {
            plane.stopped().await;
            plane.pool.clear();
            plane.captures.forget();
        });
    }

    pub(crate) fn session(&self) -> &Arc<LiveSession> {
        &self.session
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Waits for room to read `body`, of which at most `max` bytes are read.
    pub(crate) async fn room_for(
        &self,
        body: &impl http_body::Body,
        max: usize,
    ) -> Option<OwnedSemaphorePermit> {
        let promised = body.size_hint().upper().and_then(|upper| usize::try_from(upper).ok());
        let kib = promised.map_or(max, |promised| promised.min(max)).div_ceil(1024);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX).min(self.limits.body_kib);
        // It is never closed.
        Arc::clone(&self.room).acquire_many_owned(kib).await.ok()
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn leaves(&self) -> &Leaves {
        &self.leaves
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Whoever is asked for tokens.
    pub(crate) fn issuers(&self) -> &Arc<dyn TokenEndpoint> {
        &self.issuers
    }

    /// What stands inside in the place of credentials.
    pub(crate) fn dummies(&self) -> &Dummies {
        &self.dummies
    }

    /// What answers handed out, and stayed outside.
    pub(crate) fn captures(&self) -> &Arc<Captures> {
        &self.captures
    }

    /// What forges told of their branches.
    pub(crate) fn forges(&self) -> &Forges {
        &self.forges
    }

    /// Waits for a place to keep a push aside.
    pub(crate) async fn place_for_push(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.pushes).acquire_owned().await.ok()
    }

    /// The session's workspace.
    pub(crate) fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Where pushes are kept aside and compared.
    pub(crate) fn room_for_pushes(&self) -> &Workroom {
        &self.room_for_pushes
    }

    /// Whether a refusal of `host` is another of many: its program tells about itself there, and it has been on record lately.
    /// Otherwise how many were not recorded since.
    pub(crate) fn hush(&self, host: &str) -> Option<u64> {
        if self.is_quiet(host) { self.hushed.note(host.to_owned(), Instant::now()) } else { Some(0) }
    }

    /// Whether the session's program tells about itself at `host`.
    pub(crate) fn is_quiet(&self, host: &str) -> bool {
        self.quiet.iter().any(|quiet| quiet.matches(host))
    }

    /// Waits until the session ends.
    pub(crate) async fn stopped(&self) {
        self.session.stop().cancelled().await;
    }

    /// What a handshake for `meant` offers: what the upstream is known to speak; both as long as nobody knows.
    pub(crate) fn offer(&self, meant: &Meant) -> Offer {
        match self.pool.spoken(&meant.host(), meant.port()) {
            Some(Protocol::Http1) => Offer::Http1,
            Some(Protocol::Http2) | None => Offer::Both,
        }
    }

    async fn wish(
        &self,
        process: ProcessFacts,
        source: SocketAddr,
        destination: SocketAddr,
        udp: bool,
    ) -> Verdict {
        if self.session.stop().is_cancelled() {
            return Verdict::Refuse(EACCES);
        }
        let ruling = rule(destination, udp, self.own, &self.names, &self.gate.catalogue());
        match ruling {
            Ruling::Inside => Verdict::Inside,
            Ruling::Listener(meant) => {
                if self.sources.announce(source, Expected { process, meant }, Instant::now()) {
                    Verdict::Listener
                } else {
                    Verdict::Refuse(EACCES)
                }
            }
            Ruling::Refuse { errno, host, port, reason } => {
                self.note_connect(Some(process), &host, port, *reason).await;
                Verdict::Refuse(errno)
            }
        }
    }
}

/// Accepts connections until the session stops. Those beyond the limit wait in the kernel's queue.
async fn accept(plane: Arc<Plane>, listener: TcpListener, places: Arc<Semaphore>) {
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = plane.stopped() => return,
            next = next => next,
        };
        let (Ok(place), Ok((stream, peer))) = (place, accepted) else {
            // Out of descriptors, or the peer left already: nobody is served by trying at full speed.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            continue;
        };
        let plane = Arc::clone(&plane);
        tokio::spawn(async move {
            let stop = plane.session.stop().clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = arrive(&plane, stream, peer) => {}
            }
            drop(place);
        });
    }
}

/// Serves one connection, if it was announced.
async fn arrive(plane: &Arc<Plane>, stream: TcpStream, peer: SocketAddr) {
    match plane.sources.take(peer, Instant::now()) {
        Some(expected) => http::serve(Arc::clone(plane), stream, expected).await,
        None => plane.note_unattributed(peer).await,
    }
}

fn restore(kept: &[u8], names: &Names) -> io::Result<Result<SessionAuthority, AuthorityError>> {
    let kept: Keepsake = serde_json::from_slice(kept)?;
    for (name, address) in kept.names {
        names.restore(&name, address);
    }
    Ok(SessionAuthority::restore(&kept.authority_key, kept.authority))
}

impl SessionPlane for Plane {
    fn authority_pem(&self) -> String {
        self.leaves.authority().pem()
    }

    fn keepsake(&self) -> Vec<u8> {
        let kept = Keepsake {
            authority_key: self.leaves.authority().key_pem(),
            authority: self.leaves.authority().der().to_vec(),
            names: self.names.all(),
        };
        // Texts and numbers are always written; an empty keepsake would only mean a new authority.
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    fn connect(&self, process: ProcessFacts, src: SocketAddr, dst: SocketAddr, udp: bool) -> Answer<'_> {
        Box::pin(self.wish(process, src, dst, udp))
    }
}

impl std::fmt::Debug for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plane").field("session", &self.session.id()).finish_non_exhaustive()
    }
}
