//! What lies where in a ledger's directory: `checkpoint` and `tile/` as C2SP has them, and beside them the log's verifier key, the
//! heads of the sessions' chains, and the write-ahead log.

/// The signed checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// The verifier key, in `note` form.
pub(crate) const VERIFIER: &str = "log.vkey";
/// The directory of chain heads.
pub(crate) const HEADS: &str = "heads";

/// The last record of each open session, as of a tree of `size` leaves.
pub(crate) fn heads_path(size: u64) -> String {
    format!("{HEADS}/{size:020}.json")
}
