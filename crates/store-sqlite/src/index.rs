//! The ledger's index: a thread that follows the ledger and takes in what is stable, and the questions.
//!
//! It reads the ledger only through its writer, after the fact. A crash leaves it behind, and it catches up from its cursor; a cursor that
//! does not fit the ledger, or a damaged file, means that it is built again. Not synced on purpose: nothing rests on it.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bailiwick_core::{Claimed, Digest, SessionId, Timestamp};
use bailiwick_ledger::{Entry, Event, Stored, Writer, tree::leaf_hash};
use bailiwick_store::{
    Answered, Evidence, Growth, LedgerIndex, LogFilter, Reference, StoreError, answer_word, attempted,
    explain, row,
};
use bailiwick_wire::{Attempted, Explanation, LogRow};
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use tokio::sync::watch;

use crate::database::{self, File, Kind};

const KIND: Kind = Kind {
    migrations: &[
        include_str!("../migrations/index/0001.sql"),
        include_str!("../migrations/index/0002.sql"),
        include_str!("../migrations/index/0003.sql"),
    ],
    synchronous: "NORMAL",
    remedy: "remove it: it is built again from the ledger",
};
/// Records taken in by one transaction at most.
const BATCH: usize = 1024;
/// How often the thread looks whether it is to stop.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a question waits for the index to catch up with what was acknowledged before it.
const CATCH_UP: Duration = Duration::from_secs(5);

/// The index, in an SQLite database.
#[derive(Debug)]
pub struct SqliteIndex {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    writer: Arc<Writer>,
    reading: Mutex<Connection>,
    position: watch::Sender<u64>,
    stop: AtomicBool,
    /// Why the thread gave up.
    failure: Mutex<Option<StoreError>>,
}

/// The records of one action.
#[derive(Clone, Copy, Debug)]
struct Found {
    record: u64,
    outcome: Option<u64>,
    approval: Option<u64>,
}

