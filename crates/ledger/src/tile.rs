//! How the tree lies in files: tiles and entry bundles as C2SP `tlog-tiles` lays them out, so that any C2SP client reads them.
//!
//! A tile holds up to 256 hashes of one level; levels here are the *tile's*: hash `n` of level `l` is the root of `256^l` leaves. A
//! bundle holds the leaves under one tile of level 0. This module only names files and encodes bytes; it never opens one.

use bailiwick_core::Digest;

/// Hashes in a full tile, and leaves in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Rows of the tree in one tile.
pub const TILE_HEIGHT: u32 = 8;
/// Bytes of a leaf at most: the length in a bundle has sixteen bits.
pub const MAX_LEAF: usize = u16::MAX as usize;

/// One file of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Which row of files.
    pub row: Row,
    /// Which file in its row, from the left.
    pub number: u64,
    /// How many hashes or leaves it holds, 1 to 256. Below 256 the tile is *partial*.
    pub width: u16,
}

/// A row of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// Entry bundles: the leaves themselves.
    Entries,
    /// Tiles of hashes at this level, 0 for leaf hashes.
    Level(u8),
}

impl Row {
    /// How many hashes (or leaves) this row holds in a tree of `size` leaves.
    pub const fn len(self, size: u64) -> u64 {
        match self {
            Self::Entries => size,
            Self::Level(level) => match (level as u32).checked_mul(TILE_HEIGHT) {
                Some(shift) if shift < u64::BITS => size >> shift,
                _ => 0,
            },
        }
    }

    /// The tile of this row that holds hash (or leaf) `index`, as wide as a tree of `size` leaves has it. `None` beyond the tree.
    pub fn tile_of(self, index: u64, size: u64) -> Option<Tile> {
        let number = index / TILE_WIDTH;
        let width =
            self.len(size).min((number + 1).saturating_mul(TILE_WIDTH)).checked_sub(number * TILE_WIDTH)?;
        let width = u16::try_from(width).ok().filter(|_| index < self.len(size))?;
        Some(Tile { row: self, number, width })
    }
}

impl Tile {
    /// Whether it can grow no further.
    pub const fn is_full(self) -> bool {
        self.width as u64 == TILE_WIDTH
    }

    /// The same tile once it is full.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { width: 256, ..self }
    }

    /// Its path below the log's directory: `tile/0/x001/x234/067` or `tile/entries/000.p/112`.
    pub fn path(self) -> String {
        if self.is_full() { self.stem() } else { format!("{}/{}", self.partials(), self.width) }
    }

    /// The directory its partial versions lie in.
    pub fn partials(self) -> String {
        format!("{}.p", self.stem())
    }

    fn stem(self) -> String {
        let mut groups = vec![format!("{:03}", self.number % 1000)];
        let mut rest = self.number / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        match self.row {
            Row::Entries => format!("tile/entries/{}", groups.join("/")),
            Row::Level(level) => format!("tile/{level}/{}", groups.join("/")),
        }
    }
}

/// The bytes of a tile with these hashes.
pub fn encode_hashes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(Digest::as_bytes).copied().collect()
}

/// The hashes of a tile of this width. `None` if `bytes` is not exactly that.
pub fn decode_hashes(bytes: &[u8], width: u16) -> Option<Vec<Digest>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && hashes.len() == usize::from(width))
        .then(|| hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect())
}

/// Appends a leaf to a bundle. `false`, and nothing appended, if it is longer than [`MAX_LEAF`].
pub fn push_entry(bundle: &mut Vec<u8>, leaf: &[u8]) -> bool {
    let Ok(length) = u16::try_from(leaf.len()) else { return false };
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(leaf);
    true
}

/// The leaves of a bundle, in order. Yields `None` once, last, if the bytes end within a leaf.
pub fn entries(bundle: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let leaf = rest
            .split_first_chunk::<2>()
            .and_then(|(length, tail)| tail.split_at_checked(usize::from(u16::from_be_bytes(*length))));
        let (leaf, tail) = leaf.map_or((None, [].as_slice()), |(leaf, tail)| (Some(leaf), tail));
        rest = tail;
        Some(leaf)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |row, number, width| Tile { row, number, width }.path();
        assert_eq!(tile(Row::Level(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile(Row::Level(1), 0, 17), "tile/1/000.p/17");
        assert_eq!(tile(Row::Entries, 273, 112), "tile/entries/273.p/112");
        assert_eq!(tile(Row::Entries, 1000, 256), "tile/entries/x001/000");
    }

    #[test]
    fn a_tree_of_seventy_thousand_has_the_tiles_of_the_specification() {
        let tile = |row: Row, index| row.tile_of(index, 70_000).map(|tile| (tile.number, tile.width));
        assert_eq!(tile(Row::Level(0), 69_999), Some((273, 112)));
        assert_eq!(tile(Row::Level(0), 0), Some((0, 256)));
        assert_eq!(tile(Row::Level(1), 255), Some((0, 256)));
        assert_eq!(tile(Row::Level(1), 272), Some((1, 17)));
        assert_eq!(tile(Row::Level(1), 273), None);
        assert_eq!(tile(Row::Level(2), 0), Some((0, 1)));
        assert_eq!(tile(Row::Level(3), 0), None);
        assert_eq!(tile(Row::Level(40), 0), None);
        assert_eq!(tile(Row::Entries, 70_000), None);
    }

    #[test]
    fn a_bundle_cut_short_says_so() {
        let mut bundle = Vec::new();
        assert!(push_entry(&mut bundle, b"one") && push_entry(&mut bundle, b""));
        assert!(!push_entry(&mut bundle, &vec![0; MAX_LEAF + 1]));
        assert_eq!(entries(&bundle).collect::<Vec<_>>(), [Some(&b"one"[..]), Some(b"")]);
        for cut in [1, 2, 4, 6] {
            assert_eq!(entries(&bundle[..cut]).last(), Some(None), "{cut}");
        }
    }

    #[test]
    fn a_tile_of_another_width_is_no_tile() {
        let hashes = [Digest::of(b"a"), Digest::of(b"b")];
        let bytes = encode_hashes(&hashes);
        assert_eq!(decode_hashes(&bytes, 2), Some(hashes.to_vec()));
        assert_eq!(decode_hashes(&bytes, 1), None);
        assert_eq!(decode_hashes(&bytes[1..], 2), None);
    }
}
