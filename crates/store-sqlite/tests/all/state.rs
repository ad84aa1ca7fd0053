//! State: the suite, and what survives, what is refused, what is said when the file is damaged.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use bailiwick_core::{Lock, LockTarget, Timestamp};
use bailiwick_store::{SealedChange, SealedRow, StateStore as _, StoreError, conformance};
use bailiwick_store_sqlite::SqliteState;

fn open(dir: &Path) -> SqliteState {
    SqliteState::open(&dir.join("state.db")).unwrap()
}

fn lock() -> Lock {
    Lock {
        id: "lck_01h2xcejqtf2nbrexx3vqjhp41".parse().unwrap(),
        target: LockTarget::Everything,
        reason: "stop".to_owned(),
        by: "ann".parse().unwrap(),
        at: Timestamp::from_micros(1),
    }
}

#[test]
fn it_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conformance::state(&open(dir.path())).unwrap();
}

#[test]
fn only_its_owner_can_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(dir.path());
    state.put_lock(&lock()).unwrap();
    for entry in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{entry:?}");
    }
}

#[test]
fn a_lock_is_replayed_from_what_a_crash_leaves() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = open(dir.path());
    state.put_lock(&lock()).unwrap();
    // What lies on the disk while the store is still open, as a killed daemon leaves it.
    for name in ["state.db", "state.db-wal"] {
        fs::copy(dir.path().join(name), crashed.path().join(name)).unwrap();
    }
    assert_eq!(open(crashed.path()).locks().unwrap(), [lock()]);
}

#[test]
fn two_daemons_see_each_others_locks() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (open(dir.path()), open(dir.path()));
    first.put_lock(&lock()).unwrap();
    assert_eq!(second.locks().unwrap(), [lock()]);
}

#[test]
fn a_damaged_database_says_so_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    fs::write(&path, "not a database, and long enough to be looked at ".repeat(100)).unwrap();
    let error = SqliteState::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("restore the file from a backup"), "{error}");
}

#[test]
fn a_damaged_page_is_found_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let rows = (0..200).map(|n| {
        SealedChange::Put(SealedRow {
            purpose: "credential".to_owned(),
            name: format!("secret-{n}"),
            version: 1,
            key: [0; 8],
            wrapped_key: vec![1; 60],
            content: vec![2; 400],
        })
    });
    open(dir.path()).change_sealed(&rows.collect::<Vec<_>>()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 4096;
    for page in 2..pages {
        bytes[page * 4096..page * 4096 + 16].fill(0xff);
    }
    fs::write(&path, bytes).unwrap();
    assert!(matches!(SqliteState::open(&path), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_newer_form_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    drop(open(dir.path()));
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    drop(connection);
    let error = SqliteState::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 999, .. }), "{error:?}");
}

#[test]
fn every_commit_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(dir.path());
    assert_eq!(
        state.journal().unwrap(),
        ("wal".to_owned(), 2),
        "2 is `FULL`: a sync before a commit returns"
    );
}
