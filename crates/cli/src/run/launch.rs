//! The life of one run, from the plan to the summary.

use std::{
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bailiwick_client::Client;
use bailiwick_core::{Name, Repositories, SessionEnd, SessionId, Task, Timestamp};
use bailiwick_launch::{
    Ends, Exited, Handlers, Hold, LaunchError, Launcher, ListenerAddresses, Measured, Open, Opened,
    Stop as StopOrder,
};
use bailiwick_sandbox::terminal::PtyProxy;
use bailiwick_sandbox::{Exit, Killer, Listeners, Mediator, Plan, Prepared, Running, Sandbox};
use bailiwick_wire::{HandOff, Health, SessionView, Tally};

use super::{
    ENDED, OURS, asked,
    attention::{Bell, Heralds, attention},
    files, furnish, hooks,
    listening::{self, Listening},
    mediator::Daemon,
    origin, ours,
    plan::{Planned, plan},
    publish::Published,
    report::{self, Report},
    sandbox_failure, summary,
    terminal::{self, Carried},
    workspace::{self, Here},
};
use crate::{
    args::Run,
    command::build,
    daemon,
    environment::Environment,
    output::{Failure, Output},
};

/// Bytes of a command line that go on record.
const MAX_ARGV: usize = 4096;

/// Runs the agent and gives our exit code.
pub(crate) fn launch(options: &Run, environment: &Environment, output: &Output) -> Result<u8, Failure> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| ours("hardening", error))?;
    bailiwick_authority::create_home(&environment.home).map_err(|error| Failure::home(OURS, &error))?;
    let streams = terminal::streams()?;
    let planned = plan(options, environment, streams.stdio)?;
    let sitting = Sitting { options, environment, output, carried: streams.carried };
    sitting.run(planned)
}

struct Sitting<'a> {
    options: &'a Run,
    environment: &'a Environment,
    output: &'a Output,
    carried: Carried,
}

/// What the order to stop needs: how to end the sandbox once there is one, and why it was ended.
#[derive(Default)]
struct Stopper {
    killer: Option<Killer>,
    order: Option<StopOrder>,
}

/// How a sandbox ended, and what is to be said of it.
struct Ended {
    exit: Exit,
    evidence: serde_json::Value,
    notes: Vec<String>,
}

type SharedStopper = Arc<Mutex<Stopper>>;

