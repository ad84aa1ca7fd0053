//! The ledger beside SQLite: 64 writers that each wait for stable storage, the same bytes; then proofs and the verifier.
//!
//! SQLite gets the best form this work has in it: one thread commits whatever is waiting as one transaction (WAL,
//! `synchronous = FULL`), so that both sides group their commits.

use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bailiwick_core::{
    Action, Chain, Decision, Effects, Grant, Id, Initiator, Kind, Labels, Permit, ResourceRef, Session, Task,
    Timestamp,
};
use bailiwick_ledger::{
    Attempt, AttemptContext, Disk, Durability, Event, LogReader, Options, Record, Signer, Writer, stored_key,
    verify,
};
use uuid::Uuid;

use crate::measure::{Contestant, ms, quantile, rounds, spread};
use crate::report::{Goal, Row};

const WRITERS: usize = 64;
const EACH: usize = 500;
const VERIFIED: usize = 300_000;
const PROOFS: u64 = 500;

pub(crate) fn run(count: usize) -> Result<Vec<Row>> {
    let bytes = stored_bytes()?;
    let found =
        rounds(count, vec![Contestant::new("sqlite", || sqlite(bytes)), Contestant::new("ledger", ledger)])?;
    let mut rows = vec![
        Row::new("ledger", format!("64 writers, stable, {bytes} bytes each"), "/s", found.value("ledger"))
            .beside("SQLite WAL FULL", found.value("sqlite"), found.ratio("ledger", "sqlite"))
            .rounds(found.count())
            .goal(Goal::RatioAtLeast(1.0)),
    ];
    rows.extend(proofs_and_verifier()?);
    Ok(rows)
}

fn id<K: Kind>(number: usize) -> Id<K> {
    Id::from_uuid(Uuid::from_u128(number as u128))
}

fn session(number: usize) -> Session {
    let opened_at = Timestamp::from_micros(1_700_000_000_000_000);
    Session {
        id: id(number + 1),
        parent: None,
        initiator: Initiator::User { name: "ann".parse().expect("a name"), uid: Some(1000) },
        agent: "planner".parse().expect("a name"),
        instance: id(2),
        task: Task::new(id(3), "example"),
        grant: Grant::unrestricted(),
        labels: Labels::CLEAN,
        depth: 0,
        opened_at,
        expires_at: opened_at.after(Duration::from_secs(3600)),
        evidence: None,
        observed: false,
    }
}

fn attempt(number: usize, session: &Session) -> Result<Record> {
    let action = Action {
        id: id(number),
        at: session.opened_at,
        session: session.id,
        process: None,
        resource: ResourceRef::Listed { name: "forge".parse()? },
        operation: "http.post".parse()?,
        effects: Effects::READ,
        target: "/acme/site".to_owned(),
        arguments: [("method".to_owned(), "POST".into())].into(),
        body: None,
        claimed: None,
        head: None,
    };
    let chain = Chain::new(vec![session])?;
    let decision =
        Decision::Permit(Permit { policies: vec!["default.cedar#0".to_owned()], obligations: Vec::new() });
    let attempt = Attempt::new(&action, &chain, decision, AttemptContext::default());
    Ok(Record::of_session(session.opened_at, session.id, Event::Attempt(Box::new(attempt))))
}

fn open(directory: &Path) -> Result<Writer> {
    let signer = Signer::load_or_create(&directory.join("key"))?;
    let disk = Disk::for_writing(&directory.join("ledger"))?;
    Ok(Writer::open(
        Arc::new(disk),
        signer,
        Options { deadline: Duration::from_secs(60), ..Options::default() },
    )?)
}

/// How many bytes one record takes as it is stored.
fn stored_bytes() -> Result<usize> {
    let directory = tempfile::tempdir()?;
    let writer = open(directory.path())?;
    for number in 0..2 {
        writer.append(attempt(number, &session(0))?, Durability::Stable).wait()?;
    }
    let stored = writer.read(1, 1)?;
    Ok(stored.first().context("the record is not there")?.leaf.len())
}

