//! What a live session's agent claims about itself: its prompts and its open tool calls, and what was refused meanwhile.
//!
//! All of it comes from hostile code. It names what an attempt is claimed to belong to, and lets a refusal be told where the model reads it;
//! it decides nothing. Everything is bounded, and what is too much is counted. In memory only: after a restart of the daemon the agent's
//! next report begins anew.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bailiwick_core::{
    ActionId, Claimed, ClaimedCall, ClaimedId, ClaimedPrompt, Digest, HookEvent, Moment, PromptOrigin,
    Reason, Timestamp,
};

/// Reports of one session that go on record in one minute; what is beyond is counted.
pub(crate) const PER_MINUTE: u32 = 300;
/// A minute, in microseconds.
const MINUTE: i64 = 60_000_000;
/// Conversations whose latest prompt is known.
const PROMPTS: usize = 16;
/// Tool calls that may be open.
const CALLS: usize = 64;
/// Tool calls that an attempt names at most.
const NAMED: usize = 8;
/// Refusals that are kept to be told.
const REFUSALS: usize = 32;

/// What one session's agent claims.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    prompts: VecDeque<Prompt>,
    calls: VecDeque<Call>,
    refusals: VecDeque<Refused>,
    /// Refusals so far.
    refused: u64,
    window: Window,
}

/// How many reports went on record lately.
#[derive(Debug, Default)]
struct Window {
    began: i64,
    recorded: u32,
    folded: u64,
}

#[derive(Debug)]
struct Prompt {
    conversation: Option<ClaimedId>,
    id: ClaimedId,
    origin: PromptOrigin,
    record: Option<u64>,
}

#[derive(Debug)]
struct Call {
    conversation: Option<ClaimedId>,
    sub_agent: Option<ClaimedId>,
    prompt: Option<ClaimedId>,
    digest: Option<Digest>,
    shown: ClaimedCall,
    /// Refusals before it began.
    since: u64,
}

/// Something that was refused, for the agent to be told.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) act: ActionId,
    /// What was attempted, in one line.
    pub(crate) line: String,
    pub(crate) reason: Reason,
    number: u64,
}

impl Claims {
    /// Takes a place in the record for one report: `Some(n)` if it is to be recorded, standing for `n` others that were not.
    pub(crate) fn place(&self, now: Timestamp) -> Option<u64> {
        let mut state = self.lock();
        let window = &mut state.window;
        let now = now.as_micros();
        if now.saturating_sub(window.began) >= MINUTE || window.recorded == 0 {
            (window.began, window.recorded) = (now, 0);
        }
        if window.recorded >= PER_MINUTE {
            window.folded += 1;
            return None;
        }
        window.recorded += 1;
        Some(std::mem::take(&mut window.folded))
    }

    /// Reports that no record has counted yet.
    pub(crate) fn leftover(&self) -> u64 {
        std::mem::take(&mut self.lock().window.folded)
    }

    /// Takes in a report that is on record at `record`, and returns what was refused during the tool call that it ends.
    pub(crate) fn take_in(&self, event: &HookEvent, record: Option<u64>) -> Vec<Refused> {
        let mut state = self.lock();
        match event.moment {
            Moment::Prompt => state.prompt(event, record),
            Moment::ToolStart => state.begin(event, record),
            Moment::ToolEnd => return state.end(event),
            Moment::TurnEnd | Moment::SubAgentEnd => state.forget(event),
            Moment::SessionEnd | Moment::SessionStart => state.forget_all(event),
            Moment::Malformed | Moment::Other | Moment::Permission | Moment::SubAgentStart => {}
        }
        Vec::new()
    }

    /// What an attempt of this moment is claimed to belong to: every tool call that is open, or else the latest prompt of a person.
    pub(crate) fn now(&self) -> Option<Claimed> {
        let state = self.lock();
        let tool_calls: Vec<_> =
            state.calls.iter().rev().take(NAMED).map(|call| call.shown.clone()).collect();
        let prompt = match state.calls.back() {
            Some(call) => call.prompt.clone().map(|id| state.shown(call.conversation.as_ref(), id)),
            None => {
                state.prompts.iter().rev().find(|prompt| prompt.origin == PromptOrigin::Person).map(shown)
            }
        };
        (prompt.is_some() || !tool_calls.is_empty()).then_some(Claimed { prompt, tool_calls })
    }

    /// Keeps a refusal, to be told when the tool call ends that it happened in.
    pub(crate) fn note_refused(&self, act: ActionId, line: String, reason: Reason) {
        let mut state = self.lock();
        let number = state.refused;
        state.refused += 1;
        let known = state.refusals.back().is_some_and(|refused| refused.act == act);
        if !state.calls.is_empty() && !known {
            push(&mut state.refusals, Refused { act, line, reason, number }, REFUSALS);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn prompt(&mut self, event: &HookEvent, record: Option<u64>) {
        let origin = event.origin.unwrap_or(PromptOrigin::Person);
        self.forget(event);
        let Some(id) = event.prompt.clone() else { return };
        self.prompts.retain(|prompt| prompt.conversation != event.conversation || prompt.id != id);
        push(
            &mut self.prompts,
            Prompt { conversation: event.conversation.clone(), id, origin, record },
            PROMPTS,
        );
    }

    fn begin(&mut self, event: &HookEvent, record: Option<u64>) {
        let call = Call {
            conversation: event.conversation.clone(),
            sub_agent: event.sub_agent.clone(),
            prompt: event.prompt.clone(),
            digest: event.digest,
            shown: ClaimedCall { id: event.tool_call.clone(), tool: event.tool.clone(), record },
            since: self.refused,
        };
        push(&mut self.calls, call, CALLS);
    }

    fn end(&mut self, event: &HookEvent) -> Vec<Refused> {
        let found = self.calls.iter().position(|call| {
            let same = match &event.tool_call {
                Some(id) => call.shown.id.as_ref() == Some(id),
                // Not every agent has identifiers: there, the same tool with the same arguments.
                None => call.shown.tool == event.tool && call.digest == event.digest,
            };
            same && call.conversation == event.conversation
        });
        let Some(call) = found.and_then(|at| self.calls.remove(at)) else { return Vec::new() };
        let told = self.refusals.iter().filter(|refused| refused.number >= call.since).cloned().collect();
        let oldest = self.calls.iter().map(|call| call.since).min().unwrap_or(u64::MAX);
        self.refusals.retain(|refused| refused.number >= oldest);
        told
    }

    /// Whoever has nothing more to do has no tool call open.
    fn forget(&mut self, event: &HookEvent) {
        self.calls
            .retain(|call| call.conversation != event.conversation || call.sub_agent != event.sub_agent);
    }

    fn forget_all(&mut self, event: &HookEvent) {
        self.calls.retain(|call| call.conversation != event.conversation);
    }

    /// A prompt by its identifier, with what was said of it when it was given.
    fn shown(&self, conversation: Option<&ClaimedId>, id: ClaimedId) -> ClaimedPrompt {
        let known = self
            .prompts
            .iter()
            .find(|prompt| prompt.id == id && prompt.conversation.as_ref() == conversation);
        known.map_or(ClaimedPrompt { id, origin: None, record: None }, shown)
    }
}

fn shown(prompt: &Prompt) -> ClaimedPrompt {
    ClaimedPrompt { id: prompt.id.clone(), origin: Some(prompt.origin), record: prompt.record }
}

/// Keeps at most `most`, the latest.
fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests;