impl Sitting<'_> {
    fn run(self, mut planned: Planned) -> Result<u8, Failure> {
        if !self.options.offline {
            daemon::ensure(self.environment).map_err(|failure| Failure { exit: OURS, ..failure })?;
            self.warn_of_a_broken_set();
        }
        self.report_can_be_written()?;
        let parent = asked::parent(self.options.parent.as_deref(), self.environment)?;
        let grant = asked::grant(self.options.grant.as_deref(), self.environment)?;
        let published = Published::bind(&self.options.publish)?;
        let reachable = published.ports();
        let dummies = furnish::furnish(&mut planned, self.options, self.environment, self.output)?;
        let Planned { mut plan, agent, profile, needs, workdir, task, writable, .. } = planned;
        let guarded = workspace::evidence(&writable, &plan.protected);
        self.say_once();
        self.furnish_hooks(&mut plan, &profile);
        let mut prepared = Sandbox::prepare(plan).map_err(|error| sandbox_failure(&error))?;
        let (bell, proxy) = self.proxy(&mut prepared, &workdir)?;
        let says = self.says_what_listens(bell.clone());
        let stopper = SharedStopper::default();
        let repositories = self.repositories(&workdir)?;
        let listeners = prepared.take_listeners();
        let own = listeners.as_ref().map(|listeners| own(&addresses(listeners))).unwrap_or_default();
        let session = match listeners {
            Some(listeners) if !self.options.offline => {
                let open = Open {
                    task,
                    repositories,
                    // A command line or a file need not be the person's own words.
                    pages: self.options.task.as_deref().map(Task::pages_in).unwrap_or_default(),
                    agent: agent.clone(),
                    profile,
                    argv: self.recorded_argv(),
                    workdir: workdir.display().to_string(),
                    workspace: workdir.as_os_str().as_encoded_bytes().to_vec(),
                    writable: writable
                        .iter()
                        .map(|path| path.as_os_str().as_encoded_bytes().to_vec())
                        .collect(),
                    ttl_ms: self
                        .options
                        .ttl
                        .map_or(0, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)),
                    terminal: self.carried.terminal,
                    parent,
                    grant,
                    observed: self.options.observe,
                    resume: None,
                    dummies,
                    quiet: needs.quiet,
                    listeners: Some(addresses(&listeners)),
                };
                Some(self.open(open, listeners, &stopper, bell)?)
            }
            Some(_) | None => None,
        };
        let here = match &session {
            Some(_) => None,
            None => Some(self.guard_here(&workdir, &writable, &stopper)?),
        };
        let mut running = self.start(prepared, session.as_ref())?;
        arm(&stopper, &running)?;
        if let (None, Some(ttl)) = (&session, self.options.ttl) {
            end_after(ttl, &stopper);
        }
        let evidence = self.evidence(&running, guarded, &published)?;
        if let Some((launcher, _)) = &session {
            let evidence = evidence.clone();
            launcher.measured(Measured { evidence }).map_err(|error| launch_failure(&error))?;
        }
        let tier = evidence["tier"].as_str().unwrap_or_default();
        self.say_before(&agent, tier, session.as_ref().map(|(_, opened)| opened));
        if !self.options.publish.is_empty() {
            published.serve(running.inward())?;
        }
        let listening = Listening::watch(running.pid(), own, reachable, says);
        if terminal::carry(proxy, &mut running).map_or(true, |ending| ending != terminal_exited()) {
            running.kill();
        }
        let notes = listening.notes();
        // Before its process id can become another's.
        drop(listening);
        let exit = running.wait();
        self.finish(parent, session.as_ref(), here, Ended { exit, evidence, notes }, &stopper)
    }

    /// What was measured of the sandbox, and what leads into it.
    fn evidence(
        &self,
        running: &Running,
        guarded: serde_json::Value,
        published: &Published,
    ) -> Result<serde_json::Value, Failure> {
        let mut evidence =
            serde_json::to_value(running.evidence()).map_err(|error| ours("evidence", error))?;
        evidence["workspace"] = guarded;
        if !self.options.publish.is_empty() {
            evidence["published"] = published.addresses().into();
        }
        Ok(evidence)
    }

    /// Says what listens inside: at once where no screen is disturbed by it, else as a notification and in the summary.
    fn says_what_listens(&self, bell: Bell) -> listening::Say {
        let (output, terminal) = (*self.output, self.carried.terminal);
        Box::new(move |port| {
            if terminal {
                bell.listens(port);
            } else {
                output.say(format!("bailiwick: listens inside: {}", listening::told(port)));
            }
        })
    }

    /// The terminal of the sandbox, where it has one, and what rings when something waits for a person.
    fn proxy(&self, prepared: &mut Prepared, workdir: &Path) -> Result<(Bell, Option<PtyProxy>), Failure> {
        let client = Client::new(&self.environment.home);
        let program = |name: &str| self.environment.program(name, workdir);
        let heralds = Heralds { tmux: program("tmux"), notify_send: program("notify-send") };
        let (bell, attention) = attention(client, heralds).map_err(|error| ours("terminal", error))?;
        let proxy = terminal::proxy(prepared, &self.carried)?;
        Ok((bell, proxy.map(|proxy| proxy.aside(Box::new(attention)))))
    }

    /// Without a daemon there is nobody to report to.
    fn furnish_hooks(&self, plan: &mut Plan, profile: &Name) {
        if !self.options.offline {
            hooks::install(plan, profile);
        }
    }

    /// The line before the agent paints. That it is observed is said also where there is no terminal.
    fn say_before(&self, agent: &Name, tier: &str, opened: Option<&Opened>) {
        if summary::is_read(self.carried.terminal) {
            let opened = opened.map(|opened| (opened.session, now(), opened.expires_at));
            self.output.say(summary::before(agent.as_str(), tier, opened, self.options.observe));
        } else if self.options.observe {
            self.output.say(format!("bailiwick: {}", summary::OBSERVED));
        }
    }

    /// What a person should know before the first run of all.
    fn say_once(&self) {
        if summary::is_read(self.carried.terminal)
            && let Some(line) = workspace::first_run(self.environment)
        {
            self.output.say(line);
        }
    }

    fn guard_here(
        &self,
        workdir: &Path,
        writable: &[PathBuf],
        stopper: &SharedStopper,
    ) -> Result<Here, Failure> {
        let stopper = Arc::clone(stopper);
        let overrun = Box::new(move || {
            let reason = "it did not stop writing files that take effect outside its sandbox".to_owned();
            let mut stopper = stopper.lock().unwrap_or_else(PoisonError::into_inner);
            stopper.order.get_or_insert(StopOrder { end: SessionEnd::Locked, reason });
            if let Some(killer) = &stopper.killer {
                killer.kill();
            }
        });
        Here::enter(self.environment, workdir, writable, overrun)
    }

    /// A person who has just changed a policy must not believe that it holds when it could not be read.
    fn warn_of_a_broken_set(&self) {
        let health = Client::new(&self.environment.home).get::<Health>("/v1/health");
        for problem in health.map(|health| health.problems).unwrap_or_default() {
            self.output.say(format!(
                "bailiwick: warning: the last good policies and resources are in force, because {problem}; \
                 see `bailiwick policy check`"
            ));
        }
    }

    fn open(
        &self,
        open: Open,
        listeners: Listeners,
        stopper: &SharedStopper,
        bell: Bell,
    ) -> Result<(Arc<Launcher>, Opened), Failure> {
        let stopper = Arc::clone(stopper);
        let on_stop = Box::new(move |order: StopOrder| {
            let mut stopper = stopper.lock().unwrap_or_else(PoisonError::into_inner);
            stopper.order = Some(order);
            if let Some(killer) = &stopper.killer {
                killer.kill();
            }
        });
        let (output, terminal) = (*self.output, self.carried.terminal);
        let soon = bell.clone();
        let ends = Box::new(move |ends: Ends| {
            if terminal {
                soon.ends(ends);
            } else {
                output.say(format!("bailiwick: the session ends at {}", ends.at));
                output.say(format!("  give it more time with `bailiwick session extend {}`", ends.session));
            }
        });
        let hold = Box::new(move |hold: Hold| {
            if terminal {
                bell.ring(hold.approval);
            } else {
                output.say(format!("bailiwick: waits for a person: {}", hold.line));
                output.say(format!("  answer with `bailiwick approval yes {}` at a terminal", hold.approval));
            }
        });
        // A daemon that went away is replaced, as one that was never there is started.
        let environment = self.environment.clone();
        let revive = Box::new(move || drop(daemon::ensure(&environment)));
        let handlers = Handlers { stop: on_stop, hold, ends, revive };
        let listeners = descriptors(listeners);
        let (launcher, opened) = Launcher::open(&self.environment.home, &build(), open, listeners, handlers)
            .map_err(|error| launch_failure(&error))?;
        Ok((Arc::new(launcher), opened))
    }

    fn start(
        &self,
        prepared: Prepared,
        session: Option<&(Arc<Launcher>, Opened)>,
    ) -> Result<Running, Failure> {
        let (files, mediator): (_, Arc<dyn Mediator>) = match session {
            Some((launcher, opened)) => {
                (files::trust_stores(&opened.authority_pem)?, Arc::new(Daemon(Arc::clone(launcher))))
            }
            None => (files::trust_stores("")?, Arc::new(Nobody)),
        };
        prepared.start(files, mediator).map_err(|error| {
            if let Some((launcher, _)) = session {
                launcher.exited(Exited { code: Some(error.exit_code().into()), signal: None });
            }
            sandbox_failure(&error)
        })
    }

    /// Better said before the agent has worked than after it.
    fn report_can_be_written(&self) -> Result<(), Failure> {
        let Some(path) = &self.options.report else { return Ok(()) };
        let path = self.environment.absolute(path);
        report::can_be_written(&path).map_err(|error| unwritten(&path, &error))
    }

    fn finish(
        self,
        parent: Option<SessionId>,
        session: Option<&(Arc<Launcher>, Opened)>,
        here: Option<Here>,
        ended: Ended,
        stopper: &SharedStopper,
    ) -> Result<u8, Failure> {
        let Ended { exit, evidence, notes } = ended;
        let order = stopper.lock().unwrap_or_else(PoisonError::into_inner).order.take();
        let how = match exit {
            Exit::Code(code) => Exited { code: Some(code.into()), signal: None },
            Exit::Signal(signal) => Exited { code: None, signal: Some(signal) },
        };
        let id = session.map(|(_, opened)| opened.session);
        let actions = id.map_or_else(Tally::default, |id| self.tally(id));
        let read = summary::is_read(self.carried.terminal);
        let refused = id.filter(|_| read && actions.refuse > 0);
        let refused =
            refused.map(|id| summary::refused(&Client::new(&self.environment.home), id)).unwrap_or_default();
        let left = match (id, here) {
            (Some(id), _) => workspace::left(self.environment, id),
            (None, Some(here)) => here.leave()?,
            (None, None) => HandOff::default(),
        };
        if let Some((launcher, _)) = session {
            launcher.exited(how);
        }
        for error in self.carried.finish() {
            self.output.say(format!("bailiwick: some of the output is lost: {error}"));
        }
        let report = Report {
            session: id,
            parent,
            observed: self.options.observe,
            evidence,
            actions,
            workspace: left,
            exit: report::Exit { code: how.code, signal: how.signal },
            stopped: order.as_ref().map(|order| order.reason.clone()),
        };
        if let Some(path) = &self.options.report {
            let path = self.environment.absolute(path);
            report.write(&path).map_err(|error| unwritten(&path, &error))?;
        }
        for line in workspace::lines(&report.workspace) {
            self.output.say(line);
        }
        if let Some(order) = &order {
            self.output.say(format!(
                "bailiwick: the session was ended ({}): {}",
                word(order.end),
                order.reason
            ));
        }
        if let Some(id) = id.filter(|_| read) {
            self.output.say(summary::after(id, actions, &refused, &notes));
        } else if let Some(id) = id
            && actions.refuse + actions.hold > 0
        {
            self.output.say(format!(
                "bailiwick: {} permitted, {} held, {} refused; see them with `bailiwick log --session {id}`",
                actions.permit, actions.hold, actions.refuse
            ));
        }
        if let Some(id) = id.filter(|_| self.options.observe) {
            let short = summary::short(id);
            self.output.say(format!("bailiwick: what it needs: bailiwick policy suggest {short}"));
        }
        Ok(if order.is_some() { ENDED } else { exit.code() })
    }

    fn tally(&self, id: SessionId) -> Tally {
        let view = Client::new(&self.environment.home).get::<SessionView>(&format!("/v1/sessions/{id}"));
        view.map(|view| view.actions).unwrap_or_default()
    }

    /// What the workspace and the command line say that the work is about.
    fn repositories(&self, workdir: &Path) -> Result<Repositories, Failure> {
        if self.options.offline {
            return Ok(Repositories::default());
        }
        let seen = origin::look(workdir, self.environment).map_err(|error| ours("workspace", error))?;
        let mut repositories = seen.repositories;
        repositories.names.extend(self.options.repository.iter().cloned());
        if let Some(warning) = seen.warning
            && !self
                .options
                .repository
                .iter()
                .any(|named| warning.ends_with(&format!("`--repository {named}`")))
        {
            self.output.say(format!("bailiwick: warning: {warning}"));
        }
        Ok(repositories)
    }

    fn recorded_argv(&self) -> Vec<String> {
        let mut room = MAX_ARGV;
        let words = self.options.argv.iter().map(|word| word.to_string_lossy().into_owned());
        words
            .take_while(|word| {
                let fits = word.len() <= room;
                room = room.saturating_sub(word.len());
                fits
            })
            .collect()
    }
}

