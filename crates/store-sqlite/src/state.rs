//! State that must not be lost: one connection, one transaction a call, `synchronous=FULL`. When a call returns, SQLite has synced.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bailiwick_core::{Digest, Labels, Lock, LockId, Session, SessionEnd, SessionId, Timestamp};
use bailiwick_store::{
    Ended, ExposureStore, Reference, SealedChange, SealedRow, SittingStore, StateStore, StoreError,
    StoredSession,
};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

use crate::database::{File, Kind};

const KIND: Kind = Kind {
    migrations: &[
        include_str!("../migrations/state/0001.sql"),
        include_str!("../migrations/state/0002.sql"),
        include_str!("../migrations/state/0003.sql"),
    ],
    synchronous: "FULL",
    remedy: "stop the daemon and restore the file from a backup; without one, move it away: secrets must then be set again, and locks with them",
};

/// The state, in an SQLite database.
#[derive(Debug)]
pub struct SqliteState {
    file: File,
    connection: Mutex<Connection>,
}

impl SqliteState {
    /// Opens the database at `path`, or makes it.
    ///
    /// # Errors
    /// If it is damaged, of a newer form, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = File { path: path.to_owned(), kind: KIND };
        let connection = Mutex::new(file.open()?);
        Ok(Self { file, connection })
    }

    /// How SQLite keeps what was written: its journal mode, and how it syncs (2 is `FULL`). For whoever checks this machine.
    ///
    /// # Errors
    /// If the database does not answer.
    pub fn journal(&self) -> Result<(String, i64), StoreError> {
        let connection = self.connection();
        let mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0));
        let synchronous = connection.query_row("PRAGMA synchronous", [], |row| row.get(0));
        mode.and_then(|mode| Ok((mode, synchronous?))).map_err(|error| self.error(&error))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A transaction that panicked was rolled back when it was dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, error: &rusqlite::Error) -> StoreError {
        self.file.error(error)
    }

    /// An error of an insertion: what is there already is told apart.
    fn insertion(&self, error: &rusqlite::Error, what: impl FnOnce() -> String) -> StoreError {
        let duplicate = matches!(
            error.sqlite_extended_error_code(),
            Some(rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY | rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
        );
        if duplicate && error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) {
            StoreError::Conflict(what())
        } else {
            self.error(error)
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text)
            .map_err(|error| self.file.damaged(format!("a row cannot be read: {error}")))
    }

    fn write<T: serde::Serialize>(&self, value: &T) -> Result<String, StoreError> {
        serde_json::to_string(value).map_err(|error| self.file.failed(error))
    }

    /// Makes all of `change`, or nothing of it.
    fn in_one(&self, change: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(|error| self.error(&error))?;
        change(&transaction)?;
        transaction.commit().map_err(|error| self.error(&error))
    }

    fn id(&self, text: &str) -> Result<SessionId, StoreError> {
        text.parse().map_err(|error| self.file.damaged(format!("a row cannot be read: {error}")))
    }

    fn texts(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<String>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(sql).map_err(|error| self.error(&error))?;
        let rows = statement.query_map(parameters, |row| row.get(0)).map_err(|error| self.error(&error))?;
        rows.collect::<Result<_, _>>().map_err(|error| self.error(&error))
    }
}

impl ExposureStore for SqliteState {
    fn exposures(&self) -> Result<Vec<(String, Labels)>, StoreError> {
        let workspaces = self.texts("SELECT workspace FROM exposure ORDER BY workspace", [])?;
        let labels = self.texts("SELECT labels FROM exposure ORDER BY workspace", [])?;
        let labels = labels.iter().map(|labels| self.parse(labels));
        workspaces.into_iter().zip(labels).map(|(workspace, labels)| Ok((workspace, labels?))).collect()
    }

    fn put_exposures(&self, exposures: &[(String, Labels)]) -> Result<(), StoreError> {
        let sql = "INSERT INTO exposure (workspace, labels) VALUES (?1, ?2) \
                   ON CONFLICT (workspace) DO UPDATE SET labels = excluded.labels";
        self.in_one(|transaction| {
            for (workspace, labels) in exposures {
                let labels = self.write(labels)?;
                transaction.execute(sql, [workspace, &labels]).map_err(|error| self.error(&error))?;
            }
            Ok(())
        })
    }

