//! The protocol between the launcher of a sandbox and the daemon.
//!
//! One connection of `launch.sock` (`AF_UNIX`, `SOCK_SEQPACKET`) is one session: its end ends the session. Frames are JSON, one a
//! packet; listening sockets created inside the sandbox travel beside them (`SCM_RIGHTS`, unix(7)). This crate must never decide
//! anything, and never be reachable from a sandbox: the socket lives in a directory that no sandbox sees.

mod channel;
mod frame;
mod launcher;
mod path;

pub use channel::{Channel, ChannelError, Connection, MAX_FRAME, Packet};
pub use frame::{
    Answer, Connect, Dummy, Ends, Exited, FromDaemon, FromLauncher, Hello, Hold, ListenerAddresses, Measured,
    Open, Opened, PROTOCOL, Stop, Transport, Verdict,
};
pub use launcher::{EndsHandler, Handlers, HoldHandler, LaunchError, Launcher, Reviver, StopHandler};
pub use path::{bind_seqpacket, bind_stream, connect_seqpacket, connect_stream};
