//! The daemon: starting one when none answers, and being one.

mod serve;
mod start;

pub(crate) use serve::serve;
pub(crate) use start::ensure;
