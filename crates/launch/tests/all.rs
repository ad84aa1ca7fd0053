//! Frames and descriptors over real sockets, and a launcher that outlives its daemon.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

use std::{
    io::Write,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use bailiwick_core::{Name, ProcessFacts, SessionId, Timestamp};
use bailiwick_launch::*;

fn open() -> Open {
    let name: Name = "test".parse().unwrap();
    Open {
        task: "t".into(),
        repositories: bailiwick_core::Repositories::default(),
        pages: std::collections::BTreeSet::new(),
        agent: name.clone(),
        profile: name,
        argv: vec!["true".into()],
        workdir: "/".into(),
        workspace: b"/".to_vec(),
        writable: Vec::new(),
        ttl_ms: 1,
        terminal: false,
        parent: None,
        grant: None,
        observed: false,
        resume: None,
        dummies: Vec::new(),
        quiet: Vec::new(),
        listeners: None,
    }
}

fn opened(keepsake: &str) -> FromDaemon {
    FromDaemon::Opened(Box::new(Opened {
        session: SessionId::from_uuid(uuid::Uuid::nil()),
        expires_at: Timestamp::from_micros(0),
        authority_pem: String::new(),
        keepsake: keepsake.into(),
    }))
}

type Daemon = Channel<FromLauncher, FromDaemon>;

/// Accepts one launcher and opens its session, returning what it asked for.
fn accept(listener: &OwnedFd, keepsake: &str) -> (Daemon, Packet<FromLauncher>) {
    let daemon = Daemon::new(rustix::net::accept(listener).unwrap());
    let FromLauncher::Hello(hello) = daemon.receive().unwrap().frame else { panic!("no hello") };
    daemon.send(&FromDaemon::Hello(hello), &[]).unwrap();
    let packet = daemon.receive().unwrap();
    daemon.send(&opened(keepsake), &[]).unwrap();
    (daemon, packet)
}

/// Hears nothing.
fn deaf() -> Handlers {
    Handlers {
        stop: Box::new(|_| {}),
        hold: Box::new(|_| {}),
        ends: Box::new(|_| {}),
        revive: Box::new(|| {}),
    }
}

fn ask(launcher: &Launcher) -> Verdict {
    let address = "198.18.0.1:1".parse().unwrap();
    launcher.connect(ProcessFacts::default(), address, address, Transport::Tcp)
}

#[test]
fn a_session_outlives_its_daemon_and_is_refused_meanwhile() {
    let home = tempfile::tempdir().unwrap();
    let listener = bind_seqpacket(home.path(), "launch.sock").unwrap();
    let (pipe, _keep) = rustix::pipe::pipe().unwrap();
    let (stopped, stop) = mpsc::channel();
    let path = home.path().to_owned();
    let launching = std::thread::spawn(move || {
        Launcher::open(
            &path,
            "b1",
            open(),
            vec![pipe],
            Handlers { stop: Box::new(move |order| stopped.send(order).unwrap()), ..deaf() },
        )
        .unwrap()
    });
    let (first, packet) = accept(&listener, "k1");
    assert_eq!(packet.descriptors.len(), 1);
    let (launcher, _) = launching.join().unwrap();

    // The daemon goes away: at once, everything is refused.
    drop(first);
    drop(listener);
    while ask(&launcher) != (Verdict::Refuse { errno: 111 }) {}

    // A successor is found, and is given the keepsake and the listeners again.
    let listener = bind_seqpacket(home.path(), "launch.sock").unwrap();
    let (second, packet) = accept(&listener, "k2");
    let FromLauncher::Open(again) = packet.frame else { panic!("no open") };
    assert_eq!(again.resume.as_deref(), Some("k1"));
    assert_eq!(packet.descriptors.len(), 1);
    let answering = std::thread::spawn(move || {
        let FromLauncher::Connect(wish) = second.receive().unwrap().frame else { panic!("no connect") };
        second.send(&FromDaemon::Answer(Answer { id: wish.id, verdict: Verdict::Listener }), &[]).unwrap();
        let order = Stop { end: bailiwick_core::SessionEnd::Locked, reason: "enough".into() };
        second.send(&FromDaemon::Stop(order), &[]).unwrap();
        second
    });
    // The successor may be there before the launcher has noted it: refused until then.
    while ask(&launcher) != Verdict::Listener {}
    let second = answering.join().unwrap();
    assert_eq!(stop.recv_timeout(Duration::from_secs(10)).unwrap().reason, "enough");
    // It waits until the end is on record.
    let recorded = Arc::new(AtomicBool::new(false));
    let recording = Arc::clone(&recorded);
    let ending = std::thread::spawn(move || {
        let exited = second.receive().unwrap().frame;
        recording.store(true, Ordering::SeqCst);
        second.send(&FromDaemon::Noted, &[]).unwrap();
        exited
    });
    launcher.exited(Exited { code: Some(3), signal: None });
    assert!(recorded.load(Ordering::SeqCst), "it did not wait");
    assert!(matches!(ending.join().unwrap(), FromLauncher::Exited(Exited { code: Some(3), .. })));
}

#[test]
fn another_build_is_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let listener = bind_seqpacket(home.path(), "launch.sock").unwrap();
    let answering = std::thread::spawn(move || {
        let daemon = Daemon::new(rustix::net::accept(&listener).unwrap());
        daemon.receive().unwrap();
        daemon.send(&FromDaemon::Hello(Hello { build: "b2".into(), protocol: PROTOCOL }), &[]).unwrap();
    });
    let error = Launcher::open(home.path(), "b1", open(), vec![], deaf()).unwrap_err();
    assert!(matches!(error, LaunchError::OtherBuild { .. }), "{error}");
    answering.join().unwrap();
}

