//! What a new session is asked to be: below which other, and with which grant. The daemon decides what it is.

use std::{fs::File, io::Read as _, path::Path};

use bailiwick_client::Client;
use bailiwick_core::{Grant, SessionId};
use bailiwick_wire::SessionView;

use super::OURS;
use crate::{command::reference, environment::Environment, output::Failure};

/// The largest grant, in bytes: it travels in one frame and is kept in one record.
const MAX_GRANT: u64 = 16 * 1024;

/// The session that `--parent` means.
pub(super) fn parent(wanted: Option<&str>, environment: &Environment) -> Result<Option<SessionId>, Failure> {
    let Some(wanted) = wanted else { return Ok(None) };
    let found = reference("session", wanted, "bailiwick session list").and_then(|wanted| {
        let client = Client::new(&environment.home);
        Ok(client.get::<SessionView>(&format!("/v1/sessions/{wanted}"))?)
    });
    found.map(|view| Some(view.session.id)).map_err(|failure| Failure { exit: OURS, ..failure })
}

/// The grant in the file that `--grant` names.
pub(super) fn grant(file: Option<&Path>, environment: &Environment) -> Result<Option<Grant>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let file = environment.absolute(file);
    let failed = |detail: String| {
        Failure::usage(format!("`{}` is not a grant: {detail}", file.display()))
            .fix("name a file with a grant in JSON with `--grant FILE`")
    };
    let mut text = String::new();
    File::open(&file)
        .and_then(|opened| opened.take(MAX_GRANT + 1).read_to_string(&mut text))
        .map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > MAX_GRANT {
        return Err(failed(format!("it is larger than {MAX_GRANT} bytes")));
    }
    serde_json::from_str(&text).map(Some).map_err(|error| failed(error.to_string()))
}
