//! Inclusion and consistency proofs: making them (RFC 6962, sections 2.1.1 and 2.1.2) and checking them (RFC 9162, sections 2.1.3.2
//! and 2.1.4.2, which states the same checks as loops).
//!
//! A check must never be told which way to walk by the proof itself: the shape follows from index and sizes alone.

use bailiwick_core::Digest;

use super::{empty_root, node_hash};

/// Where the hashes of perfect subtrees come from.
pub trait Nodes {
    /// Why a hash could not be had.
    type Error;

    /// The root of the leaves `index << level .. (index + 1) << level`.
    ///
    /// # Errors
    /// Whatever keeps the hash from being read.
    fn node(&self, level: u32, index: u64) -> Result<Digest, Self::Error>;
}

/// A proof does not prove what it is said to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf's index is not in the tree.
    #[error("index {index} is not in a tree of {size} leaves")]
    Index {
        /// The leaf's index.
        index: u64,
        /// The tree's number of leaves.
        size: u64,
    },
    /// The proof has too few or too many hashes.
    #[error("the proof has {found} hashes, and that is not how many this tree needs")]
    Length {
        /// How many there were.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
    /// A tree cannot have grown into a smaller one.
    #[error("a tree of {old} leaves cannot have grown into one of {new}")]
    Shrunk {
        /// Leaves before.
        old: u64,
        /// Leaves after.
        new: u64,
    },
}

/// The root of the leaves `from..to`, where `from` is a multiple of the smallest power of two that is at least `to - from`.
///
/// # Errors
/// Whatever `nodes` reports.
pub fn range_root<N: Nodes>(from: u64, to: u64, nodes: &N) -> Result<Digest, N::Error> {
    let mut peaks = Vec::new();
    let mut start = from;
    while start < to {
        let level = (to - start).ilog2();
        peaks.push(nodes.node(level, start >> level)?);
        start += 1 << level;
    }
    let mut peaks = peaks.into_iter().rev();
    let Some(last) = peaks.next() else { return Ok(empty_root()) };
    Ok(peaks.fold(last, |right, left| node_hash(&left, &right)))
}

/// Where a tree of `width` leaves, at least two, divides: the largest power of two below `width`.
const fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// The proof that the leaf at `index` is in the tree of `size` leaves: its sibling first, the root's child last. Empty if `index` is
/// not in the tree.
///
/// # Errors
/// Whatever `nodes` reports.
pub fn inclusion<N: Nodes>(index: u64, size: u64, nodes: &N) -> Result<Vec<Digest>, N::Error> {
    let mut path = Vec::new();
    let (mut from, mut to) = (0, size);
    while index < size && to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(range_root(middle, to, nodes)?);
            to = middle;
        } else {
            path.push(range_root(from, middle, nodes)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves. Empty if either is empty or both are the same.
///
/// # Errors
/// Whatever `nodes` reports.
pub fn consistency<N: Nodes>(old: u64, new: u64, nodes: &N) -> Result<Vec<Digest>, N::Error> {
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return Ok(path);
    }
    let (mut from, mut to, mut whole) = (0, new, true);
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            path.push(range_root(middle, to, nodes)?);
            to = middle;
        } else {
            path.push(range_root(from, middle, nodes)?);
            from = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range_root(from, to, nodes)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` is the hash of the leaf at `index` in the tree of `size` leaves with this `root`.
///
/// # Errors
/// [`ProofError`] says what does not fit.
pub fn verify_inclusion(
    leaf: Digest,
    index: u64,
    size: u64,
    root: Digest,
    path: &[Digest],
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return Err(ProofError::Length { found: path.len() });
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last, hash == root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        (_, _) => Err(ProofError::Length { found: path.len() }),
    }
}

/// Checks that the tree `(new, new_root)` begins with the tree `(old, old_root)`.
///
/// # Errors
/// [`ProofError`] says what does not fit.
pub fn verify_consistency(
    (old, old_root): (u64, Digest),
    (new, new_root): (u64, Digest),
    path: &[Digest],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    if old == 0 || old == new {
        let same = if old == 0 { old_root == empty_root() } else { old_root == new_root };
        return match (path.is_empty(), same) {
            (true, true) => Ok(()),
            (true, false) => Err(ProofError::Root),
            (false, _) => Err(ProofError::Length { found: path.len() }),
        };
    }
    let length = ProofError::Length { found: path.len() };
    let mut hashes = path.iter().copied();
    let seed = if old.is_power_of_two() { Some(old_root) } else { hashes.next() }.ok_or(length)?;
    // Up to the peak that ends the old tree: below it the two trees are the same.
    let skip = (old - 1).trailing_ones();
    let (mut node, mut last) = ((old - 1) >> skip, (new - 1) >> skip);
    let (mut before, mut after) = (seed, seed);
    for hash in hashes {
        if last == 0 {
            return Err(length);
        }
        if node & 1 == 1 || node == last {
            before = node_hash(&hash, &before);
            after = node_hash(&hash, &after);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            after = node_hash(&after, &hash);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last, before == old_root && after == new_root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        (_, _) => Err(length),
    }
}
