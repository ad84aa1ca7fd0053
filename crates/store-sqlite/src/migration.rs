//! Bringing a database to the newest form: numbered steps, each in one transaction, counted in `user_version`.

use bailiwick_store::StoreError;
use rusqlite::{Connection, TransactionBehavior};

use crate::database::File;

/// Applies the migrations of `file` that `connection` has not seen.
pub(crate) fn migrate(connection: &mut Connection, file: &File) -> Result<(), StoreError> {
    let fail = |error: rusqlite::Error| file.error(&error);
    let known = i64::try_from(file.kind.migrations.len()).unwrap_or(i64::MAX);
    loop {
        // The version is read inside the transaction: two processes may start at once.
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
        if found > known || found < 0 {
            return Err(StoreError::Newer { path: file.path.clone(), found, known });
        }
        let step = usize::try_from(found).ok().and_then(|found| file.kind.migrations.get(found));
        let Some(step) = step else { return Ok(()) };
        transaction.execute_batch(step).map_err(fail)?;
        transaction.pragma_update(None, "user_version", found + 1).map_err(fail)?;
        transaction.commit().map_err(fail)?;
    }
}
