//! What a push carries: which of the files that take effect once they are pushed differ from every branch that the forge has.
//!
//! A push names objects, and an object's name is the digest of what is in it. So it does not matter where an object is read from, the pack
//! or a repository that the agent can write, as long as it is what its name says: everything here that is believed has been hashed by us.
//! What cannot be read is never taken for unchanged; it is [`Unseen`].
//!
//! Git itself unpacks (`git index-pack`, `git cat-file`), in a repository of its own without anybody's configuration, with bounded time, memory and
//! bytes. This crate decides nothing, and writes nothing but a directory that is gone when it is done.

mod advertised;
mod carried;
mod confined;
mod id;
mod objects;
mod scratch;
mod store;
mod tree;

pub use advertised::Heads;
pub use carried::{Push, carried};
pub use id::{Format, Id};
pub use scratch::Workroom;
pub use store::store_of;

/// Why it is not known what a push changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unseen {
    /// The forge has not said which branches it has, or none of them is here.
    #[error(
        "none of the branches that the forge has is in the repository that is pushed from, so there is nothing to compare with"
    )]
    NoBase,
    /// An object that the comparison needs is nowhere to be found.
    #[error("object {0} is neither in the push nor in the repository that is pushed from")]
    Missing(Id),
    /// An object is not what its name says, or not of its kind.
    #[error("object {0} is not what its name says")]
    False(Id),
    /// Git could not read what was sent.
    #[error("git cannot read the pack: {0}")]
    Pack(String),
    /// There is more than is looked through.
    #[error("it is more than is looked through ({0})")]
    TooMuch(&'static str),
    /// Git could not be run, or did not answer in time.
    #[error("git could not be asked: {0}")]
    Git(String),
}
