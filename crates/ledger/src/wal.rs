//! The write-ahead log's bytes: what is written before an append is acknowledged.
//!
//! A segment is a file of fixed length, filled beforehand so that a sync changes no metadata, and named for its first record. It
//! holds frames, one for each group of records written together. A frame's *seal* is a hash over its header, the seal before it and
//! the hashes of its leaves: a frame that was torn, or is left over from an earlier use of the file, does not fit. Each frame also
//! says how many records were durable when it was written; so a frame that is damaged *before* a point that a later frame calls
//! durable is told apart from one that a crash cut off, and is never silently dropped.

use bailiwick_core::Digest;
use sha2::{Digest as _, Sha256};

use crate::{tile, tree::leaf_hash};

const MAGIC: [u8; 8] = *b"bwledg01";
/// Magic, first index, durable count, leaf count, payload bytes, previous seal, seal.
const HEADER: usize = 8 + 8 + 8 + 4 + 4 + 32 + 32;
/// Frames begin at multiples of this.
const ALIGN: usize = 8;

/// The directory of segments.
pub(crate) const DIR: &str = "wal";

/// The path of the segment whose first record is `first`.
pub(crate) fn segment_path(first: u64) -> String {
    format!("{DIR}/{first:020}.wal")
}

/// The first record of the segment of this name.
pub(crate) fn segment_first(name: &str) -> Option<u64> {
    name.strip_suffix(".wal").filter(|digits| digits.len() == 20)?.parse().ok()
}

/// The seal before the first frame of the segment whose first record is `first`.
pub(crate) fn genesis(first: u64) -> Digest {
    Digest::of(format!("bailiwick ledger segment {first}").as_bytes())
}

/// How long a frame with this much payload is.
pub(crate) const fn frame_len(payload: usize) -> usize {
    (HEADER + payload).next_multiple_of(ALIGN)
}

/// A group of records as it is written.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The index of its first record.
    pub(crate) first: u64,
    /// How many records were durable when it was written.
    pub(crate) durable: u64,
    /// The seal before.
    pub(crate) previous: Digest,
    /// The records, each with its leaf hash.
    pub(crate) leaves: Vec<(Vec<u8>, Digest)>,
    /// Its own seal.
    pub(crate) seal: Digest,
}

fn seal(header: &[u8], previous: &Digest, hashes: impl Iterator<Item = Digest>) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(header);
    hasher.update(previous.as_bytes());
    for hash in hashes {
        hasher.update(hash.as_bytes());
    }
    Digest::from_bytes(hasher.finalize().into())
}

/// The bytes of a frame, and its seal. `payload` is a bundle of the leaves whose hashes are `hashes`. `None` if there are too many.
pub(crate) fn encode(
    first: u64,
    durable: u64,
    previous: &Digest,
    payload: &[u8],
    hashes: &[Digest],
) -> Option<(Vec<u8>, Digest)> {
    let mut bytes = Vec::with_capacity(frame_len(payload.len()));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes.extend_from_slice(&durable.to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(hashes.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(payload.len()).ok()?.to_be_bytes());
    let seal = seal(&bytes, previous, hashes.iter().copied());
    bytes.extend_from_slice(previous.as_bytes());
    bytes.extend_from_slice(seal.as_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(frame_len(payload.len()), 0);
    Some((bytes, seal))
}

/// The frame at the beginning of `bytes`, and its length, if there is a whole one whose seal fits.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Frame, usize)> {
    let header = bytes.first_chunk::<HEADER>()?;
    let word = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    let half = |at: usize| header[at..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes) as usize);
    let digest = |at: usize| header[at..].first_chunk().map(|bytes| Digest::from_bytes(*bytes));
    if header[..8] != MAGIC {
        return None;
    }
    let (first, durable, count, length) = (word(8)?, word(16)?, half(24)?, half(28)?);
    let (previous, sealed) = (digest(32)?, digest(64)?);
    let payload = bytes.get(HEADER..HEADER.checked_add(length)?)?;
    let leaves = tile::entries(payload)
        .map(|leaf| leaf.map(|leaf| (leaf.to_vec(), leaf_hash(leaf))))
        .collect::<Option<Vec<_>>>()?;
    let fits =
        leaves.len() == count && sealed == seal(&header[..32], &previous, leaves.iter().map(|leaf| leaf.1));
    fits.then(|| (Frame { first, durable, previous, leaves, seal: sealed }, frame_len(length)))
}

