//! The person who is asked: whoever sits at the terminal; without one the play answers itself, and says so.

use std::io::IsTerminal as _;

use bailiwick_core::{Answer, Approval, Scope};
use bailiwick_wire::{AnswerRequest, ApprovalView};

use super::{agent::wait, stage::Stage};
use crate::{
    card, command,
    output::{Failure, NO, Output},
};

/// Answers the next question.
pub(super) fn answer(stage: &Stage, output: &Output) -> Result<(), Failure> {
    let client = stage.client();
    let mut open: Vec<ApprovalView> = Vec::new();
    if !wait(|| {
        open = client.get("/v1/approvals").unwrap_or_default();
        !open.is_empty()
    }) {
        return Err(Failure::new(NO, "demo", "nothing waits for a person, and something should"));
    }
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        output.say("\nThis one waits for you:");
        return command::approve(false, &client, output);
    }
    let Some(view) = open.first() else { return Ok(()) };
    output.say(card::lines(view, (1, open.len()), 110).join("\n"));
    output.say("  (there is no terminal, so the play itself says yes here)\n");
    let request = AnswerRequest { answer: Answer::Yes, scope: Scope::Effect, digest: view.digest };
    client.post::<Approval>(&format!("/v1/approvals/{}", view.id), &request)?;
    Ok(())
}
