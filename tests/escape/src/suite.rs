//! Runs the attacks one after the other, in every place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::cases::{CASES, Case, Watch};
use crate::expected::{Expected, expected};
use crate::judge::{BOMB, Judge, Observed};
use crate::report::{Line, Report};
use crate::run::{Attack, Launchers, Place};
use crate::stage::{Stage, random};
use crate::traps::Traps;
use crate::victim::Victim;

/// The suite, in the world that is attacked.
#[derive(Debug)]
pub struct Suite {
    probe: PathBuf,
    launchers: Launchers,
    traps: Traps,
    root: tempfile::TempDir,
    expected: Expected,
}

impl Suite {
    /// Starts the traps.
    ///
    /// # Errors
    /// When they do not start, or `expected.toml` is not about these cases.
    pub fn new(
        probe: PathBuf,
        bubblewrap: Option<PathBuf>,
        bailiwick: Option<Vec<std::ffi::OsString>>,
    ) -> Result<Self> {
        let expected = expected()?;
        agree(&probe, &expected)?;
        // Not below /tmp, which a sandbox may replace: what only seems closed because of that would prove nothing.
        let root = tempfile::Builder::new().prefix("bailiwick-escape-").tempdir_in("/var/tmp")?;
        let home = root.path().join("bailiwick");
        fs::create_dir(&home)?;
        fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let launchers = Launchers { bubblewrap, bailiwick, home };
        Ok(Self { probe, launchers, traps: Traps::start()?, root, expected })
    }

    /// Runs every case whose name begins with `only`.
    ///
    /// # Errors
    /// When the host's side of an attack cannot be set up.
    pub fn run(&self, only: &str) -> Result<Report> {
        let mut lines = Vec::new();
        for case in CASES.iter().filter(|case| case.name.starts_with(only)) {
            lines.push(self.case(case).map_err(|error| format!("{}: {error}", case.name))?);
        }
        let user = rustix::process::geteuid();
        Ok(Report {
            lines,
            who: if user.is_root() { "as root".into() } else { format!("as uid {}", user.as_raw()) },
        })
    }

    fn case(&self, case: &Case) -> Result<Line> {
        let expected = self.expected.get(case.name).ok_or("not in expected.toml")?.clone();
        let mut line = Line { name: case.name, seen: BTreeMap::new(), expected, notes: Vec::new() };
        for place in self.launchers.places() {
            if place != Place::Unsandboxed && !line.is_tested() {
                break;
            }
            let (observed, notes) = self.attack(case, place)?;
            line.seen.insert(place, observed);
            if place == Place::Bailiwick {
                line.notes = notes;
            }
        }
        Ok(line)
    }

    fn attack(&self, case: &Case, place: Place) -> Result<(Observed, Vec<String>)> {
        let root = tempfile::Builder::new().prefix("user-").tempdir_in(self.root.path())?;
        let stage = Stage::lay_out(root.path(), &self.launchers.home, &self.probe)?;
        let own = random()?;
        let shared = shared_arguments(&stage, &own);
        let victim = Victim::start(&self.probe, &shared, &stage.secret)?;
        let name = format!("bailiwick-escape-{own}");
        self.traps.unix(&stage.home().join("docker.sock"))?;
        self.traps.unix(&stage.tmp().join("agent.sock"))?;
        self.traps.unix(&stage.work().join("host.sock"))?;
        self.traps.unix_datagram(&stage.home().join("notify.sock"))?;
        self.traps.unix_abstract(&name)?;
        let mut arguments = shared;
        arguments.extend([
            format!("mark={}", stage.mark),
            format!("work={}", stage.work().display()),
            format!("home={}", stage.home().display()),
            format!("tmp={}", stage.tmp().display()),
            format!("state={}", self.launchers.home.display()),
            format!("bin={}", stage.path("bin").display()),
            format!("port={}", self.traps.port()),
            format!("abstract={name}"),
            format!("victim={}", victim.pid),
            format!("victim-group={}", victim.group),
            format!("memory={}", victim.memory),
            format!("handle={}", self.handle(&stage)),
            format!("bomb={BOMB}"),
            format!("unsandboxed={}", i32::from(place == Place::Unsandboxed)),
        ]);
        let attack = Attack { place, setup: case.setup, name: case.name, arguments, stage: &stage };
        let mut judge = Judge::before(case.watch, &stage, &self.traps);
        let ran = attack.run(&self.launchers, || judge.during())?;
        let harm = victim.report()?;
        let mut observed = judge.after(&ran, &harm);
        self.clean_up(case, &judge);
        let tried = ran.output.contains(&format!("ATTACK {}", case.name));
        let mut notes = vec![];
        if !tried || ran.overran || harm.get("dead") == Some(&true) {
            // An attack that never ran closed nothing, one that hangs the launcher or ends the victim did harm.
            observed = if place == Place::Unsandboxed { Observed::Closed } else { Observed::Open };
            notes.push(format!(
                "tried: {tried}, overran: {}, victim dead: {:?}",
                ran.overran,
                harm.get("dead")
            ));
        }
        notes.push(format!("touched: {:?}", self.traps.touches().len()));
        notes.push(format!("printed: {}", end_of(&ran.output)));
        notes.push(format!("errors: {}", end_of(&ran.errors)));
        Ok((observed, notes))
    }

    /// The kernel's handle of a secret file (`name_to_handle_at(2)`).
    fn handle(&self, stage: &Stage) -> String {
        let output =
            Command::new(&self.probe).arg("handle").arg(format!("home={}", stage.home().display())).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    }

    fn clean_up(&self, case: &Case, judge: &Judge<'_>) {
        judge.restore();
        if case.watch == Watch::Address {
            // Takes the address away again where the attack could add it.
            let _ = Command::new(&self.probe).arg("unaddress").status();
        }
    }
}

/// What the victim and the attack both know: where to meet.
fn shared_arguments(stage: &Stage, own: &str) -> Vec<String> {
    let key = u32::from_str_radix(&own[..7], 16).unwrap_or(1);
    vec![
        format!("outside={}", stage.path("outside").display()),
        format!("ipc-key={key}"),
        format!("ipc-name=/bailiwick-escape-{own}"),
        format!("key=bailiwick-escape-{own}"),
        format!("new-key=bailiwick-escape-planted-{own}"),
    ]
}

fn end_of(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(300);
    format!("{:?}", text.chars().skip(skip).collect::<String>())
}

/// The probe, the cases and the expectations are about the same attacks, or the table has a hole.
fn agree(probe: &Path, expected: &Expected) -> Result<()> {
    let listed = Command::new(probe).arg("list").output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let mut known: Vec<&str> = listed.lines().filter(|name| *name != "proc.proof").collect();
    let mut cases: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    let mut lines: Vec<&str> = expected.keys().map(String::as_str).collect();
    known.sort_unstable();
    cases.sort_unstable();
    lines.sort_unstable();
    if known != cases {
        return Err(format!("the probe and the cases differ: {:?}", odd(&known, &cases)).into());
    }
    if cases != lines {
        return Err(format!("the cases and expected.toml differ: {:?}", odd(&cases, &lines)).into());
    }
    Ok(())
}

fn odd<'a>(one: &[&'a str], other: &[&'a str]) -> Vec<&'a str> {
    let only = |these: &[&'a str], those: &[&'a str]| {
        these.iter().copied().filter(|name| !those.contains(name)).collect::<Vec<_>>()
    };
    [only(one, other), only(other, one)].concat()
}