/// What a segment holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The records from the segment's first on, without a gap.
    pub(crate) leaves: Vec<(Vec<u8>, Digest)>,
    /// The largest number of records that any frame beyond calls durable.
    pub(crate) durable: u64,
}

/// Reads the segment whose first record is `first`.
pub(crate) fn scan(bytes: &[u8], first: u64) -> Scan {
    let mut scan = Scan::default();
    let mut seal = genesis(first);
    let mut at = 0;
    while let Some((frame, length)) = bytes.get(at..).and_then(decode) {
        if frame.first != first + scan.leaves.len() as u64 || frame.previous != seal {
            break;
        }
        scan.durable = scan.durable.max(frame.durable);
        seal = frame.seal;
        scan.leaves.extend(frame.leaves);
        at += length;
    }
    // Beyond the last frame that follows on: nothing that can be used, but perhaps a claim that something is missing.
    let rest = bytes.get(at..).unwrap_or_default();
    for (step, chunk) in rest.chunks_exact(ALIGN).enumerate() {
        if chunk == MAGIC
            && let Some((frame, _)) = decode(&rest[step * ALIGN..])
        {
            scan.durable = scan.durable.max(frame.durable);
        }
    }
    scan
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(first: u64, durable: u64, previous: &Digest, leaves: &[&[u8]]) -> (Vec<u8>, Digest) {
        let mut payload = Vec::new();
        assert!(leaves.iter().all(|leaf| tile::push_entry(&mut payload, leaf)));
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        encode(first, durable, previous, &payload, &hashes).unwrap()
    }

    /// Three frames of two records each, in a segment that begins at record 10, with room to spare.
    fn segment() -> (Vec<u8>, [usize; 3]) {
        let (mut bytes, mut seal) = (Vec::new(), genesis(10));
        let mut ends = [0; 3];
        for (n, end) in (0u64..).zip(&mut ends) {
            let (frame, next) = frame(10 + 2 * n, 10 + 2 * n, &seal, &[b"one", &[n as u8; 100]]);
            bytes.extend(frame);
            *end = bytes.len();
            seal = next;
        }
        bytes.resize(4096, 0);
        (bytes, ends)
    }

    #[test]
    fn names_of_segments() {
        assert_eq!(segment_first("00000000000000000042.wal"), Some(42));
        assert_eq!(segment_first("42.wal"), None);
        assert_eq!(segment_first("spare"), None);
        assert_eq!(segment_path(42), "wal/00000000000000000042.wal");
    }

    #[test]
    fn a_whole_segment_is_read_and_another_name_is_not_believed() {
        let (bytes, _) = segment();
        assert_eq!(scan(&bytes, 10).leaves.len(), 6);
        assert_eq!(scan(&bytes, 12).leaves.len(), 0);
    }

    #[test]
    fn a_torn_last_frame_is_dropped_without_a_claim() {
        let (mut bytes, ends) = segment();
        bytes[ends[2] - 10] ^= 1;
        let found = scan(&bytes, 10);
        assert_eq!((found.leaves.len(), found.durable), (4, 12));
    }

    #[test]
    fn a_damaged_frame_before_a_durable_point_is_noticed() {
        let (mut bytes, ends) = segment();
        bytes[ends[1] - 10] ^= 1;
        let found = scan(&bytes, 10);
        assert_eq!(found.leaves.len(), 2);
        assert!(found.durable > 10 + 2, "the third frame says that the second was durable");
    }

    proptest! {
        #[test]
        fn no_single_flipped_bit_yields_another_record(at in 0usize..4096, bit in 0u8..8) {
            let (bytes, ends) = segment();
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let found = scan(&flipped, 10).leaves;
            let whole = scan(&bytes, 10).leaves;
            prop_assert!(whole.starts_with(&found));
            // A flip in padding or beyond the last frame changes nothing; elsewhere its frame is gone.
            let frame = ends.iter().position(|end| at < *end).unwrap_or(3);
            prop_assert!(found.len() == 6 || found.len() == 2 * frame);
        }
    }
}
