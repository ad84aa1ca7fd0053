//! A disk that fails, or hangs: nothing may pass on hope.

use std::{sync::Arc, time::Duration};

use bailiwick_ledger::{AppendError, Durability, Options, Writer};

use crate::{
    disk::SimDisk,
    power_cut::{options, record, signer},
};

fn open(disk: &SimDisk, options: Options) -> Writer {
    Writer::open(Arc::new(disk.clone()), signer(), options).unwrap()
}

#[test]
fn one_failed_sync_ends_it_though_the_next_would_succeed() {
    let disk = SimDisk::default();
    let writer = open(&disk, options(false));
    writer.append(record(0), Durability::Stable).wait().unwrap();
    disk.fail_sync(0);
    let refused = writer.append(record(1), Durability::Stable).wait().unwrap_err();
    assert!(matches!(&refused, AppendError::Failed(reason) if reason.contains("broken")), "{refused}");
    for durability in [Durability::Stable, Durability::Written] {
        assert_eq!(writer.append(record(2), durability).wait(), Err(refused.clone()));
    }
    assert!(writer.submit(record(2), Durability::Written).is_err());
    assert!(writer.failure().is_some());
    assert_eq!(writer.close(), Err(refused));
    // The disk is in order again: what was acknowledged is there, and it goes on.
    let writer = open(&disk, options(false));
    assert!(!writer.is_empty());
    writer.append(record(3), Durability::Stable).wait().unwrap();
}

#[test]
fn a_tree_that_cannot_be_written_ends_it_too() {
    let disk = SimDisk::default();
    let writer = open(&disk, options(false));
    writer.append(record(0), Durability::Stable).wait().unwrap();
    disk.fail_sync(0);
    let failed = writer.publish().unwrap_err();
    assert!(matches!(&failed, AppendError::Failed(reason) if reason.contains("tree")), "{failed}");
    assert_eq!(writer.append(record(1), Durability::Stable).wait(), Err(failed));
}

#[test]
fn a_disk_that_hangs_is_not_waited_for() {
    let disk = SimDisk::default();
    let deadline = Duration::from_millis(20);
    let writer = open(&disk, Options { deadline, ..options(false) });
    disk.hold_syncs(true);
    let first = writer.append(record(0), Durability::Stable).wait();
    assert_eq!(first, Err(AppendError::Deadline(deadline)));
    // While it hangs, more come and are refused as well.
    assert_eq!(writer.append(record(1), Durability::Stable).wait(), Err(AppendError::Deadline(deadline)));
    disk.hold_syncs(false);
    writer.close().unwrap();
}

#[test]
fn more_than_can_wait_is_refused_at_once() {
    let disk = SimDisk::default();
    let writer = open(&disk, Options { backlog: 1000, ..options(false) });
    disk.hold_syncs(true);
    let waiting: Vec<_> = (0..20).map(|n| writer.append(record(n), Durability::Stable)).collect();
    let refused = writer.append(record(20), Durability::Stable).wait();
    assert!(matches!(refused, Err(AppendError::Backlog { .. })), "{refused:?}");
    disk.hold_syncs(false);
    drop(waiting);
    writer.close().unwrap();
}
