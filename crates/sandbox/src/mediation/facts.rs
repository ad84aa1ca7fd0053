//! Who is calling: read while the thread stands still, and only believed if it still does afterwards.
//!
//! These facts say who *opened* a connection. They are evidence; they may tighten a decision and must never loosen one.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A process inside, as seen from outside.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProcessFacts {
    /// Process id in the supervisor's process namespace.
    pub pid: u32,
    /// Thread id in the supervisor's process namespace.
    pub tid: u32,
    /// Start time of the process in clock ticks since boot (proc(5)).
    pub start_time: u64,
    /// Path of its executable inside; empty if it cannot be told.
    pub exe: PathBuf,
    /// Name of the thread; the program can set it.
    pub comm: String,
    /// User id outside.
    pub uid: u32,
}

impl ProcessFacts {
    /// Reads them.
    ///
    /// # Errors
    /// If the thread is gone.
    pub(crate) fn of(thread: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{thread}/status"))?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let number =
            |text: Option<&str>| text.and_then(|text| text.split_whitespace().next()?.parse::<u32>().ok());
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        let pid = number(field("Tgid:")).ok_or_else(gone)?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Ok(Self {
            pid,
            tid: thread,
            start_time: start_time(&stat).ok_or_else(gone)?,
            exe: fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default(),
            comm: field("Name:").unwrap_or_default().to_owned(),
            uid: number(field("Uid:")).ok_or_else(gone)?,
        })
    }
}

/// Field 22; the name in parentheses before it may contain anything, parentheses included.
fn start_time(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_start_time() {
        let rest: Vec<String> = (3..=52).map(|field| field.to_string()).collect();
        let stat = format!("7 (a) b (x) ) S {}", rest.get(1..).unwrap().join(" "));
        assert_eq!(start_time(&stat), Some(22));
    }

    #[test]
    fn the_facts_of_a_living_process() {
        let own = ProcessFacts::of(std::process::id()).unwrap();
        assert_eq!(own.pid, std::process::id());
        assert_eq!(own.exe, std::env::current_exe().unwrap());
        assert!(own.start_time > 0);
    }
}
