use std::{collections::HashMap, path::Path};

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::{
    LogReader,
    record::{
        Entry,
        tests::{attempt, outcome, permit, refuse, session},
    },
    storage::Disk,
    tree::leaf_hash,
    verify,
};

pub(super) fn signer() -> Signer {
    Signer::from_seed("log.example", Zeroizing::new([7; 32])).unwrap()
}

fn open(dir: &Path) -> Writer {
    open_with(dir, Options::default())
}

fn open_with(dir: &Path, options: Options) -> Writer {
    Writer::open(Arc::new(Disk::for_writing(dir).unwrap()), signer(), options).unwrap()
}

/// Small segments and no hurry: what is appended stays in the write-ahead log.
fn patient() -> Options {
    Options { checkpoint_every: Duration::from_secs(3600), segment: 64 << 10, ..Options::default() }
}

fn check(dir: &Path) -> crate::Report {
    verify(&Disk::for_reading(dir).unwrap(), Some(signer().verifier()))
}

#[test]
fn what_is_appended_is_read_verified_and_proved() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(4);
    let ledger = open(dir.path());
    for n in 0..600 {
        let receipt = ledger.append(attempt(n, &session, permit()), Durability::Stable).wait().unwrap();
        assert_eq!(receipt.index, 2 * n as u64);
        let _later = ledger.append(outcome(n, &session, receipt.into()), Durability::Written).wait().unwrap();
    }
    assert_eq!(ledger.settle(Duration::from_secs(10)), 1200);
    ledger.publish().unwrap();
    let first = ledger.read(0, 1).unwrap();
    let all = ledger.read(0, 2000).unwrap();
    assert_eq!((first.len(), all.len()), (1, ledger.len() as usize));
    ledger.close().unwrap();

    let report = check(dir.path());
    assert_eq!(report.problem, None);
    assert_eq!(
        (report.records, report.attempts, report.outcomes, report.unknown_outcomes),
        (1200, 600, 600, 0)
    );
    assert!(report.ok && report.note.contains("no proof against the owner"));

    let disk = Disk::for_reading(dir.path()).unwrap();
    let log = LogReader::open(&disk, signer().verifier()).unwrap();
    for index in [0, 1, 255, 256, 511, 1023, 1199] {
        let proof = log.proof(index).unwrap().to_string().parse::<crate::tlog_proof::TlogProof>().unwrap();
        let record = log.record(index).unwrap();
        assert_eq!(proof.verify(&record.leaf, signer().verifier()).unwrap().size, 1200);
    }
    assert!(matches!(log.proof(1200), Err(ReadError::Index { .. })));
    let grown = log.consistency(700).unwrap();
    let mut before = crate::tree::Frontier::default();
    log.records(0, 700).unwrap().iter().for_each(|record| before.push(leaf_hash(&record.leaf)));
    let after = log.checkpoint();
    crate::tree::verify_consistency((700, before.root()), (after.size, after.root), &grown).unwrap();
}

#[test]
fn records_in_the_log_alone_survive_and_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(4);
    let ledger = open_with(dir.path(), patient());
    for n in 0..300 {
        ledger.append(attempt(n, &session, refuse()), Durability::Stable).wait().unwrap();
    }
    // Reads from memory, and a verifier beside the writer reads the log.
    assert_eq!(ledger.read(298, 10).unwrap().len(), 2);
    assert_eq!(check(dir.path()).records, 300);
    assert_eq!(ledger.wait_beyond(299, Duration::from_secs(10)), 300);
    let stray = dir.path().join("copy");
    copy(dir.path(), &stray);
    drop(ledger);

    let recovered = open(&stray);
    assert_eq!((recovered.recovered(), recovered.len()), (300, 300));
    let next = recovered.append(attempt(300, &session, permit()), Durability::Stable).wait().unwrap();
    assert_eq!(next.index, 300);
    recovered.close().unwrap();
    // The chain of the session went on over the restart, or this would be a problem.
    assert_eq!(check(&stray).problem, None);
}

/// A copy of a ledger as a crash of the process would leave it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path() == *to {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn many_writers_lose_nothing_and_each_session_is_a_chain() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open_with(
        dir.path(),
        Options { segment: 64 << 10, checkpoint_every: Duration::ZERO, ..Options::default() },
    );
    std::thread::scope(|scope| {
        for writer in 0..8u128 {
            let ledger = &ledger;
            scope.spawn(move || {
                let session = session(100 + writer);
                for n in 0..100 {
                    let durability = if n % 3 == 0 { Durability::Stable } else { Durability::Written };
                    let receipt = ledger.append(attempt(n, &session, permit()), durability).wait().unwrap();
                    let _link =
                        ledger.append(outcome(n, &session, receipt.into()), durability).wait().unwrap();
                }
            });
        }
    });
    ledger.close().unwrap();
    let report = check(dir.path());
    assert_eq!((report.problem, report.records, report.outcomes), (None, 1600, 800));
    let disk = Disk::for_reading(dir.path()).unwrap();
    let log = LogReader::open(&disk, signer().verifier()).unwrap();
    let mut heads = HashMap::new();
    for stored in log.records(0, 2000).unwrap() {
        let entry = Entry::parse(&stored.leaf).unwrap();
        assert_eq!(heads.insert(entry.record.session, leaf_hash(&stored.leaf)), entry.prev);
    }
    assert_eq!(heads.len(), 8);
}

