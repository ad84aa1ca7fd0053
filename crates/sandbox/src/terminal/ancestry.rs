//! Whether anyone would continue us if we stopped, and whether the keyboard is ours.
//!
//! A process group whose members all have their parents in the same group or in other sessions is *orphaned*: no shell
//! would ever continue it, which is why the kernel discards terminal stops there (POSIX.1-2017, 3.264). A launcher that
//! stopped itself in one would hang for good.
//!
//! Groups and sessions are read as bare numbers from `/proc`, never as process ids: where their leader lives outside
//! our PID namespace, as for the first processes of a container, the kernel tells 0 (pid_namespaces(7)), which the
//! typed calls take for impossible.

/// Longest chain of parents that is followed.
const LONGEST: usize = 64;

/// Where a process stands, from `/proc/PID/stat` (proc_pid_stat(5)): the second to fourth word after the last
/// parenthesis.
struct Standing {
    parent: i32,
    group: i32,
    session: i32,
}

impl Standing {
    /// `process` is a number, or `self`.
    fn of(process: &str) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut numbers = after_name.split_whitespace().skip(1).map_while(|word| word.parse().ok());
        Some(Self { parent: numbers.next()?, group: numbers.next()?, session: numbers.next()? })
    }
}

/// Our process group; 0 where its leader is outside our PID namespace, nothing where `/proc` does not tell.
pub(super) fn own_group() -> Option<i32> {
    Standing::of("self").map(|standing| standing.group)
}

/// Follows our parents up to the first one outside our process group; true if it is in our session.
pub(super) fn would_be_continued() -> bool {
    let Some(own) = Standing::of("self") else { return false };
    let mut parent = own.parent;
    for _ in 0..LONGEST {
        let Some(its) = Standing::of(&parent.to_string()) else { return false };
        if its.group != own.group {
            return its.session == own.session;
        }
        parent = its.parent;
    }
    false
}