impl SqliteIndex {
    /// Opens the index of `writer`'s ledger at `path`, and follows the ledger from where it was left; or begins it anew.
    ///
    /// # Errors
    /// If it can neither be opened nor built again.
    pub fn open(path: &Path, writer: Arc<Writer>) -> Result<Self, StoreError> {
        let file = File { path: path.to_owned(), kind: KIND };
        let (writing, position) = match file.open().and_then(|connection| fitting(&file, connection, &writer))
        {
            Ok(Some(opened)) => opened,
            // Damaged, of another form, or of another ledger: whatever it is, the ledger knows better.
            Ok(None) | Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) => {
                begin_anew(&file, &writer)?
            }
            Err(error) => return Err(error),
        };
        let reading = Mutex::new(file.open()?);
        let shared = Arc::new(Shared {
            file,
            writer,
            reading,
            position: watch::Sender::new(position),
            stop: AtomicBool::new(false),
            failure: Mutex::default(),
        });
        let following = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ledger-index".to_owned())
            .spawn(move || following.follow(writing))
            .map_err(|error| shared.file.failed(error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Waits until everything acknowledged before the call is in the index.
    fn catch_up(&self) -> Result<(), StoreError> {
        let until = Instant::now() + CATCH_UP;
        let target = self.shared.writer.settle(CATCH_UP);
        let mut position = self.shared.position.subscribe();
        while *position.borrow_and_update() < target {
            if let Some(error) = self.shared.failure() {
                return Err(error);
            }
            if Instant::now() >= until {
                let detail = format!("it is at {} of {target} records and still reading", *position.borrow());
                return Err(self.shared.file.failed(detail));
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }

    fn reading(&self) -> MutexGuard<'_, Connection> {
        self.shared.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, error: &rusqlite::Error) -> StoreError {
        self.shared.file.error(error)
    }

    /// The attempt that `reference` means, and what belongs to it.
    fn find(&self, reference: &str) -> Result<Option<Found>, StoreError> {
        // One action may have several attempts, of which the last says what came of it.
        let columns = "SELECT act, max(record), outcome_record, approval_record FROM attempt";
        let read =
            |row: &Row<'_>| Ok(Found { record: row.get(1)?, outcome: row.get(2)?, approval: row.get(3)? });
        let connection = self.reading();
        let found: rusqlite::Result<Vec<Found>> = match Reference::parse(reference) {
            None => Ok(Vec::new()),
            Some(Reference::Latest) => connection
                .prepare_cached(
                    "SELECT act, record, outcome_record, approval_record FROM attempt ORDER BY record DESC LIMIT 1",
                )
                .and_then(|mut statement| statement.query_map([], read)?.collect()),
            Some(Reference::Part(part)) => {
                let beginning = Reference::beginning(part, "act_");
                let sql = format!(
                    "{columns} WHERE (act >= ?1 AND act < ?2) OR (tail = ?3 AND substr(act, -length(?4)) = ?4) \
                     GROUP BY act LIMIT 2"
                );
                let parameters =
                    params![beginning, Reference::after(&beginning), Reference::tail(part), part];
                connection
                    .prepare_cached(&sql)
                    .and_then(|mut statement| statement.query_map(parameters, read)?.collect())
            }
        };
        match found.map_err(|error| self.error(&error))?.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            _ => Err(StoreError::Ambiguous { reference: reference.to_owned(), what: "action" }),
        }
    }

    fn entry(&self, record: u64) -> Result<Entry, StoreError> {
        let stored =
            self.shared.writer.read(record, 1).map_err(|error| StoreError::Ledger(error.to_string()))?;
        let stored =
            stored.first().ok_or_else(|| self.shared.file.damaged(format!("there is no record {record}")))?;
        parse(stored)
    }

    fn evidence(&self, Found { record, outcome, approval }: Found) -> Result<Evidence, StoreError> {
        let strange = |record: u64| self.shared.file.damaged(format!("record {record} is something else"));
        let outcome = match outcome {
            Some(index) => match self.entry(index)?.record.event {
                Event::Outcome(outcome) => Some((index, *outcome)),
                _ => return Err(strange(index)),
            },
            None => None,
        };
        let answer = match approval {
            Some(index) => match self.entry(index)?.record.event {
                Event::Approval(answered) => Some(Answered { index, approval: answered.approval }),
                _ => return Err(strange(index)),
            },
            None => None,
        };
        let entry = self.entry(record)?;
        match (entry.record.event, entry.record.session) {
            (Event::Attempt(attempt), Some(session)) => {
                let at = entry.record.at;
                Ok(Evidence { index: record, session, at, attempt: *attempt, answer, outcome })
            }
            _ => Err(strange(record)),
        }
    }
}

impl LedgerIndex for SqliteIndex {
    fn log(
        &self,
        filter: &LogFilter,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, LogRow)>, StoreError> {
        self.catch_up()?;
        let mut conditions = vec!["1"];
        let mut values: Vec<rusqlite::types::Value> = Vec::new();
        if let Some(session) = filter.session {
            conditions.push("session = ?");
            values.push(session.to_string().into());
        }
        if let Some(decision) = &filter.decision {
            conditions.push("decision = ?");
            values.push(decision.clone().into());
        }
        if let Some(after) = after {
            conditions.push("record > ?");
            values.push(i64::try_from(after).unwrap_or(i64::MAX).into());
        }
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let order = if after.is_some() { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT record, act, at, session, agent, process, resource, operation, target, decision, reason, approval, \
             outcome, count, claimed FROM attempt WHERE {} ORDER BY record {order} LIMIT ?",
            conditions.join(" AND ")
        );
        let connection = self.reading();
        let fail = |error: rusqlite::Error| self.error(&error);
        let mut statement = connection.prepare_cached(&sql).map_err(fail)?;
        let rows = statement.query_map(params_from_iter(values), log_row).map_err(fail)?;
        let mut rows = rows.collect::<Result<Vec<_>, _>>().map_err(fail)?;
        if after.is_none() {
            rows.reverse();
        }
        Ok(rows)
    }

    fn attempts(&self, session: SessionId, from: u64, limit: usize) -> Result<Vec<Attempted>, StoreError> {
        self.catch_up()?;
        let found: rusqlite::Result<Vec<Found>> = {
            let sql = "SELECT record, outcome_record FROM attempt WHERE session = ?1 AND record >= ?2 \
                       ORDER BY record LIMIT ?3";
            let (from, limit) = [from, limit as u64].map(|n| i64::try_from(n).unwrap_or(i64::MAX)).into();
            let read =
                |row: &Row<'_>| Ok(Found { record: row.get(0)?, outcome: row.get(1)?, approval: None });
            let connection = self.reading();
            connection.prepare_cached(sql).and_then(|mut statement| {
                statement.query_map(params![session.to_string(), from, limit], read)?.collect()
            })
        };
        let found = found.map_err(|error| self.error(&error))?;
        found.into_iter().map(|found| self.evidence(found).map(attempted)).collect()
    }

    fn explain(&self, reference: &str) -> Result<Option<Explanation>, StoreError> {
        self.catch_up()?;
        let found = self.find(reference)?;
        found.map(|found| self.evidence(found).map(|evidence| explain(&evidence))).transpose()
    }

    fn grows(&self) -> Growth {
        let mut position = self.shared.position.subscribe();
        Box::pin(async move {
            // An index that is dropped grows no more, and whoever waits is to look for itself.
            let _dropped = position.changed().await;
        })
    }

    fn position(&self) -> u64 {
        *self.shared.position.borrow()
    }
}

impl Drop for SqliteIndex {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn failure(&self) -> Option<StoreError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn follow(&self, mut connection: Connection) {
        while !self.stop.load(Ordering::Relaxed) {
            let position = *self.position.borrow();
            if self.writer.wait_beyond(position, PATIENCE) <= position {
                if self.writer.failure().is_some() {
                    // No record will ever follow; without this, waiting would return at once, for ever.
                    std::thread::park_timeout(PATIENCE);
                }
                continue;
            }
            match self.take_in(&mut connection, position) {
                Ok(position) => drop(self.position.send_replace(position)),
                Err(error) => {
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
        }
    }

    fn take_in(&self, connection: &mut Connection, position: u64) -> Result<u64, StoreError> {
        let records =
            self.writer.read(position, BATCH).map_err(|error| StoreError::Ledger(error.to_string()))?;
        let fail = |error: rusqlite::Error| self.file.error(&error);
        let transaction = connection.transaction().map_err(fail)?;
        for stored in &records {
            insert(&transaction, stored.index, parse(stored)?).map_err(fail)?;
        }
        let Some(last) = records.last() else { return Ok(position) };
        let next = last.index + 1;
        let hash = leaf_hash(&last.leaf);
        transaction
            .execute("UPDATE cursor SET position = ?1, last = ?2", params![next, hash.as_bytes()])
            .map_err(fail)?;
        transaction.commit().map_err(fail)?;
        Ok(next)
    }
}

fn parse(stored: &Stored) -> Result<Entry, StoreError> {
    Entry::parse(&stored.leaf)
        .map_err(|error| StoreError::Ledger(format!("record {} cannot be read: {error}", stored.index)))
}

fn insert(connection: &Connection, index: u64, entry: Entry) -> rusqlite::Result<()> {
    match (entry.record.event, entry.record.session) {
        (Event::Attempt(attempt), Some(session)) => {
            let row = row(session, entry.record.at, &attempt);
            let sql = "INSERT INTO attempt (record, act, tail, at, session, agent, process, resource, operation, target, \
                       decision, reason, approval, count, claimed) \
                       VALUES (?1, ?2, substr(?2, -4), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
            connection.prepare_cached(sql)?.execute(params![
                index,
                row.act.to_string(),
                row.at.as_micros(),
                row.session.to_string(),
                row.agent.as_str(),
                row.process,
                row.resource,
                row.operation,
                row.target,
                row.decision,
                row.reason,
                row.approval,
                row.count,
                row.claimed.and_then(|claimed| serde_json::to_string(&claimed).ok()),
            ])?;
        }
        (Event::Approval(answered), _) => {
            let sql = "UPDATE attempt SET approval = ?2, approval_record = ?3 WHERE act = ?1";
            let word = answer_word(&answered.approval);
            connection.prepare_cached(sql)?.execute(params![
                answered.approval.act.to_string(),
                word,
                index
            ])?;
        }
        (Event::Outcome(outcome), _) => {
            connection
                .prepare_cached("UPDATE attempt SET outcome = ?2, outcome_record = ?3 WHERE record = ?1")?
                .execute(params![outcome.attempt.index, outcome.status.word(), index])?;
        }
        _ => {}
    }
    Ok(())
}

fn log_row(row: &Row<'_>) -> rusqlite::Result<(u64, LogRow)> {
    let parsed = LogRow {
        act: parsed(row, 1)?,
        at: Timestamp::from_micros(row.get(2)?),
        session: parsed(row, 3)?,
        agent: parsed(row, 4)?,
        process: row.get(5)?,
        claimed: claimed(row.get(14)?),
        resource: row.get(6)?,
        operation: row.get(7)?,
        target: row.get(8)?,
        decision: row.get(9)?,
        reason: row.get(10)?,
        approval: row.get(11)?,
        outcome: row.get(12)?,
        count: row.get(13)?,
    };
    Ok((row.get(0)?, parsed))
}

/// Made by `insert` from a value of this form; what is not would be of another build, and the index is built again for less.
fn claimed(text: Option<String>) -> Option<Claimed> {
    text.and_then(|text| serde_json::from_str(&text).ok())
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// The index and its position, if it is of this ledger and not ahead of it.
fn fitting(
    file: &File,
    connection: Connection,
    writer: &Writer,
) -> Result<Option<(Connection, u64)>, StoreError> {
    let fail = |error: rusqlite::Error| file.error(&error);
    let origin = writer.verifier().name();
    let start = "INSERT INTO cursor (only, origin, position) VALUES (1, ?1, 0) ON CONFLICT DO NOTHING";
    connection.execute(start, [origin]).map_err(fail)?;
    let read = |row: &Row<'_>| -> rusqlite::Result<(String, u64, Option<[u8; 32]>)> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    };
    let cursor = connection
        .query_row("SELECT origin, position, last FROM cursor", [], read)
        .optional()
        .map_err(fail)?;
    let Some((found, position, last)) = cursor.filter(|(found, ..)| found == origin) else { return Ok(None) };
    drop(found);
    let Some(before) = position.checked_sub(1) else { return Ok(Some((connection, 0))) };
    let record = writer.read(before, 1).map_err(|error| StoreError::Ledger(error.to_string()))?;
    let same = record.first().map(|record| leaf_hash(&record.leaf)) == last.map(Digest::from_bytes);
    Ok(same.then_some((connection, position)))
}

fn begin_anew(file: &File, writer: &Writer) -> Result<(Connection, u64), StoreError> {
    database::remove(&file.path).map_err(|error| file.failed(error))?;
    let opened = fitting(file, file.open()?, writer)?;
    opened.ok_or_else(|| file.failed("a new index does not fit its ledger"))
}
