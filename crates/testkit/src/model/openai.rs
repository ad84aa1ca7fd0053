//! OpenAI's Responses, as Codex and OpenCode ask for them, and its Chat Completions.

use http::Response;
use serde_json::{Value, json};

use super::{Turn, events, object, shell_call, turn};
use crate::http_server::Body;

const CALLS: [&str; 3] = ["function_call", "custom_tool_call", "local_shell_call"];

pub(super) fn responses(asked: &Value, script: &[Turn]) -> Response<Body> {
    let input = asked["input"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_call = |item: &Value| item["type"].as_str().is_some_and(|kind| CALLS.contains(&kind));
    // Calls that stand together are one round.
    let rounds =
        (0..input.len()).filter(|at| is_call(&input[*at]) && (*at == 0 || !is_call(&input[*at - 1]))).count();
    let mut tools: Vec<&Value> = asked["tools"].as_array().into_iter().flatten().collect();
    let further = input.iter().filter(|item| item["type"] == "additional_tools");
    tools.extend(further.flat_map(|item| item["tools"].as_array().into_iter().flatten()));
    let offered: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    let item = match turn(script, rounds, !tools.is_empty()) {
        Turn::Text(text) => json!({
            "type": "message", "id": format!("msg_{rounds}"), "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }),
        Turn::Shell(command) => {
            let (name, input) = shell_call(&offered, &command);
            json!({
                "type": "function_call", "id": format!("fc_{rounds}"), "call_id": format!("call_{rounds}"), "name": name,
                "arguments": input.to_string(), "status": "completed",
            })
        }
    };
    let response = |status: &str, output: Value| {
        json!({
            "id": format!("resp_{rounds}"), "object": "response", "created_at": 1_700_000_000, "status": status,
            "model": asked["model"], "output": output,
            "usage": {
                "input_tokens": 10, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15,
            },
        })
    };
    let done = response("completed", json!([item]));
    if asked["stream"] != true {
        return object(&done);
    }
    let mut begun = item.clone();
    begun["status"] = json!("in_progress");
    if begun["type"] == "message" {
        begun["content"] = json!([]);
    }
    let mut all = vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": begun}),
    ];
    if item["type"] == "message" {
        let delta = item["content"][0]["text"].clone();
        all.push(json!({
            "type": "response.output_text.delta", "item_id": item["id"], "output_index": 0, "content_index": 0, "delta": delta,
        }));
    }
    all.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    all.push(json!({"type": "response.completed", "response": done}));
    for (number, event) in all.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events(&all)
}

pub(super) fn chat(asked: &Value, script: &[Turn]) -> Response<Body> {
    let messages = asked["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rounds = messages.iter().filter(|message| message["tool_calls"].is_array()).count();
    let tools = asked["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let offered: Vec<&str> = tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).collect();
    let (message, reason) = match turn(script, rounds, !tools.is_empty()) {
        Turn::Text(text) => (json!({"role": "assistant", "content": text}), "stop"),
        Turn::Shell(command) => {
            let (name, input) = shell_call(&offered, &command);
            let function = json!({"name": name, "arguments": input.to_string()});
            let call =
                json!({"index": 0, "id": format!("call_{rounds}"), "type": "function", "function": function});
            (json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls")
        }
    };
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    let whole = |kind: &str, choice: Value| {
        json!({
            "id": format!("chatcmpl-{rounds}"), "object": kind, "created": 1_700_000_000, "model": asked["model"],
            "choices": [choice], "usage": usage,
        })
    };
    if asked["stream"] != true {
        return object(&whole(
            "chat.completion",
            json!({"index": 0, "message": message, "finish_reason": reason}),
        ));
    }
    let chunk = "chat.completion.chunk";
    events(&[
        whole(chunk, json!({"index": 0, "delta": message, "finish_reason": null})),
        whole(chunk, json!({"index": 0, "delta": {}, "finish_reason": reason})),
    ])
}
