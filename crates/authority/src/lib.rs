//! The use cases: open a session, delegate, decide and record, lock, look. Owns what is live and what is on record.
//!
//! [`Gate`] is the one way through that every protocol takes; [`Authority`] is everything a person or a launcher asks for. Neither
//! parses a protocol, and neither ever sees a secret: the broker does.

mod approvals;
mod authority;
mod claims;
mod clock;
mod exposure;
mod gate;
mod home;
mod journal;
mod kept;
mod live;
mod plane;
mod settings;
mod snapshot;
mod vault_rows;
mod watch;

pub use approvals::Announced;
pub use authority::{Authority, AuthorityError, OpenRequest, Parts, Questions};
pub use bailiwick_ledger::{CapturedCount, OutcomeStatus};
pub use clock::Clock;
pub use gate::{
    Admission, Attempt, Bound, Denied, Found, Gate, Outcome, TokenAnswer, TokenEndpoint, Weighed,
};
pub use home::{Home, HomeError, create as create_home};
pub use journal::captured_use;
pub use live::{Ended, LiveSession, Tally};
pub use plane::{Answer, DataPlane, Dummy, Listeners, SessionPlane, Surroundings, Verdict};
pub use settings::{
    ApprovalSettings, PolicySettings, QuotaSettings, SessionSettings, Settings, SettingsError,
};
pub use snapshot::{Additions, LoadError, Snapshot};
pub use vault_rows::VaultRows;
