//! Opening a database the one way we open them, and saying what went wrong with it in words that help.

use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use bailiwick_store::StoreError;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::migration;

/// How long to wait for another process that has the database locked, such as a backup.
const BUSY: Duration = Duration::from_secs(5);

/// What kind of database a file is: its migrations, how it syncs, what to do when it is damaged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) migrations: &'static [&'static str],
    pub(crate) synchronous: &'static str,
    pub(crate) remedy: &'static str,
}

/// A database file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
}

impl File {
    /// Opens it, or makes it (mode 0600), checks it, and brings it to the newest form.
    pub(crate) fn open(&self) -> Result<Connection, StoreError> {
        // SQLite gives its own files the mode of the database, so the mode is set before SQLite sees it.
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(|error| self.failed(error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags(&self.path, flags).map_err(|error| self.error(&error))?;
        self.prepare(&connection)?;
        migration::migrate(&mut connection, self)?;
        Ok(connection)
    }

    fn prepare(&self, connection: &Connection) -> Result<(), StoreError> {
        let fail = |error: rusqlite::Error| self.error(&error);
        connection.busy_timeout(BUSY).map_err(fail)?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(fail)?;
        if mode != "wal" {
            return Err(self.failed(format!(
                "its file system cannot keep a write-ahead log (journal mode `{mode}`); set `BAILIWICK_HOME` to a local one"
            )));
        }
        for (name, value) in [
            ("synchronous", self.kind.synchronous),
            ("foreign_keys", "ON"),
            ("trusted_schema", "OFF"),
            ("cell_size_check", "ON"),
        ] {
            connection.pragma_update(None, name, value).map_err(fail)?;
        }
        let found: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fail)?;
        if found == "ok" { Ok(()) } else { Err(self.damaged(found)) }
    }

    /// An error of SQLite's.
    pub(crate) fn error(&self, error: &rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => self.damaged(error),
            _ => self.failed(error),
        }
    }

    pub(crate) fn damaged(&self, detail: impl std::fmt::Display) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), detail: detail.to_string(), remedy: self.kind.remedy }
    }

    pub(crate) fn failed(&self, detail: impl std::fmt::Display) -> StoreError {
        StoreError::Failed { path: self.path.clone(), detail: detail.to_string() }
    }
}

/// Removes a database and what SQLite keeps beside it.
pub(crate) fn remove(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