fn unwritten(report: &Path, error: &io::Error) -> Failure {
    ours("report", format!("cannot write the report `{}`: {error}", report.display()))
        .fix("name a file in a directory of your own with `--report FILE`")
}

/// Where nobody answers because there is no daemon: loopback inside, nothing else.
struct Nobody;

impl Mediator for Nobody {
    fn connect(&self, _: bailiwick_sandbox::Connect) -> bailiwick_sandbox::Verdict {
        bailiwick_sandbox::Verdict::Inside
    }
}

const fn terminal_exited() -> bailiwick_sandbox::terminal::Ending {
    bailiwick_sandbox::terminal::Ending::Exited
}

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Without a daemon nobody else keeps the time.
fn end_after(ttl: Duration, stopper: &SharedStopper) {
    let stopper = Arc::clone(stopper);
    std::thread::spawn(move || {
        std::thread::sleep(ttl);
        let mut stopper = stopper.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = format!("its time, {}, was up", humantime::format_duration(ttl));
        stopper.order.get_or_insert(StopOrder { end: SessionEnd::Expired, reason });
        if let Some(killer) = &stopper.killer {
            killer.kill();
        }
    });
}

/// From here on an order to stop ends the sandbox; one that came before does so now.
fn arm(stopper: &SharedStopper, running: &Running) -> Result<(), Failure> {
    let killer = running.killer().map_err(|error| ours("sandbox", error))?;
    let mut stopper = stopper.lock().unwrap_or_else(PoisonError::into_inner);
    if stopper.order.is_some() {
        killer.kill();
    }
    stopper.killer = Some(killer);
    Ok(())
}

