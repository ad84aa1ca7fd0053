//! What happened on the host, seen from the host.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::cases::Watch;
use crate::run::Ran;
use crate::stage::Stage;
use crate::traps::Traps;

/// Processes that a fork bomb asks for, and how many of them have to live at once to have got through.
pub const BOMB: usize = 5000;
const BOMBED: usize = 4500;

/// A host setting that an attack changes.
const SETTING: &str = "/proc/sys/net/ipv4/ip_default_ttl";
/// The address that an attack adds.
const NEW_ADDRESS: &str = "203.0.113.99:0";

/// What an attack achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Observed {
    /// Nothing.
    Closed,
    /// Something, which was undone or quarantined by the time its launcher ended.
    AtExit,
    /// What it wanted.
    Open,
}

/// Looks at the host before, during and after an attack.
#[derive(Debug)]
pub struct Judge<'a> {
    watch: Watch,
    stage: &'a Stage,
    traps: &'a Traps,
    before: Sight,
    /// It was seen while the attack ran.
    passing: bool,
}

/// What of the host can be compared.
#[derive(Debug, PartialEq, Eq)]
enum Sight {
    Nothing,
    File(Option<Vec<u8>>),
    Mode(u32),
    Echoes(u64),
    Text(String),
    Present(bool),
}

impl<'a> Judge<'a> {
    /// Looks before.
    #[must_use]
    pub fn before(watch: Watch, stage: &'a Stage, traps: &'a Traps) -> Self {
        traps.clear();
        let mut judge = Self { watch, stage, traps, before: Sight::Nothing, passing: false };
        judge.before = judge.look();
        judge
    }

    /// Looks while it runs.
    pub fn during(&mut self) {
        match self.watch {
            Watch::Later(_) if !self.passing && self.look() != self.before => {
                self.passing = true;
                // The attack waits for this, to give whoever guards the file time to undo it.
                let _ = fs::write(self.stage.work().join(".seen"), "");
            }
            Watch::Processes if !self.passing => self.passing = self.processes() > BOMBED,
            _ => {}
        }
    }

    /// Looks after, at the host, at what was printed, and at what the victim says.
    #[must_use]
    pub fn after(&self, ran: &Ran, harm: &BTreeMap<String, bool>) -> Observed {
        let changed = || self.look() != self.before;
        let open = match self.watch {
            Watch::Trap => !self.traps.touches().is_empty(),
            Watch::Secret => ran.output.contains(&self.stage.secret),
            Watch::Name => ran.output.contains(&self.stage.private_name),
            Watch::Environment => ran.output.contains(&self.stage.environment_secret),
            Watch::Port => ran.output.contains(&format!("listening:{}:", self.traps.port())),
            Watch::Proof => ran.output.contains(&format!("PROOF:{}", self.stage.mark)),
            Watch::Terminal => ran.typed.contains(&self.stage.mark),
            Watch::Victim(what) => harm.get(what).copied().unwrap_or(true),
            Watch::Processes => self.passing,
            Watch::Changed(_)
            | Watch::Mode(_)
            | Watch::Later(_)
            | Watch::Echo
            | Watch::Setting
            | Watch::Address
            | Watch::Core => changed(),
        };
        match (open, self.passing) {
            (true, _) => Observed::Open,
            (false, true) => Observed::AtExit,
            (false, false) => Observed::Closed,
        }
    }

    /// Undoes what an attack without a sandbox did to the host beyond its own stage.
    pub fn restore(&self) {
        if let (Watch::Setting, Sight::Text(before)) = (self.watch, &self.before) {
            let _ = fs::write(SETTING, before);
        }
    }

    fn look(&self) -> Sight {
        match self.watch {
            Watch::Changed(name) => Sight::File(fs::read(self.stage.path(name)).ok()),
            Watch::Later(name) => Sight::File(fs::read(self.stage.work().join(name)).ok()),
            Watch::Mode(name) => {
                let mode = fs::metadata(self.stage.path(name)).map(|file| file.permissions().mode());
                Sight::Mode(mode.unwrap_or_default())
            }
            Watch::Echo => Sight::Echoes(echoes()),
            Watch::Setting => Sight::Text(fs::read_to_string(SETTING).unwrap_or_default()),
            Watch::Address => Sight::Present(TcpListener::bind(NEW_ADDRESS).is_ok()),
            Watch::Core => Sight::Present(cores(self.stage.work())),
            _ => Sight::Nothing,
        }
    }

    /// How many of the bomb's processes live on this host, whatever name space they are in.
    fn processes(&self) -> usize {
        let Ok(entries) = fs::read_dir("/proc") else { return 0 };
        entries
            .flatten()
            .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
            .filter(|entry| {
                fs::read(entry.path().join("cmdline"))
                    .is_ok_and(|line| line.starts_with(self.stage.mark.as_bytes()))
            })
            .count()
    }
}

/// ICMP echo requests that this network name space received (`/proc/net/snmp`, RFC 2011 `icmpInEchos`).
fn echoes() -> u64 {
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("Icmp:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return 0 };
    let column = names.split_whitespace().position(|name| name == "InEchos");
    column.and_then(|column| values.split_whitespace().nth(column)?.parse().ok()).unwrap_or_default()
}

fn cores(work: PathBuf) -> bool {
    fs::read_dir(work).is_ok_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| file.file_name().as_encoded_bytes().starts_with(b"core")))
    })
}
