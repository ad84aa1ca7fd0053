//! Turning aside: the person's terminal is ours for a moment, while the program waits.
//!
//! What is painted then stands on an empty screen on which nothing of the program's is in force, and nothing that the program writes gets
//! there; what was typed before is discarded. Everything else goes on: signals, the end of the job, its stop.

use std::fmt::Debug;
use std::os::fd::BorrowedFd;

/// What wants the person's attention beside the program.
pub trait Aside: Debug + Send {
    /// Readable when there is something to tell.
    fn events(&self) -> BorrowedFd<'_>;

    /// Takes what there is to tell; appends to `screen` what draws attention and leaves the program's screen as it is.
    fn tell(&mut self, screen: &mut Vec<u8>);

    /// Whether the key means us: otherwise it is the program's.
    fn is_wanted(&self) -> bool;

    /// The person pressed the key: appends to `screen`, which is empty and has `size` (rows, columns), what is to be seen. Returns
    /// whether there is anything to stay for.
    fn open(&mut self, size: (u16, u16), screen: &mut Vec<u8>) -> bool;

    /// The person typed `keys`: appends to `screen` what changes. Returns whether it is over.
    fn typed(&mut self, keys: &[u8], screen: &mut Vec<u8>) -> bool;
}

/// Ctrl-] as terminals send it: plainly, and in the keyboard protocols that programs switch on (kitty's, xterm's modifyOtherKeys).
const KEYS: [&[u8]; 4] = [b"\x1d", b"\x1b[93;5u", b"\x1b[93;5:1u", b"\x1b[27;5;93~"];

/// Whether the key was among what was typed.
pub(super) fn has_key(typed: &[u8]) -> bool {
    KEYS.iter().any(|key| typed.windows(key.len()).any(|window| window == *key))
}