#[test]
fn one_directory_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let second = Disk::for_writing(dir.path()).unwrap_err();
    assert!(second.to_string().contains("another daemon"), "{second}");
    drop(ledger);
    open(dir.path()).close().unwrap();
}

#[test]
fn another_key_does_not_open_a_ledger() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).close().unwrap();
    let stranger = Signer::from_seed("log.example", Zeroizing::new([8; 32])).unwrap();
    let error = Writer::open(Arc::new(Disk::for_writing(dir.path()).unwrap()), stranger, Options::default())
        .unwrap_err();
    assert!(matches!(error, OpenError::Key { .. }), "{error}");
}

#[test]
fn a_record_that_is_too_large_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let gap = crate::record::Gap { producer: "x".repeat(MAX_RECORD), missing: 1, detail: String::new() };
    let record = Record::of_daemon(crate::record::tests::moment(), crate::Event::Gap(gap));
    assert!(matches!(ledger.append(&record, Durability::Stable).wait(), Err(AppendError::TooLarge { .. })));
    assert_eq!(ledger.failure(), None);
}

/// A ledger with 600 records under its checkpoint.
fn grown() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let session = session(4);
    let ledger = open(dir.path());
    let appended: Vec<_> =
        (0..600).map(|n| ledger.append(attempt(n, &session, refuse()), Durability::Stable)).collect();
    appended.into_iter().for_each(|appending| assert!(appending.wait().is_ok()));
    ledger.close().unwrap();
    dir
}

#[test]
fn every_altered_or_truncated_file_is_found_and_named() {
    let files = [
        "checkpoint",
        "tile/0/000",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/001",
        "tile/entries/002.p/88",
    ];
    for file in files {
        for truncate in [false, true] {
            let dir = grown();
            let path = dir.path().join(file);
            let mut bytes = std::fs::read(&path).unwrap();
            if truncate {
                bytes.pop();
            } else {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            std::fs::write(&path, bytes).unwrap();
            let problem = check(dir.path()).problem.unwrap_or_else(|| panic!("{file} was not noticed"));
            // A flipped leaf hash and a flipped record look alike: one of the two files is named.
            let alike = file.replace("/0/", "/entries/");
            assert!([file, &alike].contains(&problem.file.as_str()), "{file}: {problem:?}");
        }
        let dir = grown();
        std::fs::remove_file(dir.path().join(file)).unwrap();
        assert_eq!(check(dir.path()).problem.map(|problem| problem.file).as_deref(), Some(file));
    }
}

#[test]
fn a_damaged_edge_is_not_opened() {
    for file in
        ["checkpoint", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88", "log.vkey"]
    {
        let dir = grown();
        let path = dir.path().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let disk = Arc::new(Disk::for_writing(dir.path()).unwrap());
        let error = Writer::open(disk, signer(), Options::default()).unwrap_err();
        assert!(!matches!(error, OpenError::Io { .. }), "{file}: {error}");
    }
}

#[test]
fn an_acknowledged_record_cut_out_of_the_log_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(4);
    let ledger = open_with(dir.path(), patient());
    for n in 0..20 {
        ledger.append(attempt(n, &session, permit()), Durability::Stable).wait().unwrap();
    }
    let stray = dir.path().join("copy");
    copy(dir.path(), &stray);
    let path = stray.join(wal::segment_path(0));
    let mut bytes = std::fs::read(&path).unwrap();
    let victim = bytes.windows(11).position(|window| window == b"\"act\":\"act_").unwrap();
    bytes[victim + 20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error =
        Writer::open(Arc::new(Disk::for_writing(&stray).unwrap()), signer(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("was acknowledged"), "{error}");
    assert!(check(&stray).problem.is_some());
}

#[test]
fn an_outcome_needs_its_attempt_and_has_it_alone() {
    let session = session(4);
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let receipt = ledger.append(attempt(1, &session, permit()), Durability::Stable).wait().unwrap();
    ledger.append(attempt(2, &session, permit()), Durability::Stable).wait().unwrap();
    ledger.append(outcome(1, &session, receipt.into()), Durability::Stable).wait().unwrap();
    ledger.publish().unwrap();
    let report = check(dir.path());
    assert_eq!((report.ok, report.unknown_outcomes), (true, 1));
    ledger.append(outcome(1, &session, receipt.into()), Durability::Stable).wait().unwrap();
    ledger.close().unwrap();
    let problem = check(dir.path()).problem.unwrap();
    assert_eq!(problem.index, Some(3), "{problem:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn restarts_at_any_size_keep_the_tree(sizes in prop::collection::vec(0u128..300, 1..5)) {
        let dir = tempfile::tempdir().unwrap();
        let session = session(4);
        let mut total = 0;
        for size in sizes {
            let ledger = open(dir.path());
            let appended: Vec<_> =
                (0..size).map(|n| ledger.append(attempt(n, &session, refuse()), Durability::Written)).collect();
            appended.into_iter().for_each(|appending| assert!(appending.wait().is_ok()));
            ledger.close().unwrap();
            total += size as u64;
            let report = check(dir.path());
            prop_assert_eq!((report.problem, report.records), (None, total));
        }
    }
}
