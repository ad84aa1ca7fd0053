//! What sessions were exposed to, by the directory they worked in.

use bailiwick_core::Labels;

use crate::StoreError;

/// The labels of workspaces. Every change is durable when its call returns.
pub trait ExposureStore: std::fmt::Debug + Send + Sync {
    /// What sessions were exposed to in each workspace, by its directory.
    ///
    /// # Errors
    /// If it cannot *all* be read.
    fn exposures(&self) -> Result<Vec<(String, Labels)>, StoreError>;

    /// Keeps what sessions were exposed to in these workspaces, in place of what was kept before: all of it, or nothing.
    ///
    /// # Errors
    /// If it is not certain that it is durable.
    fn put_exposures(&self, exposures: &[(String, Labels)]) -> Result<(), StoreError>;

    /// Forgets what sessions were exposed to in these workspaces.
    ///
    /// # Errors
    /// If that cannot be made durable.
    fn remove_exposures(&self, workspaces: &[String]) -> Result<(), StoreError>;
}
