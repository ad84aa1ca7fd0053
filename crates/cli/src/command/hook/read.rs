//! What an agent says on standard input, read: identifiers, and digests of everything that has words.

use std::io::Read;

use bailiwick_core::{ClaimedId, Digest, HookEvent, Moment, PromptOrigin};
use serde::Deserialize;

/// Bytes that are kept of what an agent says. More is read, so that the agent can write it, and is malformed.
const LONGEST: u64 = 16 << 20;

/// The fields that matter, by the names that Claude Code, Codex and Gemini CLI give them. Others are passed over.
#[derive(Deserialize)]
struct Said {
    session_id: Option<String>,
    /// Claude Code.
    prompt_id: Option<String>,
    /// Codex.
    turn_id: Option<String>,
    agent_id: Option<String>,
    prompt: Option<String>,
    tool_name: Option<String>,
    tool_use_id: Option<String>,
    tool_input: Option<serde_json::Value>,
}

/// Reads one event of an agent. `None` if the agent's name is none.
pub(super) fn read(agent: &str, event: &str, input: impl Read) -> Option<HookEvent> {
    let program = agent.parse().ok()?;
    let Some(said) = parse(input) else { return Some(HookEvent::bare(program, Moment::Malformed)) };
    let moment = moment(event);
    let words = match moment {
        Moment::Prompt => said.prompt.as_ref().map(|prompt| Digest::of(prompt.as_bytes())),
        _ => said.tool_input.as_ref().and_then(|input| Some(Digest::of(&serde_json::to_vec(input).ok()?))),
    };
    let origin = (moment == Moment::Prompt).then(|| origin(&said));
    let id = |text: Option<String>| text.as_deref().and_then(ClaimedId::tamed);
    Some(HookEvent {
        program,
        moment,
        conversation: id(said.session_id),
        sub_agent: id(said.agent_id),
        prompt: id(said.prompt_id.or(said.turn_id)),
        origin,
        tool_call: id(said.tool_use_id),
        tool: id(said.tool_name),
        digest: words,
    })
}

fn parse(input: impl Read) -> Option<Said> {
    let mut kept = Vec::new();
    let mut input = input.take(LONGEST + 1);
    input.read_to_end(&mut kept).ok()?;
    let too_long = kept.len() as u64 > LONGEST;
    let mut rest = input.into_inner();
    let _ = std::io::copy(&mut rest, &mut std::io::sink());
    if too_long { None } else { serde_json::from_slice(&kept).ok() }
}

/// When it is, by the agents' own names for it.
fn moment(event: &str) -> Moment {
    match event {
        "SessionStart" => Moment::SessionStart,
        "UserPromptSubmit" | "BeforeAgent" => Moment::Prompt,
        "PreToolUse" | "BeforeTool" => Moment::ToolStart,
        "PostToolUse" | "PostToolUseFailure" | "AfterTool" => Moment::ToolEnd,
        "PermissionRequest" => Moment::Permission,
        "SubagentStart" => Moment::SubAgentStart,
        "SubagentStop" => Moment::SubAgentEnd,
        "Stop" | "StopFailure" | "AfterAgent" => Moment::TurnEnd,
        "SessionEnd" => Moment::SessionEnd,
        _ => Moment::Other,
    }
}

/// Whose words a prompt is, as far as its form tells. Agents write prompts to themselves.
fn origin(said: &Said) -> PromptOrigin {
    let prompt = said.prompt.as_deref().unwrap_or_default().trim_start();
    if said.agent_id.is_some() {
        PromptOrigin::Agent
    } else if prompt.starts_with("<task-notification>") {
        PromptOrigin::Notification
    } else if prompt.starts_with("Generate a concise, single-line task title") {
        PromptOrigin::Title
    } else {
        PromptOrigin::Person
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claude(event: &str, text: &str) -> HookEvent {
        read("claude", event, text.as_bytes()).unwrap()
    }

    #[test]
    fn identifiers_are_read_and_words_become_digests() {
        let said = r#"{"session_id": "run-1", "cwd": "/w", "prompt_id": "p-1", "prompt": "MARKER", "more": {"x": 1}}"#;
        let event = claude("UserPromptSubmit", said);
        assert_eq!(event.prompt.as_ref().unwrap().as_str(), "p-1");
        assert_eq!(event.digest, Some(Digest::of(b"MARKER")));
        assert_eq!(event.origin, Some(PromptOrigin::Person));
        assert!(!serde_json::to_string(&event).unwrap().contains("MARKER"));
        let said = r#"{"session_id": "run-1", "turn_id": "t-1", "tool_name": "Bash", "tool_use_id": "call_1", "tool_input": {"command": "MARKER"}}"#;
        let event = read("codex", "PreToolUse", said.as_bytes()).unwrap();
        assert_eq!(event.digest, Some(Digest::of(br#"{"command":"MARKER"}"#)));
        assert_eq!((event.moment, event.tool_call), (Moment::ToolStart, "call_1".parse().ok()));
        assert_eq!(event.prompt, "t-1".parse().ok());
    }

    #[test]
    fn prompts_that_nobody_typed_are_told_apart() {
        for (said, origin) in [
            (r#"{"prompt": "<task-notification>\n<task-id>a</task-id>"}"#, PromptOrigin::Notification),
            (r#"{"prompt": "Generate a concise, single-line task title for this"}"#, PromptOrigin::Title),
            (r#"{"prompt": "do it", "agent_id": "a1"}"#, PromptOrigin::Agent),
            (r#"{"prompt": "do it"}"#, PromptOrigin::Person),
            (r#"{"prompt": "what is a <task-notification>?"}"#, PromptOrigin::Person),
        ] {
            assert_eq!(claude("UserPromptSubmit", said).origin, Some(origin), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_read_in_one_way_is_malformed() {
        for bad in [
            "",
            "hello",
            "[]",
            r#"{"session_id": 7}"#,
            r#"{"session_id": "a", "session_id": "b"}"#,
            r#"{"prompt": {"text": "x"}}"#,
            "{\"prompt\": \"x\"} {}",
        ] {
            assert_eq!(claude("UserPromptSubmit", bad).moment, Moment::Malformed, "{bad}");
        }
        assert_eq!(read("claude", "Stop", &b"{\"prompt\": \"\xff\"}"[..]).unwrap().moment, Moment::Malformed);
        assert!(read("No Agent", "Stop", &b"{}"[..]).is_none());
    }

    #[test]
    fn identifiers_are_tamed() {
        let event = claude("PreToolUse", r#"{"tool_use_id": "a\u001b[2J\u202e", "tool_name": "é"}"#);
        assert_eq!(event.tool_call.unwrap().as_str(), "a__2J_");
        assert_eq!(event.tool.unwrap().as_str(), "_");
    }
}
