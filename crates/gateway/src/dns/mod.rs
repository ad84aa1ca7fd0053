//! The resolver of a sandbox: every well-formed name has one synthetic address, and nothing is ever asked of anyone else.
//!
//! It must never resolve a name upstream (a name alone can carry a secret out), never hand out a real address, and never answer with
//! a record that would make a client leave the intercepted path (AAAA, HTTPS, SVCB).

mod message;
mod server;
mod zone;

pub(crate) use server::{serve_tcp, serve_udp};
