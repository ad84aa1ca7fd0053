//! Anthropic's Messages, as Claude Code and OpenCode ask for them.

use http::Response;
use serde_json::{Value, json};

use super::{Turn, events, object, shell_call, turn};
use crate::http_server::Body;

pub(super) fn respond(asked: &Value, script: &[Turn]) -> Response<Body> {
    let messages = asked["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let calls = |message: &&Value| {
        let content = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
        message["role"] == "assistant" && content.iter().any(|part| part["type"] == "tool_use")
    };
    let rounds = messages.iter().filter(calls).count();
    let tools = asked["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let offered: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    let (content, stop) = match turn(script, rounds, !tools.is_empty()) {
        Turn::Text(text) => (json!({"type": "text", "text": text}), "end_turn"),
        Turn::Shell(command) => {
            let (name, input) = shell_call(&offered, &command);
            (
                json!({"type": "tool_use", "id": format!("toolu_{rounds:024}"), "name": name, "input": input}),
                "tool_use",
            )
        }
    };
    let message = |content: Value, stop: Value| {
        json!({
            "id": format!("msg_{rounds:024}"), "type": "message", "role": "assistant", "model": asked["model"],
            "content": content, "stop_reason": stop, "stop_sequence": null,
            "usage": {"input_tokens": 10, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
        })
    };
    if asked["stream"] != true {
        return object(&message(json!([content]), json!(stop)));
    }
    let (begun, delta) = if stop == "tool_use" {
        let mut begun = content.clone();
        begun["input"] = json!({});
        (begun, json!({"type": "input_json_delta", "partial_json": content["input"].to_string()}))
    } else {
        (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": content["text"]}))
    };
    events(&[
        json!({"type": "message_start", "message": message(json!([]), Value::Null)}),
        json!({"type": "content_block_start", "index": 0, "content_block": begun}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ])
}
