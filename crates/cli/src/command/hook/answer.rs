//! The answer that each agent understands. One that says nothing lets the agent go on as without a hook.

use serde_json::json;

/// What is printed for `event` of `agent`; `told` is for its model, where the agent passes it on.
pub(super) fn render(agent: &str, event: &str, told: Option<String>) -> String {
    match (agent, told.filter(|_| passes_on(agent, event))) {
        // Codex drops an answer with any field that it does not know, and has none that says nothing.
        (_, Some(told)) => {
            let specific = json!({ "hookEventName": event, "additionalContext": told });
            json!({ "hookSpecificOutput": specific }).to_string()
        }
        ("claude" | "gemini", None) => "{}".to_owned(),
        (_, None) => String::new(),
    }
}

/// The events with whose answer an agent's model is told something.
fn passes_on(agent: &str, event: &str) -> bool {
    match agent {
        "claude" => {
            matches!(event, "PreToolUse" | "PostToolUse" | "PostToolUseFailure" | "UserPromptSubmit")
        }
        "codex" => event == "PostToolUse",
        "gemini" => event == "AfterTool",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_one_that_the_agent_understands() {
        let told = || Some("refused".to_owned());
        let context = |event: &str| {
            let specific = json!({ "hookEventName": event, "additionalContext": "refused" });
            json!({ "hookSpecificOutput": specific }).to_string()
        };
        for (agent, event, with, without) in [
            ("claude", "PostToolUse", context("PostToolUse"), "{}"),
            ("claude", "PostToolUseFailure", context("PostToolUseFailure"), "{}"),
            ("claude", "PreToolUse", context("PreToolUse"), "{}"),
            ("claude", "Stop", "{}".to_owned(), "{}"),
            ("codex", "PostToolUse", context("PostToolUse"), ""),
            ("codex", "PreToolUse", String::new(), ""),
            ("gemini", "AfterTool", context("AfterTool"), "{}"),
            ("other", "PostToolUse", String::new(), ""),
        ] {
            assert_eq!(render(agent, event, told()), with, "{agent} {event}");
            assert_eq!(render(agent, event, None), without, "{agent} {event}");
        }
    }

    #[test]
    fn no_answer_permits_or_denies() {
        for agent in ["claude", "codex", "gemini"] {
            for event in ["PreToolUse", "PermissionRequest", "BeforeTool", "UserPromptSubmit", "Stop"] {
                let text = render(agent, event, Some("refused".to_owned()));
                for word in ["permissionDecision", "decision", "continue", "allow", "deny"] {
                    assert!(!text.contains(&format!("\"{word}\"")), "{agent} {event}: {text}");
                }
            }
        }
    }
}
