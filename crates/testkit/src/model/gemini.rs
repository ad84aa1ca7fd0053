//! Gemini's generateContent, as Gemini CLI and OpenCode ask for it.

use http::Response;
use serde_json::{Value, json};

use super::{Turn, events, object, shell_call, turn};
use crate::http_server::Body;

pub(super) fn respond(asked: &Value, stream: bool, script: &[Turn]) -> Response<Body> {
    let contents = asked["contents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let calls = |content: &&Value| {
        let parts = content["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
        content["role"] == "model" && parts.iter().any(|part| part["functionCall"].is_object())
    };
    let rounds = contents.iter().filter(calls).count();
    let tools = asked["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let declared =
        tools.iter().flat_map(|tool| tool["functionDeclarations"].as_array().into_iter().flatten());
    let offered: Vec<&str> = declared.filter_map(|tool| tool["name"].as_str()).collect();
    let wants_json = asked["generationConfig"]["responseMimeType"] == "application/json"
        || asked["generationConfig"]["responseJsonSchema"].is_object();
    let part = if wants_json {
        // What it asks itself between turns: who speaks next, and which model is fit for the task.
        let verdict = json!({
            "reasoning": "x", "next_speaker": "user", "model_choice": "flash", "complexity_reasoning": "x", "complexity_score": 1,
        });
        json!({"text": verdict.to_string()})
    } else {
        match turn(script, rounds, !tools.is_empty()) {
            Turn::Text(text) => json!({"text": text}),
            Turn::Shell(command) => {
                let (name, input) = shell_call(&offered, &command);
                json!({"functionCall": {"name": name, "args": input}})
            }
        }
    };
    let answer = json!({
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
        "modelVersion": "double",
    });
    if stream { events(&[answer]) } else { object(&answer) }
}
