//! What can go wrong with a store.

use std::path::PathBuf;

/// A store did not do what was asked, or cannot say that it did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A reference fits several things.
    #[error("`{reference}` fits more than one {what}: give more of the id")]
    Ambiguous {
        /// What was asked for.
        reference: String,
        /// What kind of thing.
        what: &'static str,
    },
    /// Something is there that must not be there twice.
    #[error("{0} is there already")]
    Conflict(String),
    /// The database is not what it was.
    #[error("the database {} is damaged ({detail}); {remedy}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        detail: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The database could not do it.
    #[error("the database {} failed: {detail}", path.display())]
    Failed {
        /// Which file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The ledger that an index follows.
    #[error("the ledger cannot be read: {0}")]
    Ledger(String),
    /// A newer build wrote it.
    #[error(
        "the database {} has form {found}, and this build knows {known} at most: run the newer build, or restore an older backup",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The newest form this build knows.
        known: i64,
    },
    /// Nothing of that name to change.
    #[error("there is no {what} `{reference}`")]
    Unknown {
        /// What was asked for.
        reference: String,
        /// What kind of thing.
        what: &'static str,
    },
}
