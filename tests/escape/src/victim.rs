//! A host process of the same user that must come to no harm.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Result;

/// The process, while it lives.
#[derive(Debug)]
pub struct Victim {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// Its process id.
    pub pid: i32,
    /// Where in its memory the secret lies, in hexadecimal.
    pub memory: String,
    /// Its process group.
    pub group: i32,
}

impl Victim {
    /// Starts it, with a secret in its command line, environment, memory, keyring, directory and descriptor 20.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(probe: &Path, arguments: &[String], secret: &str) -> Result<Self> {
        let mut command = Command::new(probe);
        command.arg("victim").args(arguments).arg(format!("secret={secret}")).env_clear();
        command.env("VICTIM_SECRET", secret).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().ok_or("the victim has no output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["ready", pid, memory, group] = words[..] else {
            return Err(format!("the victim did not come up: {line:?}").into());
        };
        let (pid, memory, group) = (pid.parse()?, memory.to_owned(), group.parse()?);
        Ok(Self { child, stdin, stdout, pid, memory, group })
    }

    /// Ends it, and returns what harm it came to; `dead` if it cannot say.
    ///
    /// # Errors
    /// When its report cannot be read.
    pub fn report(mut self) -> Result<BTreeMap<String, bool>> {
        drop(self.stdin.take());
        let mut text = String::new();
        self.stdout.read_to_string(&mut text)?;
        let mut harm: BTreeMap<String, bool> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value != "0"))
            .collect();
        let status = self.child.wait()?;
        harm.insert("dead".into(), !status.success());
        Ok(harm)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