fn addresses(listeners: &Listeners) -> ListenerAddresses {
    let addresses = listeners.addresses;
    ListenerAddresses {
        tcp4: addresses.tcp4.into(),
        tcp6: addresses.tcp6.map(Into::into),
        dns: addresses.dns.into(),
    }
}

/// Where we listen ourselves, inside.
fn own(addresses: &ListenerAddresses) -> Vec<SocketAddr> {
    [Some(addresses.tcp4), addresses.tcp6, Some(addresses.dns)].into_iter().flatten().collect()
}

/// In the order of the frame that they travel with.
fn descriptors(listeners: Listeners) -> Vec<OwnedFd> {
    let Listeners { tcp4, tcp6, dns_udp, dns_tcp, .. } = listeners;
    [Some(tcp4), tcp6, Some(dns_udp), Some(dns_tcp)].into_iter().flatten().collect()
}

fn launch_failure(error: &LaunchError) -> Failure {
    let failure = ours("daemon", error);
    match error {
        LaunchError::OtherBuild { .. } => {
            failure.fix("end the sessions that `bailiwick session list` shows; the other daemon then exits")
        }
        LaunchError::Refused(problem) => {
            let failure = ours(&problem.code, &problem.detail);
            match &problem.fix {
                Some(fix) => failure.fix(fix),
                None => failure,
            }
        }
        LaunchError::NoDaemon(..) => failure.fix("bailiwick serve"),
        LaunchError::Channel(_) => {
            failure.fix("bailiwick serve   (in another terminal, to see what it says)")
        }
    }
}

const fn word(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::Exited => "exited",
        SessionEnd::Expired => "expired",
        SessionEnd::Idle => "idle",
        SessionEnd::Locked => "locked",
        SessionEnd::Lost => "lost",
    }
}

/// How long `run` waits for a daemon that it started.
pub(crate) const DAEMON_START: Duration = Duration::from_secs(20);
