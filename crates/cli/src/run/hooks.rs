//! The hooks of coding agents: configuration in the sandbox's own `/etc`, where an agent's administrator would put it, that calls
//! `bailiwick hook` at the moments of the agent's life.
//!
//! Hooks tell what an agent says it does, and nothing more. A program that is not here, that changes its hooks or that goes around them is
//! held by exactly the same rules.

use bailiwick_core::Name;
use bailiwick_sandbox::{InjectedFile, Plan, Shown};
use serde_json::{Map, Value, json};

use crate::command::HOOK_INSIDE;

/// How long an agent waits for a hook, in seconds; the hook answers long before.
const PATIENCE: u32 = 10;

const CLAUDE: [&str; 10] = [
    "PermissionRequest",
    "PostToolUse",
    "PostToolUseFailure",
    "PreToolUse",
    "SessionEnd",
    "SessionStart",
    "Stop",
    "SubagentStart",
    "SubagentStop",
    "UserPromptSubmit",
];
const CODEX: [&str; 8] = [
    "PermissionRequest",
    "PostToolUse",
    "PreToolUse",
    "SessionStart",
    "Stop",
    "SubagentStart",
    "SubagentStop",
    "UserPromptSubmit",
];
const GEMINI: [&str; 6] =
    ["AfterAgent", "AfterTool", "BeforeAgent", "BeforeTool", "SessionEnd", "SessionStart"];

/// The files that give the program of `profile` its hooks: paths inside, and what is in them.
pub(crate) fn hook_files(profile: &Name) -> Vec<(&'static str, String)> {
    match profile.as_str() {
        "claude" => vec![("/etc/claude-code/managed-settings.json", claude().to_string())],
        "codex" => vec![("/etc/codex/requirements.toml", codex())],
        "gemini" => vec![("/etc/gemini-cli/settings.json", gemini().to_string())],
        _ => Vec::new(),
    }
}

/// Adds the hooks of the program of `profile` to what is put inside, if it has any. Where a JSON file is there already, the hooks become
/// part of it.
pub(super) fn install(plan: &mut Plan, profile: &Name) {
    let hooks = hook_files(profile);
    if hooks.is_empty() {
        return;
    }
    plan.shown.extend(ourselves());
    add(&mut plan.files, hooks);
}

/// This program, for the hooks inside to call. One that was removed meanwhile is missing inside too, and nothing else changes.
fn ourselves() -> Option<Shown> {
    let source = std::env::current_exe().ok().filter(|program| program.is_file())?;
    Some(Shown { source, at: HOOK_INSIDE.into() })
}

fn add(files: &mut Vec<InjectedFile>, hooks: Vec<(&'static str, String)>) {
    for (path, contents) in hooks {
        match files.iter_mut().find(|file| file.path.as_os_str() == path) {
            Some(file) => {
                if let Some(both) = merged(&file.contents, &contents) {
                    file.contents = both;
                }
            }
            None => files.push(InjectedFile { path: path.into(), contents: contents.into(), mode: 0o444 }),
        }
    }
}

/// Two JSON objects as one; where both have a key, what is ours stands. `None` where one is none.
fn merged(there: &[u8], ours: &str) -> Option<Vec<u8>> {
    let mut object: Map<String, Value> = serde_json::from_slice(there).ok()?;
    object.extend(serde_json::from_str::<Map<String, Value>>(ours).ok()?);
    serde_json::to_vec(&object).ok()
}

fn command(agent: &str, event: &str) -> String {
    format!("{HOOK_INSIDE} hook {agent} {event}")
}

/// No `onFailure`: a hook that fails changes nothing. No `allowManagedHooksOnly`: the person's own hooks run inside as well.
fn claude() -> Value {
    let handler =
        |event: &str| json!({ "type": "command", "command": command("claude", event), "timeout": PATIENCE });
    let hooks: Map<_, _> =
        CLAUDE.iter().map(|event| ((*event).to_owned(), json!([{ "hooks": [handler(event)] }]))).collect();
    json!({ "hooks": hooks })
}

/// Without `hooks = true` a flag of the command line turns them off. `unified_exec` lets a model write to a shell that it opened earlier,
/// and those commands call no hook.
fn codex() -> String {
    let mut text = String::from(
        "[features]\nhooks = true\nunified_exec = false\n\n[hooks]\nmanaged_dir = \"/.bailiwick\"\n",
    );
    for event in CODEX {
        text.push_str(&format!(
            "\n[[hooks.{event}]]\n[[hooks.{event}.hooks]]\ntype = \"command\"\ncommand = \"{}\"\ntimeout = {PATIENCE}\n",
            command("codex", event)
        ));
    }
    text
}

/// Its patience is in milliseconds.
fn gemini() -> Value {
    let handler = |event: &str| json!({ "type": "command", "name": "bailiwick", "command": command("gemini", event), "timeout": PATIENCE * 1000 });
    let hooks: Map<_, _> =
        GEMINI.iter().map(|event| ((*event).to_owned(), json!([{ "hooks": [handler(event)] }]))).collect();
    json!({ "hooks": hooks, "hooksConfig": { "enabled": true } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn each_file_is_what_its_agent_reads() {
        for agent in ["claude", "gemini"] {
            let [(_, text)] = &hook_files(&name(agent))[..] else { panic!("one file for {agent}") };
            let settings: Value = serde_json::from_str(text).unwrap();
            for (event, groups) in settings["hooks"].as_object().unwrap() {
                let command = groups[0]["hooks"][0]["command"].as_str().unwrap();
                assert_eq!(command, format!("/.bailiwick/bailiwick hook {agent} {event}"));
            }
            // Anything else in there would decide.
            assert!(!text.contains("onFailure") && !text.contains("permission\""), "{text}");
        }
        let [(path, text)] = &hook_files(&name("codex"))[..] else { panic!("one file") };
        let settings: toml_edit::DocumentMut = text.parse().unwrap();
        assert_eq!(*path, "/etc/codex/requirements.toml");
        assert_eq!(settings["features"]["hooks"].as_bool(), Some(true));
        assert_eq!(settings["features"]["unified_exec"].as_bool(), Some(false));
        let first = settings["hooks"]["PreToolUse"].as_array_of_tables().unwrap().get(0).unwrap();
        let handler = first["hooks"].as_array_of_tables().unwrap().get(0).unwrap();
        assert_eq!(handler["command"].as_str(), Some("/.bailiwick/bailiwick hook codex PreToolUse"));
        // One handler of this type and Codex drops every hook of the file.
        assert!(!text.contains("\"http\""));
        assert!(hook_files(&name("bash")).is_empty());
    }

    #[test]
    fn settings_that_are_there_stay() {
        let path = "/etc/claude-code/managed-settings.json";
        let there = InjectedFile {
            path: path.into(),
            contents: br#"{"sandbox": {"enabled": false}}"#.into(),
            mode: 0o444,
        };
        let mut files = vec![there];
        add(&mut files, hook_files(&name("claude")));
        let both: Value = serde_json::from_slice(&files[0].contents).unwrap();
        assert_eq!((files.len(), &both["sandbox"]["enabled"]), (1, &json!(false)));
        assert!(both["hooks"]["PreToolUse"].is_array());
    }
}
