//! The index: the suite, and that it catches up, starts anew and grows.

use std::{fs, path::Path, sync::Arc};

use bailiwick_ledger::{Disk, Options, Signer, Writer};
use bailiwick_store::{LedgerIndex as _, LogFilter, conformance};
use bailiwick_store_sqlite::SqliteIndex;

fn writer(dir: &Path) -> Arc<Writer> {
    let ledger = dir.join("ledger");
    fs::create_dir_all(&ledger).unwrap();
    let signer = Signer::load_or_create(&dir.join("signing.key")).unwrap();
    let disk = Arc::new(Disk::for_writing(&ledger).unwrap());
    Arc::new(Writer::open(disk, signer, Options::default()).unwrap())
}

fn index(dir: &Path, writer: &Arc<Writer>) -> SqliteIndex {
    SqliteIndex::open(&dir.join("index.db"), Arc::clone(writer)).unwrap()
}

fn indexes(index: &SqliteIndex) -> Vec<u64> {
    index.log(&LogFilter::default(), None, 1000).unwrap().into_iter().map(|(index, _)| index).collect()
}

#[test]
fn it_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path());
    conformance::index(&index(dir.path(), &writer), &writer).unwrap();
}

#[test]
fn it_catches_up_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path());
    for round in 0..3u128 {
        let first = index(dir.path(), &writer);
        conformance::attempt(&writer, 3 * round, 5, conformance::permit()).unwrap();
        assert_eq!(indexes(&first).len() as u128, 2 * round + 1);
        drop(first);
        // While nobody follows.
        conformance::attempt(&writer, 3 * round + 1, 5, conformance::refuse()).unwrap();
        let next = index(dir.path(), &writer);
        assert_eq!(indexes(&next).len() as u128, 2 * round + 2);
    }
}

#[test]
fn an_index_that_is_gone_damaged_or_anothers_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path());
    for n in 0..5 {
        conformance::attempt(&writer, n, 5, conformance::permit()).unwrap();
    }
    let path = dir.path().join("index.db");
    assert_eq!(indexes(&index(dir.path(), &writer)), [0, 1, 2, 3, 4]);

    fs::write(&path, "no database ".repeat(1000)).unwrap();
    assert_eq!(indexes(&index(dir.path(), &writer)), [0, 1, 2, 3, 4]);

    fs::remove_file(&path).unwrap();
    assert_eq!(indexes(&index(dir.path(), &writer)), [0, 1, 2, 3, 4]);

    let strange =
        "UPDATE cursor SET last = zeroblob(32), position = 3; DELETE FROM attempt WHERE record = 1;";
    rusqlite::Connection::open(&path).unwrap().execute_batch(strange).unwrap();
    assert_eq!(indexes(&index(dir.path(), &writer)), [0, 1, 2, 3, 4]);

    let other = tempfile::tempdir().unwrap();
    let elsewhere = self::writer(other.path());
    conformance::attempt(&elsewhere, 9, 5, conformance::permit()).unwrap();
    fs::copy(&path, other.path().join("index.db")).unwrap();
    assert_eq!(indexes(&index(other.path(), &elsewhere)), [0]);
}

#[test]
fn many_records_are_taken_in_by_many_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path());
    for n in 0..3000 {
        conformance::attempt(&writer, n, 5 + n % 7, conformance::permit()).unwrap();
    }
    let index = index(dir.path(), &writer);
    let after = index.log(&LogFilter::default(), Some(2989), 1000).unwrap();
    assert_eq!((after.len(), index.position()), (10, 3000));
}

#[test]
fn whoever_asked_before_it_grew_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path());
    let index = index(dir.path(), &writer);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let grows = index.grows();
    conformance::attempt(&writer, 1, 5, conformance::permit()).unwrap();
    // Also when the growth came before anybody polled.
    assert_eq!(indexes(&index), [0]);
    runtime.block_on(grows);
}