    fn remove_exposures(&self, workspaces: &[String]) -> Result<(), StoreError> {
        self.in_one(|transaction| {
            for workspace in workspaces {
                let removed = transaction.execute("DELETE FROM exposure WHERE workspace = ?1", [workspace]);
                removed.map_err(|error| self.error(&error))?;
            }
            Ok(())
        })
    }
}

impl SittingStore for SqliteState {
    fn put_sitting(&self, session: SessionId, body: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO sitting (session, body) VALUES (?1, ?2) \
                   ON CONFLICT (session) DO UPDATE SET body = excluded.body";
        let put = self.connection().execute(sql, [session.to_string().as_str(), body]);
        put.map(drop).map_err(|error| self.error(&error))
    }

    fn sitting(&self, session: SessionId) -> Result<Option<String>, StoreError> {
        let found = self.texts("SELECT body FROM sitting WHERE session = ?1", [session.to_string()]);
        found.map(|mut found| found.pop())
    }

    fn remove_sitting(&self, session: SessionId) -> Result<(), StoreError> {
        let removed =
            self.connection().execute("DELETE FROM sitting WHERE session = ?1", [session.to_string()]);
        removed.map(drop).map_err(|error| self.error(&error))
    }
}

impl StateStore for SqliteState {
    fn put_session(&self, session: &Session) -> Result<(), StoreError> {
        let id = session.id.to_string();
        let sql =
            "INSERT INTO session (id, tail, parent, opened_at, body) VALUES (?1, substr(?1, -4), ?2, ?3, ?4)";
        let parent = session.parent.map(|parent| parent.to_string());
        let body = self.write(session)?;
        self.connection()
            .execute(sql, params![id, parent, session.opened_at.as_micros(), body])
            .map(drop)
            .map_err(|error| self.insertion(&error, || format!("session `{id}`")))
    }

