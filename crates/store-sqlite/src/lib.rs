//! The embedded store, in SQLite: [`SqliteState`] keeps what must not be lost, [`SqliteIndex`] answers questions about the ledger.
//!
//! They are two files on purpose. State is written rarely and synced in full before a call returns. The index follows the ledger on a
//! thread of its own, is never in the way of a commit, and is built again when it is lost, damaged or belongs to another ledger.

mod database;
mod index;
mod migration;
mod state;

pub use index::SqliteIndex;
pub use state::SqliteState;
