//! `secret`: what the gateway keeps and agents never see.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use bailiwick_client::Client;
use bailiwick_wire::{Done, SecretValue, SecretView};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::{
    args::Secret,
    daemon,
    environment::Environment,
    output::{Failure, Output},
};

/// Larger than any credential.
const MAX_SECRET: u64 = 64 * 1024;

pub(crate) fn execute(
    command: Secret,
    client: &Client,
    environment: &Environment,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        Secret::Set { name } => {
            let value = read(&format!("secret for {name}: "))?;
            daemon::ensure(environment)?;
            client.put::<Done>(&format!("/v1/secrets/{name}"), &SecretValue { value })?;
            output.say(format!("kept the secret `{name}`"));
        }
        Secret::List => {
            for secret in client.get::<Vec<SecretView>>("/v1/secrets")? {
                output.data(&secret, || format!("{}  version {}", secret.name, secret.version))?;
            }
        }
        Secret::Remove { name } => {
            client.delete::<Done>(&format!("/v1/secrets/{name}"))?;
            output.say(format!("forgot the secret `{name}`"));
        }
    }
    Ok(())
}

/// Reads a secret: from the terminal without showing it, or all of standard input.
pub(crate) fn read(prompt: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    let mut text = String::new();
    if stdin.is_terminal() {
        let hidden = Hidden::begin()?;
        write!(io::stderr(), "{prompt}")?;
        io::stderr().flush()?;
        stdin.lock().read_line(&mut text)?;
        drop(hidden);
        writeln!(io::stderr())?;
    } else {
        stdin.lock().take(MAX_SECRET).read_to_string(&mut text).map_err(unreadable)?;
    }
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Failure::usage("no secret was given").fix("type it at the prompt, or pipe it in"));
    }
    Ok(text.to_owned())
}

fn unreadable(error: io::Error) -> Failure {
    if error.kind() != io::ErrorKind::InvalidData {
        return error.into();
    }
    Failure::usage("a secret is text in UTF-8, and this is not")
        .fix("encode it first, as in `base64 FILE | …`")
}

/// While it lives, the terminal does not show what is typed.
struct Hidden(rustix::termios::Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing better can be done if the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
