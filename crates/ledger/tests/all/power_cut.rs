//! The power is cut after every single operation of the disk; what was acknowledged as stable must be there, in a tree that verifies.
//!
//! The same tests on a disk that lies about its syncs must find losses, or they would prove nothing.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bailiwick_core::{Digest, Timestamp};
use bailiwick_ledger::{
    Durability, Event, Options, Record, SessionMeasured, Signer, Writer, tree::leaf_hash, verify,
};

use crate::disk::{Cut, Image, Lie, SimDisk};

pub(crate) fn signer() -> Signer {
    Signer::from_seed("log.example", [7; 32].into()).unwrap()
}

pub(crate) fn record(n: u64) -> Record {
    let sessions = ["ses_01h2xcejqtf2nbrexx3vqjhp41", "ses_01h2xcejqtf2nbrexx3vqjhp42"];
    let measured = SessionMeasured { digest: Digest::of(&n.to_be_bytes()), evidence: BTreeMap::new() };
    let session = sessions[usize::try_from(n).unwrap() % 2].parse().unwrap();
    Record::of_session(Timestamp::from_micros(1), session, Event::SessionMeasured(measured))
}

/// Small segments, so that they roll; a checkpoint after every group, or none.
pub(crate) fn options(checkpoints: bool) -> Options {
    Options {
        deadline: Duration::from_secs(600),
        segment: 4 << 10,
        checkpoint_every: if checkpoints { Duration::ZERO } else { Duration::from_secs(3600) },
        ..Options::default()
    }
}

fn open(disk: &SimDisk, checkpoints: bool) -> Writer {
    Writer::open(Arc::new(disk.clone()), signer(), options(checkpoints)).unwrap()
}

/// Appends groups of three, noting each acknowledgement as it comes.
fn append(writer: &Writer, disk: &SimDisk, groups: u64) {
    for group in 0..groups {
        let appending: Vec<_> =
            (0..3).map(|n| writer.append(record(3 * group + n), Durability::Stable)).collect();
        for appending in appending {
            let receipt = appending.wait().unwrap();
            disk.acknowledged(receipt.index, receipt.leaf);
        }
    }
}

/// Opens what a cut has left, and says what is wrong with it.
fn check(image: Image, acknowledged: &[(u64, Digest)]) -> Result<SimDisk, String> {
    let disk = SimDisk::new(image, Lie::None);
    let writer =
        Writer::open(Arc::new(disk.clone()), signer(), options(true)).map_err(|error| error.to_string())?;
    let records = writer.read(0, usize::MAX).map_err(|error| error.to_string())?;
    for (index, leaf) in acknowledged {
        let found = usize::try_from(*index).ok().and_then(|index| records.get(index));
        if found.map(|record| leaf_hash(&record.leaf)) != Some(*leaf) {
            return Err(format!("record {index} was acknowledged and is lost"));
        }
    }
    let next = writer.append(record(0), Durability::Stable).wait().map_err(|error| error.to_string())?;
    if next.index != records.len() as u64 {
        return Err(format!("after {} records came record {}", records.len(), next.index));
    }
    writer.close().map_err(|error| error.to_string())?;
    let report = verify(&disk, Some(signer().verifier()));
    report.problem.map_or(Ok(disk), |problem| Err(format!("{problem:?}")))
}

/// Cuts the power after every operation, in several ways; the first loss.
fn first_loss(disk: &SimDisk, before: &[(u64, Digest)]) -> Option<String> {
    for count in 0..=disk.len() {
        let seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(count as u64 + 1);
        for cut in [Cut::Drop, Cut::Keep, Cut::Tear(seed), Cut::Tear(!seed)] {
            let (image, mut acknowledged) = disk.cut(count, cut);
            acknowledged.extend(before);
            if let Err(loss) = check(image, &acknowledged) {
                return Some(format!("after {count} operations, {cut:?}: {loss}"));
            }
        }
    }
    None
}

/// A new ledger on `image`, with checkpoints as it grows.
fn growing(image: Image, lie: Lie) -> Option<String> {
    let disk = SimDisk::new(image, lie);
    let writer = open(&disk, true);
    append(&writer, &disk, 12);
    drop(writer);
    first_loss(&disk, &[])
}

#[test]
fn a_growing_ledger_loses_nothing() {
    assert_eq!(growing(Image::default(), Lie::None), None);
}

#[test]
fn a_disk_that_lies_about_its_syncs_is_caught() {
    // It was honest while the ledger was begun: what is lost is what was acknowledged, not the ledger's own key.
    let begun = SimDisk::default();
    drop(open(&begun, true));
    for lie in [Lie::Files, Lie::Dirs] {
        let loss = growing(begun.image(), lie).unwrap_or_else(|| panic!("{lie:?}: nothing was lost"));
        assert!(
            ["was acknowledged", "missing", "damaged", "restore the ledger"]
                .iter()
                .any(|word| loss.contains(word)),
            "{loss}"
        );
    }
}

#[test]
fn crossing_a_full_tile_loses_nothing() {
    let disk = SimDisk::default();
    let writer = open(&disk, true);
    append(&writer, &disk, 84);
    drop(writer);
    let before = disk.cut(disk.len(), Cut::Keep).1;
    assert_eq!(before.len(), 252);
    let disk = SimDisk::new(disk.image(), Lie::None);
    let writer = open(&disk, true);
    append(&writer, &disk, 4);
    drop(writer);
    assert_eq!(first_loss(&disk, &before), None);
}

#[test]
fn recovery_that_is_cut_itself_loses_nothing() {
    let disk = SimDisk::default();
    let writer = open(&disk, false);
    append(&writer, &disk, 8);
    // The power goes while everything is still in the write-ahead log.
    for cut in [Cut::Drop, Cut::Keep, Cut::Tear(1), Cut::Tear(3)] {
        let (image, before) = disk.cut(disk.len(), cut);
        assert_eq!(before.len(), 24);
        let again = SimDisk::new(image, Lie::None);
        let recovered = open(&again, false);
        append(&recovered, &again, 2);
        drop(recovered);
        assert_eq!(first_loss(&again, &before), None, "{cut:?}");
    }
    drop(writer);
}

#[test]
fn what_is_only_written_survives_the_process() {
    let disk = SimDisk::default();
    // A segment that holds all of it: beginning the next one is a sync, and those hang.
    let roomy = Options { segment: 1 << 20, ..options(false) };
    let writer = Writer::open(Arc::new(disk.clone()), signer(), roomy).unwrap();
    disk.hold_syncs(true);
    let receipts: Vec<_> =
        (0..10).map(|n| writer.append(record(n), Durability::Written).wait().unwrap()).collect();
    let (image, _) = disk.cut(disk.len(), Cut::Keep);
    let acknowledged: Vec<_> = receipts.iter().map(|receipt| (receipt.index, receipt.leaf)).collect();
    assert_eq!(check(image, &acknowledged).map(drop), Ok(()));
    disk.hold_syncs(false);
    drop(writer);
}
