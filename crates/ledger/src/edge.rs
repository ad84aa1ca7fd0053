//! The right edge of the tree as files: what is not yet in a full tile or bundle, and which files a new leaf completes.
//!
//! Pure: it says what to write where, and never writes.

use bailiwick_core::Digest;

use crate::{
    tile::{self, Row, TILE_WIDTH, Tile},
    tree::{Frontier, empty_root, perfect_root},
};

/// The unfinished files of a tree: the last bundle, and the last tile of each level.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    size: u64,
    bundle: Vec<u8>,
    levels: Vec<Vec<Digest>>,
}

/// A file of the tree and its bytes.
pub(crate) type TileFile = (Tile, Vec<u8>);

impl Edge {
    /// The edge of the tree of `size` leaves with these contents of its unfinished files. `None` if a length does not fit.
    pub(crate) fn new(size: u64, bundle: Vec<u8>, levels: Vec<Vec<Digest>>) -> Option<Self> {
        let fits = |(level, hashes): (usize, &Vec<Digest>)| {
            let level = u8::try_from(level).ok()?;
            Some(hashes.len() as u64 == Row::Level(level).len(size) % TILE_WIDTH)
        };
        let all = levels.iter().enumerate().map(fits).all(|fit| fit == Some(true));
        (all && levels.len() == Self::height(size)).then_some(Self { size, bundle, levels })
    }

    /// How many levels of tiles a tree of `size` leaves has.
    pub(crate) const fn height(size: u64) -> usize {
        if size == 0 { 0 } else { size.ilog2() as usize / tile::TILE_HEIGHT as usize + 1 }
    }

    /// How many leaves the tree has.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; files that it completes are added to `full`. `false`, with nothing changed, if the leaf is too long.
    pub(crate) fn push(&mut self, leaf: &[u8], hash: Digest, full: &mut Vec<TileFile>) -> bool {
        if !tile::push_entry(&mut self.bundle, leaf) {
            return false;
        }
        let number = self.size / TILE_WIDTH;
        self.size += 1;
        if self.size.is_multiple_of(TILE_WIDTH) {
            let bundle = std::mem::take(&mut self.bundle);
            full.push((Tile { row: Row::Entries, number, width: 256 }, bundle));
        }
        self.carry(0, hash, full);
        true
    }

    /// Appends 256 leaves whose root is `root`, all under one tile of level 0; of a tree whose size is a multiple of 256.
    pub(crate) fn push_tile(&mut self, root: Digest, full: &mut Vec<TileFile>) {
        self.size += TILE_WIDTH;
        if self.levels.is_empty() {
            self.levels.push(Vec::new());
        }
        self.carry(1, root, full);
    }

    fn carry(&mut self, level: u8, hash: Digest, full: &mut Vec<TileFile>) {
        let mut carry = Some(hash);
        for level in level.. {
            let Some(hash) = carry.take() else { break };
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[at];
            hashes.push(hash);
            if hashes.len() as u64 == TILE_WIDTH {
                let row = Row::Level(level);
                let tile = Tile { row, number: row.len(self.size) / TILE_WIDTH - 1, width: 256 };
                full.push((tile, tile::encode_hashes(hashes)));
                carry = Some(perfect_root(std::mem::take(hashes)));
            }
        }
    }

    /// The unfinished files that differ from those of the tree of `since` leaves.
    pub(crate) fn partial(&self, since: u64) -> Vec<TileFile> {
        let changed = |row: Row| {
            let (number, width) = (row.len(self.size) / TILE_WIDTH, row.len(self.size) % TILE_WIDTH);
            let width = u16::try_from(width).unwrap_or_default();
            (width > 0 && row.len(since) != row.len(self.size)).then_some(Tile { row, number, width })
        };
        let bundle = changed(Row::Entries).map(|tile| (tile, self.bundle.clone()));
        let levels = (0u8..).zip(&self.levels).filter_map(|(level, hashes)| {
            changed(Row::Level(level)).map(|tile| (tile, tile::encode_hashes(hashes)))
        });
        bundle.into_iter().chain(levels).collect()
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Digest {
        let mut peaks = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let (peak, tail) = rest.split_at(1 << rest.len().ilog2());
                peaks.push(perfect_root(peak.to_vec()));
                rest = tail;
            }
        }
        Frontier::from_peaks(self.size, peaks).map_or_else(empty_root, |frontier| frontier.root())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::tree::leaf_hash;

    #[test]
    fn roots_and_files_are_those_of_the_specification_at_every_size() {
        let (mut edge, mut frontier) = (Edge::default(), Frontier::default());
        let mut files = BTreeMap::new();
        for n in 0u64..70_000 {
            let leaf = n.to_be_bytes();
            let mut full = Vec::new();
            assert!(edge.push(&leaf, leaf_hash(&leaf), &mut full));
            frontier.push(leaf_hash(&leaf));
            files.extend(full.into_iter().map(|(tile, bytes)| (tile.path(), bytes.len())));
            if n % 997 == 0 || n % 256 > 253 {
                assert_eq!(edge.root(), frontier.root(), "{n}");
            }
        }
        files.extend(edge.partial(0).into_iter().map(|(tile, bytes)| (tile.path(), bytes.len())));
        let count = |prefix: &str| files.keys().filter(|path| path.starts_with(prefix)).count();
        assert_eq!(
            (count("tile/0/"), count("tile/1/"), count("tile/2/"), count("tile/entries/")),
            (274, 2, 1, 274)
        );
        assert_eq!(files["tile/0/273.p/112"], 112 * 32);
        assert_eq!(files["tile/1/001.p/17"], 17 * 32);
        assert_eq!(files["tile/2/000.p/1"], 32);
        assert_eq!(files["tile/entries/273.p/112"], 112 * 10);
        assert_eq!(edge.partial(edge.size()), []);
    }

    #[test]
    fn an_edge_of_other_lengths_is_refused() {
        assert!(Edge::new(2, Vec::new(), vec![vec![empty_root(); 2]]).is_some());
        assert!(Edge::new(2, Vec::new(), vec![vec![empty_root()]]).is_none());
        assert!(Edge::new(2, Vec::new(), Vec::new()).is_none());
        assert!(Edge::new(256, Vec::new(), vec![Vec::new(), vec![empty_root()]]).is_some());
    }
}