/// Acknowledged records a second.
fn ledger() -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let writer = open(directory.path())?;
    let took = together(|number| {
        let session = session(number);
        for record in 0..EACH {
            writer.append(attempt(number * EACH + record, &session)?, Durability::Stable).wait()?;
        }
        Ok(())
    })?;
    Ok((WRITERS * EACH) as f64 / took.as_secs_f64())
}

type Waiting = (Vec<u8>, Sender<()>);

/// Committed rows a second.
fn sqlite(bytes: usize) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let mut database = rusqlite::Connection::open(directory.path().join("rows.db"))?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, body BLOB NOT NULL)", [])?;
    let (sender, receiver) = channel::<Waiting>();
    let committer = thread::spawn(move || -> Result<()> {
        while let Ok(first) = receiver.recv() {
            let group: Vec<Waiting> = std::iter::once(first).chain(receiver.try_iter()).collect();
            let transaction = database.transaction()?;
            {
                let mut insert = transaction.prepare_cached("INSERT INTO record (body) VALUES (?1)")?;
                for (body, _) in &group {
                    insert.execute([body])?;
                }
            }
            transaction.commit()?;
            group.iter().for_each(|(_, done)| {
                let _ = done.send(());
            });
        }
        Ok(())
    });
    let sender = Mutex::new(sender);
    let took = together(|_| {
        let sender = sender.lock().map_err(|_| anyhow::anyhow!("a writer panicked"))?.clone();
        for _ in 0..EACH {
            let (done, committed) = channel();
            sender.send((vec![b'x'; bytes], done))?;
            committed.recv()?;
        }
        Ok(())
    })?;
    drop(sender);
    committer.join().map_err(|_| anyhow::anyhow!("the committer panicked"))??;
    Ok((WRITERS * EACH) as f64 / took.as_secs_f64())
}

/// All writers at once; how long until the last is done.
fn together(body: impl Fn(usize) -> Result<()> + Sync) -> Result<Duration> {
    let started = Instant::now();
    thread::scope(|scope| {
        let body = &body;
        let threads: Vec<_> = (0..WRITERS).map(|number| scope.spawn(move || body(number))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("a writer panicked"))?)
    })?;
    Ok(started.elapsed())
}

fn proofs_and_verifier() -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let writer = open(directory.path())?;
    let sessions: Vec<Session> = (0..WRITERS).map(session).collect();
    for number in 0..VERIFIED {
        let pending = writer.append(attempt(number, &sessions[number % WRITERS])?, Durability::Written);
        if number % 4096 == 0 {
            pending.wait()?;
        }
    }
    writer.settle(Duration::from_secs(60));
    writer.close()?;

    let disk = Disk::for_reading(&directory.path().join("ledger"))?;
    let key = stored_key(&disk)?;
    let log = LogReader::open(&disk, &key)?;
    let mut times = Vec::new();
    for number in 0..PROOFS {
        let started = Instant::now();
        log.proof(number * 7919 % VERIFIED as u64)?;
        times.push(ms(started.elapsed()));
    }
    let (least, most) =
        (times.iter().copied().fold(f64::MAX, f64::min), times.iter().copied().fold(0.0, f64::max));
    let proof = crate::measure::Spread { median: quantile(&mut times, 0.5), min: least, max: most };

    let mut rates = Vec::new();
    for _ in 0..3 {
        let started = Instant::now();
        let report = verify(&disk, Some(&key));
        ensure!(
            report.ok && report.records == VERIFIED as u64,
            "the ledger does not verify: {:?}",
            report.problem
        );
        rates.push(10e6 / (VERIFIED as f64 / started.elapsed().as_secs_f64()));
    }
    Ok(vec![
        Row::new("ledger", format!("one proof, of {VERIFIED} records"), "ms", proof).goal(Goal::AtMost(1.0)),
        Row::new("ledger", format!("verify 10 M records, extrapolated from {VERIFIED}"), "s", spread(&rates))
            .rounds(3)
            .goal(Goal::AtMost(20.0)),
    ])
}