    fn session(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError> {
        let sql = "SELECT body, ended, ended_at FROM session WHERE id = ?1";
        let read = |row: &Row<'_>| -> rusqlite::Result<(String, Option<String>, Option<i64>)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        };
        let found = self.connection().query_row(sql, [id.to_string()], read).optional();
        let Some((body, ended, at)) = found.map_err(|error| self.error(&error))? else { return Ok(None) };
        let ended = match ended.zip(at) {
            Some((end, at)) => Some(Ended { end: self.parse(&end)?, at: Timestamp::from_micros(at) }),
            None => None,
        };
        Ok(Some(StoredSession { session: self.parse(&body)?, ended }))
    }

    fn open_sessions(&self) -> Result<Vec<Session>, StoreError> {
        let bodies = self.texts("SELECT body FROM session WHERE ended IS NULL ORDER BY opened_at, id", [])?;
        let mut sessions: Vec<Session> =
            bodies.iter().map(|body| self.parse(body)).collect::<Result<_, _>>()?;
        sessions.sort_by_key(|session| session.depth);
        Ok(sessions)
    }

    fn find_session(&self, reference: &str) -> Result<Option<SessionId>, StoreError> {
        let found = match Reference::parse(reference) {
            None => Vec::new(),
            Some(Reference::Latest) => {
                self.texts("SELECT max(id) FROM session HAVING max(id) IS NOT NULL", [])?
            }
            Some(Reference::Part(part)) => {
                let beginning = Reference::beginning(part, "ses_");
                let tail = Reference::tail(part);
                let sql = "SELECT id FROM session WHERE id >= ?1 AND id < ?2 \
                           UNION SELECT id FROM session WHERE tail = ?3 AND substr(id, -length(?4)) = ?4 LIMIT 2";
                self.texts(sql, params![beginning, Reference::after(&beginning), tail, part])?
            }
        };
        match found.as_slice() {
            [] => Ok(None),
            [one] => self.id(one).map(Some),
            _ => Err(StoreError::Ambiguous { reference: reference.to_owned(), what: "session" }),
        }
    }

    fn end_session(&self, id: SessionId, end: SessionEnd, at: Timestamp) -> Result<(), StoreError> {
        let sql =
            "UPDATE session SET ended = coalesce(ended, ?2), ended_at = coalesce(ended_at, ?3) WHERE id = ?1";
        let end = self.write(&end)?;
        let changed = self
            .connection()
            .execute(sql, params![id.to_string(), end, at.as_micros()])
            .map_err(|error| self.error(&error))?;
        if changed == 0 {
            return Err(StoreError::Unknown { reference: id.to_string(), what: "session" });
        }
        Ok(())
    }

    fn extend_session(&self, id: SessionId, expires_at: Timestamp) -> Result<(), StoreError> {
        let sql =
            "UPDATE session SET body = json_set(body, '$.expires_at', ?2) WHERE id = ?1 AND ended IS NULL";
        let changed = self.connection().execute(sql, [id.to_string(), expires_at.to_string()]);
        match changed.map_err(|error| self.error(&error))? {
            0 => Err(StoreError::Unknown { reference: id.to_string(), what: "session" }),
            _ => Ok(()),
        }
    }

    fn put_handle(&self, handle: Digest, session: SessionId) -> Result<(), StoreError> {
        self.connection()
            .execute(
                "INSERT INTO handle (hash, session) VALUES (?1, ?2)",
                params![handle.as_bytes(), session.to_string()],
            )
            .map(drop)
            .map_err(|error| self.insertion(&error, || "a handle with this hash".to_owned()))
    }

    fn session_of_handle(&self, handle: Digest) -> Result<Option<SessionId>, StoreError> {
        let found = self.texts("SELECT session FROM handle WHERE hash = ?1", [handle.as_bytes()])?;
        found.first().map(|text| self.id(text)).transpose()
    }

    fn put_lock(&self, lock: &Lock) -> Result<(), StoreError> {
        let id = lock.id.to_string();
        let body = self.write(lock)?;
        self.connection()
            .execute(
                "INSERT INTO lock (id, at, body) VALUES (?1, ?2, ?3)",
                params![id, lock.at.as_micros(), body],
            )
            .map(drop)
            .map_err(|error| self.insertion(&error, || format!("lock `{id}`")))
    }

    fn remove_lock(&self, id: LockId) -> Result<(), StoreError> {
        let removed = self.connection().execute("DELETE FROM lock WHERE id = ?1", [id.to_string()]);
        removed.map(drop).map_err(|error| self.error(&error))
    }

    fn locks(&self) -> Result<Vec<Lock>, StoreError> {
        let bodies = self.texts("SELECT body FROM lock ORDER BY at, id", [])?;
        bodies.iter().map(|body| self.parse(body)).collect()
    }

    fn sealed(&self) -> Result<Vec<SealedRow>, StoreError> {
        let sql = "SELECT purpose, name, version, key, wrapped_key, content FROM sealed ORDER BY purpose, name, version";
        let connection = self.connection();
        let mut statement = connection.prepare_cached(sql).map_err(|error| self.error(&error))?;
        let rows = statement.query_map([], sealed_row).map_err(|error| self.error(&error))?;
        rows.collect::<Result<_, _>>().map_err(|error| self.error(&error))
    }

    fn change_sealed(&self, changes: &[SealedChange]) -> Result<(), StoreError> {
        self.in_one(|transaction| {
            for change in changes {
                apply(transaction, change).map_err(|error| self.error(&error))?;
            }
            Ok(())
        })
    }

    fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.texts("SELECT value FROM setting WHERE key = ?1", [key]).map(|mut found| found.pop())
    }

    fn put_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO setting (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.connection().execute(sql, [key, value]).map(drop).map_err(|error| self.error(&error))
    }
}

fn sealed_row(row: &Row<'_>) -> rusqlite::Result<SealedRow> {
    Ok(SealedRow {
        purpose: row.get(0)?,
        name: row.get(1)?,
        version: row.get(2)?,
        key: row.get(3)?,
        wrapped_key: row.get(4)?,
        content: row.get(5)?,
    })
}

fn apply(connection: &Connection, change: &SealedChange) -> rusqlite::Result<usize> {
    match change {
        SealedChange::Put(row) => connection.prepare_cached(
            "INSERT INTO sealed (purpose, name, version, key, wrapped_key, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (purpose, name, version) DO UPDATE SET \
             key = excluded.key, wrapped_key = excluded.wrapped_key, content = excluded.content",
        )?
        .execute(params![row.purpose, row.name, row.version, row.key, row.wrapped_key, row.content]),
        SealedChange::Delete { purpose, name, version } => connection
            .prepare_cached("DELETE FROM sealed WHERE purpose = ?1 AND name = ?2 AND version = ?3")?
            .execute(params![purpose, name, version]),
    }
}
