//! `log`: what was attempted, and what became of it.

use bailiwick_client::Client;
use bailiwick_wire::LogRow;

use crate::{
    args::Log,
    command::reference,
    output::{Failure, Output},
};

pub(crate) fn execute(options: &Log, client: &Client, output: &Output) -> Result<(), Failure> {
    let mut query = vec![format!("follow={}", options.follow)];
    if let Some(session) = &options.session {
        query.push(format!("session={}", reference("session", session, "bailiwick session list")?));
    }
    query.extend(options.decision.as_ref().map(|decision| format!("decision={decision}")));
    query.extend(options.limit.map(|limit| format!("limit={limit}")));
    let mut printed = Ok(());
    client.follow(&format!("/v1/log?{}", query.join("&")), |row: LogRow| {
        printed = output.data(&row, || line(&row));
        printed.is_ok()
    })?;
    match printed {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// A row, for a person.
pub(crate) fn line(row: &LogRow) -> String {
    let at = row.at.to_string();
    let time = at.get(11..19).unwrap_or(&at);
    let process = row.process.as_deref().unwrap_or("?");
    let became = row.reason.as_deref().or(row.outcome.as_deref()).unwrap_or("…");
    let count = if row.count > 1 { format!(" ×{}", row.count) } else { String::new() };
    format!(
        "{time}  {:<6} {:<18} {} {}  [{process}]{count}  {became}  {}",
        row.decision, row.operation, row.resource, row.target, row.act
    )
}
