//! Attacks on the gateway: launched by hostile code inside the sandbox, through the real command line, judged by what the
//! upstream saw.
//!
//! Each suite first sends something harmless the same way and sees it arrive: an attack that never left proves nothing.
#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

#[path = "all/approvals.rs"]
mod approvals;
#[path = "all/attack.rs"]
mod attack;
#[path = "all/capture.rs"]
mod capture;
#[path = "all/certificates.rs"]
mod certificates;
#[path = "all/crash.rs"]
mod crash;
#[path = "all/credentials.rs"]
mod credentials;
#[path = "all/delegation.rs"]
mod delegation;
#[path = "all/endurance.rs"]
mod endurance;
#[path = "all/exposed.rs"]
mod exposed;
#[path = "all/http2.rs"]
mod http2;
#[path = "all/hunt.rs"]
mod hunt;
#[path = "all/images.rs"]
mod images;
#[path = "all/minting.rs"]
mod minting;
#[path = "all/names.rs"]
mod names;
#[path = "all/observed.rs"]
mod observed;
#[path = "all/operations.rs"]
mod operations;
#[path = "all/pushing.rs"]
mod pushing;
#[path = "all/scrub.rs"]
mod scrub;
#[path = "all/smuggling.rs"]
mod smuggling;
#[path = "all/targets.rs"]
mod targets;
