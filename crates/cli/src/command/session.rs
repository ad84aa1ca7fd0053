//! `session`: what is going on, as the tree that it is.

use bailiwick_client::Client;
use bailiwick_core::SessionId;
use bailiwick_wire::{ExtendRequest, SessionView};

use crate::{
    args::Session,
    command::{grant, reference, workspace},
    output::{Failure, Output},
};

/// How far a session stands to the right of the one that delegated it.
const STEP: usize = 2;

pub(crate) fn execute(command: &Session, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Session::List => {
            let sessions: Vec<SessionView> = client.get("/v1/sessions")?;
            if output.json() {
                for session in &sessions {
                    output.data(session, String::new)?;
                }
            } else if sessions.is_empty() {
                output.say("no session is going on; start one with `bailiwick run -- CMD`");
            } else {
                output.data(&sessions, || lines(&sessions).join("\n"))?;
            }
        }
        Session::Show { session } => {
            let session = reference("session", session, "bailiwick session list")?;
            let view: SessionView = client.get(&format!("/v1/sessions/{session}"))?;
            output.data(&view, || describe(&view))?;
        }
        Session::Extend { session, more } => {
            let session = reference("session", session, "bailiwick session list")?;
            let request = ExtendRequest {
                more_ms: more.map(|more| u64::try_from(more.as_millis()).unwrap_or(u64::MAX)),
            };
            let view: SessionView = client.post(&format!("/v1/sessions/{session}/extend"), &request)?;
            output.data(&view, || format!("{} ends at {}", view.session.id, view.ends_at))?;
        }
        Session::Resume { session } => {
            let session = reference("session", session, "bailiwick session list")?;
            let view: SessionView = client.post(&format!("/v1/sessions/{session}/resume"), &())?;
            output.data(&view, || format!("{} goes on", view.session.id))?;
        }
    }
    Ok(())
}

/// One line a session, each below the one that delegated it.
fn lines(sessions: &[SessionView]) -> Vec<String> {
    let mut placed = Vec::new();
    let going_on = |id: SessionId| sessions.iter().any(|view| view.session.id == id);
    for root in sessions.iter().filter(|view| !view.session.parent.is_some_and(going_on)) {
        place(root, 0, sessions, &mut placed);
    }
    let deepest = placed.iter().map(|(depth, _)| *depth).max().unwrap_or_default();
    placed.into_iter().map(|(depth, view)| line(view, depth, deepest)).collect()
}

fn place<'v>(
    view: &'v SessionView,
    depth: usize,
    all: &'v [SessionView],
    placed: &mut Vec<(usize, &'v SessionView)>,
) {
    placed.push((depth, view));
    for child in all.iter().filter(|child| child.session.parent == Some(view.session.id)) {
        place(child, depth + 1, all, placed);
    }
}

fn line(view: &SessionView, depth: usize, deepest: usize) -> String {
    let SessionView { session, actions, .. } = view;
    format!(
        "{:indent$}{}  {:<width$} {:>5} permitted {:>4} held {:>5} refused  {}{}",
        "",
        session.id,
        session.agent.as_str(),
        actions.permit,
        actions.hold,
        actions.refuse,
        if session.observed { "OBSERVED  " } else { "" },
        session.task.statement,
        indent = depth * STEP,
        width = 12 + (deepest - depth) * STEP,
    )
}

fn describe(view: &SessionView) -> String {
    let SessionView { session, actions, ends_at, under_way, above, seen, effective, .. } = view;
    let seen = workspace::words(seen);
    let may = grant::lines(effective).join("\n           ");
    let observed = if session.observed {
        "observed   it reads at any host, without credentials, and changes nothing\n"
    } else {
        ""
    };
    format!(
        "session    {}\ninitiator  {}\n{}agent      {}\n{observed}task       {}\nopened     {}\nends       {ends_at}\nseen       {seen}\nmay        {may}\nactions    {} permitted, {} held, {} refused, {under_way} under way",
        session.id,
        session.initiator,
        path(view, above),
        session.agent,
        session.task.statement,
        session.opened_at,
        actions.permit,
        actions.hold,
        actions.refuse
    )
}

/// Through whose hands its authority came; nothing for a root session.
fn path(view: &SessionView, above: &[bailiwick_wire::Above]) -> String {
    if above.is_empty() {
        return String::new();
    }
    let session = &view.session;
    let mut hands = vec![session.initiator.to_string()];
    hands.extend(above.iter().map(|above| format!("{} ({})", above.id, above.agent)));
    hands.push(format!("{} ({})", session.id, session.agent));
    format!("delegated  {}\n", hands.join(" → "))
}

#[cfg(test)]
mod tests {
    use bailiwick_core::{Grant, Session};
    use serde_json::json;

    use super::*;

    fn view(number: u32, parent: Option<u32>) -> SessionView {
        let id = |number: u32| format!("ses_0000000000000000000000000{number}");
        let session: Session = serde_json::from_value(json!({
            "id": id(number), "parent": parent.map(id), "initiator": { "kind": "user", "name": "mia" },
            "agent": "coder", "instance": "ins_00000000000000000000000000",
            "task": { "id": "tsk_00000000000000000000000000", "statement": format!("task {number}") },
            "grant": Grant::unrestricted(), "labels": bailiwick_core::Labels::CLEAN, "depth": 0,
            "opened_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        SessionView {
            session,
            ends_at: bailiwick_core::Timestamp::default(),
            end: None,
            actions: bailiwick_wire::Tally::default(),
            under_way: 0,
            above: Vec::new(),
            seen: bailiwick_core::Labels::CLEAN,
            effective: Grant::unrestricted(),
        }
    }

    #[test]
    fn a_child_stands_below_its_parent_whatever_came_between() {
        let all = [view(1, None), view(2, None), view(3, Some(1)), view(4, Some(3)), view(5, Some(9))];
        let shown = lines(&all);
        let tasks: Vec<_> = shown.iter().map(|line| line.chars().last().unwrap()).collect();
        assert_eq!(tasks, ['1', '3', '4', '2', '5'], "{shown:#?}");
        let indents: Vec<_> = shown.iter().map(|line| line.len() - line.trim_start().len()).collect();
        assert_eq!(indents, [0, 2, 4, 0, 0], "{shown:#?}");
        assert!(shown.iter().all(|line| line.len() == shown[0].len()), "{shown:#?}");
    }
}
