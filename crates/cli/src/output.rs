//! What a person or a program sees: data on standard output, everything else on standard error; failures say what was wrong and
//! what would make it work.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use bailiwick_authority::HomeError;
use bailiwick_core::Problem;
use serde::Serialize;

/// The answer is no.
pub(crate) const NO: u8 = 1;
/// The command or a file was wrong.
pub(crate) const USAGE: u8 = 2;
/// There is no daemon.
pub(crate) const NO_DAEMON: u8 = 3;
/// There is no such thing.
pub(crate) const NOT_FOUND: u8 = 4;
/// It contradicts what is there.
pub(crate) const CONFLICT: u8 = 5;

/// Whoever read what we print has had enough: nobody is left to tell, and nothing went wrong.
const BROKEN_PIPE: &str = "broken_pipe";

/// A failed command: how it exits, and what it says.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: u8,
    /// What was wrong.
    pub(crate) problem: Problem,
}

impl Failure {
    /// A failure that exits with `exit`.
    pub(crate) fn new(exit: u8, code: &str, detail: impl Display) -> Self {
        let status = match exit {
            NOT_FOUND => 404,
            CONFLICT => 409,
            NO_DAEMON => 503,
            _ => 400,
        };
        Self { exit, problem: Problem::new(status, code, detail.to_string()) }
    }

    /// The same failure, saying what would make it work.
    pub(crate) fn fix(mut self, fix: impl Display) -> Self {
        self.problem.fix = Some(fix.to_string());
        self
    }

    /// A home that cannot be used, in a command that then exits with `exit`.
    pub(crate) fn home(exit: u8, error: &HomeError) -> Self {
        Self::new(exit, "home", error).fix(error.fix())
    }

    /// A usage or configuration error.
    pub(crate) fn usage(detail: impl Display) -> Self {
        Self::new(USAGE, "usage", detail)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = match problem.status {
            400 => USAGE,
            404 => NOT_FOUND,
            409 => CONFLICT,
            _ => NO,
        };
        Self { exit, problem }
    }
}

impl From<bailiwick_client::ClientError> for Failure {
    fn from(error: bailiwick_client::ClientError) -> Self {
        match error {
            bailiwick_client::ClientError::Problem(problem) => problem.into(),
            bailiwick_client::ClientError::NoDaemon(..) => Self::new(NO_DAEMON, "no_daemon", error)
                .fix("bailiwick serve   (or any `bailiwick run`, which starts one)"),
            bailiwick_client::ClientError::Answer(_) => Self::new(NO, "daemon", error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let code = if error.kind() == io::ErrorKind::BrokenPipe { BROKEN_PIPE } else { "io" };
        Self::new(NO, code, error)
    }
}

/// Where a command writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether data is wanted as JSON.
    pub(crate) const fn json(self) -> bool {
        self.json
    }

    /// Prints data: `value` as one line of JSON, or `text` for a person.
    pub(crate) fn data(self, value: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut stdout, value)?;
            writeln!(stdout)
        } else {
            let text = text();
            if text.is_empty() {
                Ok(())
            } else {
                writeln!(stdout, "{}", printable(text.trim_end_matches('\n')))
            }
        }
    }

    /// Says something to the person, beside the data.
    pub(crate) fn say(self, text: impl Display) {
        // There is nobody to tell that standard error is gone.
        let _ = writeln!(io::stderr(), "{}", printable(&text.to_string()));
    }

    /// Tells a failure and gives its exit code.
    pub(crate) fn failure(self, failure: &Failure) -> ExitCode {
        if failure.problem.code == BROKEN_PIPE {
            return ExitCode::SUCCESS;
        }
        if self.json {
            let _ = serde_json::to_writer(io::stdout(), &failure.problem);
            let _ = writeln!(io::stdout());
        }
        self.say(format!("bailiwick: {}", failure.problem));
        ExitCode::from(failure.exit)
    }
}

/// Tells a usage error, or the help that was asked for. With `json`, a program wants to be told as well.
pub(crate) fn usage(error: &clap::Error, json: bool) -> ExitCode {
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if json {
        let text = error.render().to_string();
        let detail = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let problem = Failure::usage(detail).fix("bailiwick --help").problem;
        // There is nobody to tell that standard output is gone.
        let _ = Output::new(true).data(&problem, String::new);
    }
    ExitCode::from(USAGE)
}

/// The text with every control, invisible or bidirectional character shown instead of obeyed. Much of what is printed was chosen by
/// an agent.
pub(crate) fn printable(text: &str) -> String {
    let obeyed = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if obeyed(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_chose_is_shown_not_obeyed() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\r\n\td"), "a\\u{1b}[2Jb\\u{202e}c\\u{d}\n\td");
    }
}
