//! What `run` says at the terminal: one line before the agent paints, one summary after it, and nothing in between.

use std::{collections::BTreeMap, io::IsTerminal as _, time::Duration};

use bailiwick_client::Client;
use bailiwick_core::{SessionId, Timestamp};
use bailiwick_policy::suggested_name;
use bailiwick_wire::{LogRow, Tally};

/// Refused destinations that are named.
const NAMED: usize = 5;
/// Refusals that are looked at for them.
const LOOKED_AT: usize = 500;

/// Whether a person reads what we say beside the agent's terminal.
pub(crate) fn is_read(terminal: bool) -> bool {
    terminal && std::io::stderr().is_terminal()
}

/// What people call a session: the end of its id, which every command takes.
pub(crate) fn short(session: SessionId) -> String {
    let id = session.to_string();
    id.get(id.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}

/// What a person must know who runs something observed.
pub(crate) const OBSERVED: &str =
    "OBSERVED: it reads at any host, without credentials, and can carry out what it finds here";

/// The line before: which session, whose, how enforced, how long, how to stop it, and whether it is observed.
pub(crate) fn before(
    agent: &str,
    tier: &str,
    session: Option<(SessionId, Timestamp, Timestamp)>,
    observed: bool,
) -> String {
    match session {
        None => format!("bailiwick: {agent} runs without network, tier {tier}"),
        Some((session, now, ends)) => {
            let (short, left) = (short(session), left(ends.since(now)));
            let observed = if observed { format!("; {OBSERVED}") } else { String::new() };
            format!(
                "bailiwick: session {short}, agent {agent}, tier {tier}, {left}; `bailiwick stop {short}` ends it{observed}"
            )
        }
    }
}

fn left(ttl: Duration) -> String {
    // Whole minutes, unless there are few of them.
    let seconds = if ttl.as_secs() >= 600 { ttl.as_secs().div_ceil(60) * 60 } else { ttl.as_secs() };
    format!(
        "at most {}",
        humantime::format_duration(Duration::from_secs(seconds)).to_string().replace(' ', "")
    )
}

/// The summary after. Notes are lines of other parts: what was published, what runs later.
pub(crate) fn after(session: SessionId, actions: Tally, refused: &[LogRow], notes: &[String]) -> String {
    let mut lines = vec![format!(
        "bailiwick: session {}: {} permitted, {} held, {} refused",
        short(session),
        actions.permit,
        actions.hold,
        actions.refuse
    )];
    let destinations = destinations(refused);
    for (what, times, allow) in destinations.iter().take(NAMED) {
        lines.push(format!("  refused {what} ×{times}: {allow}"));
    }
    if destinations.len() > NAMED || actions.refuse + actions.hold > 0 {
        lines.push(format!("  all of it: bailiwick log --session {}", short(session)));
    }
    lines.extend(notes.iter().map(|note| format!("  {note}")));
    lines.join("\n")
}

/// The session's latest refusals.
pub(crate) fn refused(client: &Client, session: SessionId) -> Vec<LogRow> {
    let mut rows = Vec::new();
    let query = format!("/v1/log?session={session}&decision=refuse&limit={LOOKED_AT}");
    // A summary that cannot be had is no failure of the run.
    let _ = client.follow(&query, |row: LogRow| {
        rows.push(row);
        true
    });
    rows
}

/// What was refused, how often, and what would allow it; most often first.
fn destinations(refused: &[LogRow]) -> Vec<(String, u64, String)> {
    let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
    // A name that was asked for on the way to a destination is none itself.
    let leads_on = |name: &str| {
        let host = |row: &LogRow| {
            row.resource.split_once("://").is_some_and(|(scheme, at)| scheme != "dns" && host(at) == name)
        };
        refused.iter().any(host)
    };
    for row in refused.iter().filter(|row| !row.resource.strip_prefix("dns://").is_some_and(leads_on)) {
        *found.entry(destination(row)).or_default() += u64::from(row.count);
    }
    let mut found: Vec<_> = found.into_iter().map(|((what, allow), times)| (what, times, allow)).collect();
    found.sort_by(|(one, few, _), (other, many, _)| many.cmp(few).then_with(|| one.cmp(other)));
    found
}

/// The host in `host:port`.
fn host(at: &str) -> &str {
    at.rsplit_once(':').map_or(at, |(host, port)| if port.parse::<u16>().is_ok() { host } else { at })
}

fn destination(row: &LogRow) -> (String, String) {
    let add = |address: &str, rest: &str| {
        format!("bailiwick resource add {} --address {address}{rest}", suggested_name(address))
    };
    let address = row.resource.as_str();
    match address.split_once("://") {
        Some(("tcp", at)) => (address.to_owned(), add(at, " --protocol tcp")),
        Some(("dns", name)) => (address.to_owned(), add(&format!("https://{name}"), "")),
        Some(_) => (address.to_owned(), add(address, "")),
        None => (format!("{} on {address}", row.operation), format!("bailiwick explain {}", row.act)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(resource: &str, count: u32) -> LogRow {
        serde_json::from_value(serde_json::json!({
            "act": "act_01m88q5mj7fma8prg8pzgn6sqs", "at": "2026-01-01T00:00:00Z", "session": "ses_01m88q5mj7fma8prg8pzgn6sqs",
            "agent": "x", "process": null, "resource": resource, "operation": "http.get", "target": "/", "decision": "refuse",
            "reason": "no", "approval": null, "outcome": null, "count": count
        }))
        .unwrap()
    }

    #[test]
    fn refusals_are_told_with_what_would_allow_them() {
        let rows = [
            row("https://api.example.com:8443", 1),
            row("tcp://db.example.com:5432", 7),
            row("forge", 1),
            row("dns://api.example.com", 1),
            row("https://api.example.com:8443", 2),
        ];
        let session = rows[0].session;
        let told = after(session, Tally { permit: 3, hold: 0, refuse: 11 }, &rows, &["a note".to_owned()]);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(
            lines,
            [
                "bailiwick: session 6sqs: 3 permitted, 0 held, 11 refused",
                "  refused tcp://db.example.com:5432 ×7: bailiwick resource add example --address db.example.com:5432 --protocol tcp",
                "  refused https://api.example.com:8443 ×3: bailiwick resource add example --address https://api.example.com:8443",
                "  refused http.get on forge ×1: bailiwick explain act_01m88q5mj7fma8prg8pzgn6sqs",
                "  all of it: bailiwick log --session 6sqs",
                "  a note",
            ]
        );
    }

    #[test]
    fn nothing_refused_is_one_line() {
        let session = row("x", 1).session;
        assert_eq!(after(session, Tally { permit: 3, hold: 0, refuse: 0 }, &[], &[]).lines().count(), 1);
    }

    #[test]
    fn the_line_before_says_how_to_stop_it() {
        let session = row("x", 1).session;
        let now = Timestamp::from_micros(0);
        let told = before("codex", "T2", Some((session, now, now.after(Duration::from_secs(43_199)))), false);
        assert_eq!(
            told,
            "bailiwick: session 6sqs, agent codex, tier T2, at most 12h; `bailiwick stop 6sqs` ends it"
        );
        assert!(
            before("x", "T2", Some((session, now, now.after(Duration::from_secs(90)))), false)
                .contains("at most 1m30s")
        );
        let observed = before("x", "T2", Some((session, now, now.after(Duration::from_secs(90)))), true);
        assert!(observed.ends_with(OBSERVED), "{observed}");
    }
}
