use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

/// RFC 6962's definitions, word for word and slow: the reference the real code is held against.
mod reference {
    use bailiwick_core::Digest;

    use super::{empty_root, leaf_hash, node_hash};

    fn split(n: usize) -> usize {
        let mut k = 1;
        while k * 2 < n {
            k *= 2;
        }
        k
    }

    pub(super) fn mth(leaves: &[Vec<u8>]) -> Digest {
        match leaves {
            [] => empty_root(),
            [one] => leaf_hash(one),
            many => {
                let k = split(many.len());
                node_hash(&mth(&many[..k]), &mth(&many[k..]))
            }
        }
    }

    pub(super) fn path(m: usize, leaves: &[Vec<u8>]) -> Vec<Digest> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = split(leaves.len());
        let (mut inner, sibling) = if m < k {
            (path(m, &leaves[..k]), mth(&leaves[k..]))
        } else {
            (path(m - k, &leaves[k..]), mth(&leaves[..k]))
        };
        inner.push(sibling);
        inner
    }

    pub(super) fn subproof(m: usize, leaves: &[Vec<u8>], whole: bool) -> Vec<Digest> {
        if m == leaves.len() {
            return if whole { Vec::new() } else { vec![mth(leaves)] };
        }
        let k = split(leaves.len());
        let (mut inner, sibling) = if m <= k {
            (subproof(m, &leaves[..k], whole), mth(&leaves[k..]))
        } else {
            (subproof(m - k, &leaves[k..], false), mth(&leaves[..k]))
        };
        inner.push(sibling);
        inner
    }
}

struct Leaves(Vec<Vec<u8>>);

impl Nodes for Leaves {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<Digest, Infallible> {
        let from = usize::try_from(index << level).unwrap();
        Ok(perfect_root(self.0[from..from + (1 << level)].iter().map(|leaf| leaf_hash(leaf)).collect()))
    }
}

fn leaves(count: u64) -> Leaves {
    Leaves((0..count).map(|n| n.to_be_bytes().to_vec()).collect())
}

fn as_usize(n: u64) -> usize {
    usize::try_from(n).unwrap()
}

/// The test leaves of the Certificate Transparency reference implementation (`merkle_tree_test.cc`).
fn ct_leaves() -> Leaves {
    Leaves(
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
            .map(|text| hex::decode(text).unwrap())
            .to_vec(),
    )
}

fn digests(texts: &[&str]) -> Vec<Digest> {
    texts.iter().map(|text| format!("sha256:{text}").parse().unwrap()).collect()
}

#[test]
fn roots_match_the_certificate_transparency_vectors() {
    let expected = digests(&[
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]);
    let mut frontier = Frontier::default();
    assert_eq!(
        frontier.root(),
        digests(&["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])[0]
    );
    for (leaf, root) in ct_leaves().0.iter().zip(expected) {
        frontier.push(leaf_hash(leaf));
        assert_eq!(frontier.root(), root);
    }
}

#[test]
fn paths_match_the_certificate_transparency_vectors() {
    let tree = ct_leaves();
    let inclusions: [(u64, u64, &[&str]); 4] = [
        (0, 1, &[]),
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ];
    for (index, size, path) in inclusions {
        assert_eq!(inclusion(index, size, &tree).unwrap(), digests(path), "leaf {index} of {size}");
    }
    let growth: [(u64, u64, &[&str]); 3] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    for (old, new, path) in growth {
        assert_eq!(consistency(old, new, &tree).unwrap(), digests(path), "{old} to {new}");
    }
}

#[test]
fn every_prefix_of_a_small_tree_agrees_with_the_definition() {
    let tree = leaves(70);
    let mut frontier = Frontier::default();
    let mut roots = vec![frontier.root()];
    for size in 1..=tree.0.len() {
        frontier.push(leaf_hash(&tree.0[size - 1]));
        roots.push(frontier.root());
        assert_eq!(frontier.root(), reference::mth(&tree.0[..size]));
    }
    for size in 1..=70u64 {
        let prefix = &tree.0[..as_usize(size)];
        let root = roots[as_usize(size)];
        for index in 0..size {
            let path = inclusion(index, size, &tree).unwrap();
            assert_eq!(path, reference::path(as_usize(index), prefix));
            verify_inclusion(leaf_hash(&prefix[as_usize(index)]), index, size, root, &path).unwrap();
        }
        for old in 0..=size {
            let path = consistency(old, size, &tree).unwrap();
            if old > 0 {
                assert_eq!(path, reference::subproof(as_usize(old), prefix, true));
            }
            verify_consistency((old, roots[as_usize(old)]), (size, root), &path).unwrap();
        }
    }
}

#[test]
fn a_tree_never_shrinks_and_an_index_must_be_inside() {
    let root = empty_root();
    assert_eq!(verify_consistency((2, root), (1, root), &[]), Err(ProofError::Shrunk { old: 2, new: 1 }));
    assert_eq!(verify_inclusion(root, 1, 1, root, &[]), Err(ProofError::Index { index: 1, size: 1 }));
    assert_eq!(verify_inclusion(root, 0, 0, root, &[]), Err(ProofError::Index { index: 0, size: 0 }));
    assert_eq!(verify_consistency((0, Digest::of(b"not empty")), (1, root), &[]), Err(ProofError::Root));
}

proptest! {
    #[test]
    fn a_changed_proof_proves_nothing(size in 2u64..300, at: prop::sample::Index, bit in 0usize..256, which: prop::sample::Index) {
        let tree = leaves(size);
        let index = at.index(as_usize(size)) as u64;
        let root = reference::mth(&tree.0);
        let leaf = leaf_hash(&tree.0[as_usize(index)]);
        let path = inclusion(index, size, &tree).unwrap();
        prop_assert_eq!(verify_inclusion(leaf, index, size, root, &path), Ok(()));

        let mut flipped = path.clone();
        let victim = which.index(path.len());
        let mut bytes = *flipped[victim].as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        flipped[victim] = Digest::from_bytes(bytes);
        prop_assert_eq!(verify_inclusion(leaf, index, size, root, &flipped), Err(ProofError::Root));

        prop_assert!(verify_inclusion(leaf, index, size, root, &path[1..]).is_err());
        let longer: Vec<_> = path.iter().copied().chain([leaf]).collect();
        prop_assert!(verify_inclusion(leaf, index, size, root, &longer).is_err());
        prop_assert!(verify_inclusion(leaf, (index + 1) % size, size, root, &path).is_err());
    }

    #[test]
    fn a_rewritten_history_is_not_consistent(old in 1u64..150, more in 1u64..150, at: prop::sample::Index) {
        let new = old + more;
        let honest = leaves(new);
        let mut forged = leaves(new);
        forged.0[at.index(as_usize(old))] = b"another history".to_vec();
        let before = (old, reference::mth(&honest.0[..as_usize(old)]));
        let path = consistency(old, new, &honest).unwrap();
        prop_assert_eq!(verify_consistency(before, (new, reference::mth(&honest.0)), &path), Ok(()));
        let path = consistency(old, new, &forged).unwrap();
        prop_assert!(verify_consistency(before, (new, reference::mth(&forged.0)), &path).is_err());
    }
}
