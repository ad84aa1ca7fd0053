//! The Merkle tree of RFC 6962, section 2.1: how a leaf and a node are hashed, and the right edge of a growing tree.
//!
//! Everything here is arithmetic over digests: no file, no clock, no key. Two trees of the same leaves have the same root on every
//! machine and for all time, so nothing in this module may ever depend on how or where leaves are stored.

use bailiwick_core::Digest;
use sha2::{Digest as _, Sha256};

mod proof;

pub use proof::{
    Nodes, ProofError, consistency, inclusion, range_root, verify_consistency, verify_inclusion,
};

/// What a leaf hashes to: SHA-256 of `0x00` and the leaf's bytes.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(leaf);
    Digest::from_bytes(hasher.finalize().into())
}

/// What an inner node hashes to: SHA-256 of `0x01` and its two children.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left.as_bytes());
    input[33..].copy_from_slice(right.as_bytes());
    Digest::of(&input)
}

/// The root of the tree with no leaves: SHA-256 of nothing.
pub fn empty_root() -> Digest {
    Digest::of(&[])
}

/// The root of a perfect subtree with these hashes, a power of two of them, as its lowest row.
pub fn perfect_root(mut row: Vec<Digest>) -> Digest {
    debug_assert!(row.len().is_power_of_two(), "a perfect subtree has a power of two of leaves");
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row.first().copied().unwrap_or_else(empty_root)
}

/// The right edge of a growing tree: the roots of the perfect subtrees it is made of, largest first.
///
/// It is all that is needed to append a leaf and to know the root, and it holds at most 64 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The edge of the tree of `size` leaves whose perfect subtrees, largest first, have these roots. `None` if their number is not
    /// the number of ones in `size`.
    pub fn from_peaks(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests;
