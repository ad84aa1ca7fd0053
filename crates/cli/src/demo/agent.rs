//! An agent: a shell in a sandbox that does what its model would tell it, one script after the other.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Child,
    time::{Duration, Instant},
};

use bailiwick_wire::SessionView;

use super::stage::Stage;
use crate::output::{Failure, NO};

/// How long anything on this machine may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does what is put into its inbox, in order, and says when it is done.
const LOOP: &str = "mkdir -p $NAME; : > $NAME/ready
    while :; do
        for script in $NAME/*.todo; do
            [ -e \"$script\" ] || continue
            sh \"$script\" > \"$script.out\" 2>&1 < /dev/null
            mv \"$script\" \"$script.done\"
        done
        sleep 0.02
    done";

/// An agent that is running.
pub(super) struct Agent {
    name: &'static str,
    session: String,
    inbox: PathBuf,
    child: Child,
    told: usize,
}

/// Something that an agent is doing.
pub(super) struct Doing {
    done: PathBuf,
    out: PathBuf,
}

impl Agent {
    /// Starts one, in a session of its own or in one that `parent` hands on.
    pub(super) fn start(
        stage: &Stage,
        name: &'static str,
        task: &str,
        parent: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut child = stage.agent(name, task, parent, &LOOP.replace("$NAME", name))?;
        let inbox = stage.workspace().join(name);
        if !wait(|| inbox.join("ready").exists() || child.try_wait().is_ok_and(|ended| ended.is_some())) {
            return Err(Failure::new(NO, "demo", format!("the agent `{name}` does not start")));
        }
        if child.try_wait()?.is_some() {
            let said = child.stderr.take().map(io::read_to_string).transpose()?.unwrap_or_default();
            return Err(Failure::new(NO, "demo", format!("the agent `{name}` did not start: {said}")));
        }
        let sessions: Vec<SessionView> = stage.client().get("/v1/sessions")?;
        let session = sessions.iter().find(|view| view.session.agent.as_str() == name);
        let session = session
            .ok_or_else(|| Failure::new(NO, "demo", format!("the agent `{name}` has no session")))?
            .session
            .id
            .to_string();
        Ok(Self { name, session, inbox, child, told: 0 })
    }

    /// Its session.
    pub(super) fn session(&self) -> &str {
        &self.session
    }

    /// Has it do something, to its end. What it printed.
    pub(super) fn does(&mut self, script: &str) -> Result<String, Failure> {
        self.begins(script)?.ends(self.name)
    }

    /// Has it do something, and does not wait.
    pub(super) fn begins(&mut self, script: &str) -> Result<Doing, Failure> {
        self.told += 1;
        let todo = self.inbox.join(format!("{:03}.todo", self.told));
        // Moved into place: half a script is never run.
        let aside = self.inbox.join("aside");
        fs::write(&aside, script)?;
        fs::rename(&aside, &todo)?;
        let beside = |end: &str| Path::new(&format!("{}.{end}", todo.display())).to_owned();
        Ok(Doing { done: beside("done"), out: beside("out") })
    }

    /// Waits until it is ended from outside; its exit code.
    pub(super) fn ended(&mut self) -> Option<i32> {
        let child = &mut self.child;
        wait(|| child.try_wait().is_ok_and(|ended| ended.is_some()));
        child.try_wait().ok().flatten().and_then(|ended| ended.code())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // What has ended already need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Doing {
    /// Waits for its end. What was printed.
    pub(super) fn ends(&self, who: &str) -> Result<String, Failure> {
        if wait(|| self.done.exists()) {
            Ok(String::from_utf8_lossy(&fs::read(&self.out)?).into_owned())
        } else {
            Err(Failure::new(NO, "demo", format!("the agent `{who}` does not come to an end")))
        }
    }
}

/// Waits until something is so. `false` if it does not become so.
pub(super) fn wait(mut until: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !until() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}
