//! What this host gives, found out by trying.
//!
//! A whole sandbox is made, in a throw-away directory, with a program that connects somewhere; whether it arrived is seen from
//! outside. Configuration files are only read to word the remedy.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bailiwick_sandbox_sys::landlock_abi;
use serde::Serialize;

use crate::error::SandboxError;
use crate::evidence::{Evidence, Tier};
use crate::landlock::FLOOR;
use crate::mediation::{Connect, Mediator, Verdict};
use crate::plan::{Limits, Network, Plan, Stdio, Stream};
use crate::sandbox::Sandbox;

/// What was found out.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// How far a sandbox on this host goes.
    pub tier: Tier,
    /// In order of dependence.
    pub checks: Vec<Check>,
}

/// One thing tried.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What it is about.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// Whether a run is refused without it.
    pub required: bool,
    /// The attempt and its outcome.
    pub proven_by: String,
    /// What would help, if it does not hold.
    pub fix: Option<String>,
}

/// Tries everything. `state` is a directory of ours that may be written.
#[must_use]
pub fn doctor(state: &Path) -> Diagnosis {
    let abi = landlock_abi();
    let mut checks = vec![Check {
        name: "landlock".into(),
        ok: abi >= FLOOR,
        required: true,
        proven_by: format!("the kernel says ABI {abi}; {FLOOR} is needed"),
        fix: (abi < FLOOR).then(|| "boot Linux 5.19 or later with `landlock` in the `lsm=` list".into()),
    }];
    let tried = trial(state);
    let tier = if tried.is_ok() { Tier::T2 } else { Tier::T0 };
    match tried {
        Ok((evidence, mediated)) => checks.extend(proven(&evidence, mediated)),
        Err(error) => checks.push(Check {
            name: "sandbox".into(),
            ok: false,
            required: true,
            proven_by: error.to_string(),
            fix: error.fix().map(String::from),
        }),
    }
    let tier = if checks.iter().any(|check| check.required && !check.ok) { Tier::T0 } else { tier };
    Diagnosis { tier, checks }
}

fn proven(evidence: &Evidence, mediated: bool) -> Vec<Check> {
    let mut checks: Vec<Check> = evidence
        .layers
        .iter()
        .map(|layer| Check {
            name: layer.name.clone(),
            ok: true,
            required: true,
            proven_by: layer.proven_by.clone(),
            fix: None,
        })
        .collect();
    checks.push(Check {
        name: "sockets taken over".into(),
        ok: mediated,
        required: true,
        proven_by:
            "a program inside connected to 192.0.2.1, and the supervisor saw its socket and its address"
                .into(),
        fix: (!mediated).then(|| "set kernel.yama.ptrace_scope to 0, 1 or 2".into()),
    });
    checks.extend(evidence.missing.iter().map(|missing| Check {
        name: missing.clone(),
        ok: false,
        required: false,
        proven_by: "the kernel does not offer it".into(),
        fix: None,
    }));
    checks
}

/// Sees one connect, and refuses it.
#[derive(Debug, Default)]
struct Witness(AtomicBool);

impl Mediator for Witness {
    fn connect(&self, connect: Connect) -> Verdict {
        if connect.destination == std::net::SocketAddr::from(([192, 0, 2, 1], 9)) {
            self.0.store(true, Ordering::SeqCst);
        }
        Verdict::Refuse(libc::ECONNREFUSED)
    }
}

fn trial(state: &Path) -> Result<(Evidence, bool), SandboxError> {
    let wrap = |source| SandboxError::Path { path: state.into(), source };
    fs::create_dir_all(state).map_err(wrap)?;
    let workspace = Scratch(state.join(format!("doctor-{}", std::process::id())));
    fs::create_dir_all(&workspace.0).map_err(wrap)?;
    let null = || -> Result<Stream, SandboxError> {
        let file = fs::OpenOptions::new().read(true).write(true).open("/dev/null");
        Ok(Stream::Descriptor(file.map_err(SandboxError::doing("open /dev/null"))?.into()))
    };
    let plan = Plan {
        // bash connects by itself; a machine without it is no place for an agent.
        argv: ["/bin/bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/9"].map(Into::into).to_vec(),
        environment: Vec::new(),
        workdir: workspace.0.clone(),
        home: None,
        read_only: Vec::new(),
        shown: Vec::new(),
        writable: Vec::new(),
        protected: Vec::new(),
        masks: Vec::new(),
        files: Vec::new(),
        stdio: Stdio {
            streams: [null()?, null()?, null()?],
            window: bailiwick_sandbox_sys::WindowSize { rows: 24, columns: 80 },
            foreground: false,
        },
        network: Network::Mediated,
        limits: Limits::default(),
        state: state.into(),
    };
    let witness = Arc::new(Witness::default());
    let running = Sandbox::prepare(plan)?.start(Vec::new(), Arc::clone(&witness) as Arc<dyn Mediator>)?;
    let evidence = running.evidence().clone();
    running.wait();
    Ok((evidence, witness.0.load(Ordering::SeqCst)))
}

/// A directory that is gone when dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_diagnosed() {
        let state = tempfile::tempdir().unwrap();
        let diagnosis = doctor(state.path());
        let failed: Vec<&Check> =
            diagnosis.checks.iter().filter(|check| check.required && !check.ok).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        assert_eq!(diagnosis.tier, Tier::T2);
        assert!(fs::read_dir(state.path()).unwrap().flatten().all(|entry| entry.file_name() == "digests"));
    }
}
