//! What an agent reports of itself through its hooks: it goes on record, and the answer tells what was refused. Nothing is decided by it.

use std::sync::Arc;

use bailiwick_core::{Decision, HookEvent, ProcessFacts, shown};

use super::{Action, Denied, Gate, Reason, paused};
use crate::{LiveSession, claims::Refused};

/// Refusals told in one answer.
const TOLD: usize = 5;
/// The longest of one text that is told, in characters.
const LONGEST: usize = 400;
/// The longest of a text that a program inside chose, in characters.
const PLAIN: usize = 100;

impl Gate {
    /// Takes in what the agent of `session` reports, and returns what its model is to be told, if anything. A report that cannot be put on
    /// record is answered all the same: nothing depends on it.
    pub async fn hook(
        &self,
        session: &Arc<LiveSession>,
        process: &ProcessFacts,
        event: HookEvent,
    ) -> Option<String> {
        let record = match session.claims().place(self.shared.clock.now()) {
            Some(folded) => self.shared.journal.hook(session, process, event.clone(), folded).await,
            None => None,
        };
        let refused = session.claims().take_in(&event, record);
        if session.is_paused() {
            return Some(said("bailiwick has paused this session", &paused(session)));
        }
        tell(&refused)
    }

    /// Keeps what was refused, to be told when the tool call ends that it happened in.
    pub(super) fn remember(&self, session: &LiveSession, action: &Action, denied: &Denied) {
        // A name that was asked for leads nowhere by itself; what was then tried with it is told.
        if action.operation.as_str() == RESOLVE {
            return;
        }
        if let Decision::Hold(refusal) | Decision::Refuse(refusal) = &denied.decision
            && let Some(reason) = refusal.reasons.first()
        {
            let (on, target) = (plain(action.resource.name()), plain(&action.target));
            session.claims().note_refused(
                action.id,
                format!("{} on {on}: {target}", action.operation),
                reason.clone(),
            );
        }
    }
}

const RESOLVE: &str = "net.resolve";

fn tell(refused: &[Refused]) -> Option<String> {
    let first = refused.first()?;
    let mut text =
        String::from("While this tool call ran, bailiwick, the sandbox around this session, refused:");
    for refused in refused.iter().take(TOLD) {
        text.push_str("\n- ");
        text.push_str(&said(&refused.line, &refused.reason));
    }
    if let Some(more) = refused.len().checked_sub(TOLD).filter(|more| *more > 0) {
        text.push_str(&format!("\n- and {more} more"));
    }
    text.push_str(&format!(
        "\nNothing inside the sandbox can change that; the person outside can (`bailiwick explain {}`).",
        first.act
    ));
    Some(text)
}

fn said(what: &str, reason: &Reason) -> String {
    let fix = reason.fix.as_ref().map_or_else(String::new, |fix| format!(". What would help: {}", cut(fix)));
    format!("{what}: {}{fix}", cut(&reason.detail))
}

/// A model takes what a hook says for the truth, and any program inside could have chosen this: no sentences, and not much of it.
fn plain(text: &str) -> String {
    text.chars().take(PLAIN).map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect()
}

fn cut(text: &str) -> String {
    shown(text).chars().take(LONGEST).collect()
}