#[test]
fn homes_longer_than_a_socket_address_work() {
    let home = tempfile::tempdir().unwrap();
    let long = home.path().join("d".repeat(120)).join("e".repeat(120));
    std::fs::create_dir_all(&long).unwrap();
    let _listener = bind_stream(&long, "daemon.sock").unwrap();
    connect_stream(&long, "daemon.sock").unwrap().write_all(b"x").unwrap();
    // A stale socket is replaced, not tripped over.
    bind_stream(&long, "daemon.sock").unwrap();
}

#[test]
fn what_is_no_frame_is_an_error_and_too_large_is_refused() {
    let (a, b) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::SEQPACKET,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    rustix::net::send(a.as_fd(), b"{}", rustix::net::SendFlags::empty()).unwrap();
    let daemon = Daemon::new(b);
    assert!(matches!(daemon.receive(), Err(ChannelError::Frame(_))));
    let launcher: Channel<FromDaemon, FromLauncher> = Channel::new(a);
    let huge = Open { task: "x".repeat(MAX_FRAME), ..open() };
    assert!(matches!(launcher.send(&FromLauncher::Open(Box::new(huge)), &[]), Err(ChannelError::Frame(_))));
}

#[tokio::test]
async fn the_daemon_side_is_asynchronous() {
    let (a, b) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::SEQPACKET,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let daemon: Connection<FromLauncher, FromDaemon> = Connection::new(b).unwrap();
    assert_eq!(daemon.peer_uid().unwrap(), rustix::process::getuid().as_raw());
    let launcher: Channel<FromDaemon, FromLauncher> = Channel::new(a);
    let sending = std::thread::spawn(move || {
        launcher.send(&FromLauncher::Open(Box::new(open())), &[std::io::stdin().as_fd()]).unwrap();
        launcher.receive().unwrap().frame
    });
    let packet = daemon.receive().await.unwrap();
    assert_eq!(packet.descriptors.len(), 1);
    daemon.send(&FromDaemon::Noted).await.unwrap();
    assert_eq!(sending.join().unwrap(), FromDaemon::Noted);
    assert!(matches!(daemon.receive().await, Err(ChannelError::Closed)));
}
