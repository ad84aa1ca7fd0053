//! Hooks of coding agents, called inside a real sandbox as the agents call them: what enters the record, what the agent is answered, and
//! what a hostile agent gets out of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use bailiwick_testkit::product::{LIMIT, finish};
use bailiwick_testkit::{Finished, Upstream, World, hunt};
use serde_json::{Value, json};

use crate::told::{fails, records, verified};

const AGENT: &str = include_str!("../hooks/agent.py");
const CLAUDE: &str = include_str!("../hooks/claude.jsonl");
const CODEX: &str = include_str!("../hooks/codex.jsonl");

/// Runs the steps as the agent of that name, and gives what each step came to.
#[track_caller]
fn played(world: &World, agent: &str, steps: &str) -> Vec<Value> {
    let finished = play(world, agent, steps).ok();
    let played: Vec<Value> = finished.ndjson();
    for step in &played {
        assert_eq!(step["code"], 0, "{step:#}");
    }
    played
}

fn play(world: &World, agent: &str, steps: &str) -> Finished {
    let put = |name: &str, text: &str| {
        let path = world.home.workspace().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    };
    put(agent, AGENT);
    put("steps", steps);
    finish(world.run([format!("./{agent}"), "steps".to_owned()]), b"", LIMIT)
}

/// The steps of a sample, with a service of this test.
fn sample(text: &str, upstream: &Upstream) -> String {
    text.replace("@URL@", &upstream.url(""))
}

fn world() -> (World, Upstream) {
    let world = World::new();
    let upstream = Upstream::secure(&world.ca);
    world.add_open("service", &upstream.url(""), "http");
    (world, upstream)
}

/// What the record has of hooks.
#[track_caller]
fn hooks(world: &World) -> Vec<Value> {
    records(world).into_iter().filter(|record| record["kind"] == "hook").collect()
}

/// The row of the log of the attempt whose target ends so.
#[track_caller]
fn row(world: &World, target: &str) -> Value {
    let rows: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
    let is_it =
        |row: &&Value| row["target"].as_str().unwrap().ends_with(target) && row["operation"] != "net.resolve";
    rows.iter().find(is_it).unwrap_or_else(|| panic!("no attempt on {target} in {rows:#?}")).clone()
}

#[test]
fn an_action_leads_back_to_its_tool_call_and_its_prompt() {
    let (world, upstream) = world();
    for step in played(&world, "claude", &sample(CLAUDE, &upstream)) {
        let expected = if step["step"] == "do" { "" } else { "{}" };
        assert_eq!(step["out"], expected, "{step:#}");
    }
    let hooks = hooks(&world);
    let moments: Vec<_> = hooks.iter().map(|hook| hook["claim"]["moment"].as_str().unwrap()).collect();
    let expected = [
        "session_start",
        "prompt",
        "tool_start",
        "permission",
        "tool_end",
        "sub_agent_start",
        "tool_start",
        "sub_agent_end",
        "prompt",
        "turn_end",
        "session_end",
    ];
    assert_eq!(moments, expected);
    assert_eq!([&hooks[1]["claim"]["origin"], &hooks[8]["claim"]["origin"]], ["person", "notification"]);
    assert_eq!(hooks[2]["process"]["executable"], "/.bailiwick/bailiwick");

    let during = row(&world, "/control-during");
    assert_eq!(during["claimed"]["prompt"]["id"], "636d7fa9-bab3", "{during:#}");
    assert_eq!(during["claimed"]["tool_calls"][0]["id"], "toolu_47b73a1c71c8", "{during:#}");
    let after = row(&world, "/control-after");
    assert_eq!(after["claimed"]["prompt"]["id"], "636d7fa9-bab3", "{after:#}");
    assert_eq!(after["claimed"]["tool_calls"], Value::Null, "{after:#}");
    let nested = row(&world, "/control-nested");
    assert_eq!(nested["claimed"]["tool_calls"][0]["id"], "toolu_9dd4871ffd70", "{nested:#}");

    let explain = ["explain", during["act"].as_str().unwrap()];
    let told = world.bailiwick().run(explain).ok().stdout();
    let claim = "claimed by the agent: prompt 636d7fa9-bab3 → tool call Bash toolu_47b73a1c71c8";
    let resource = told.lines().find(|line| line.starts_with("resource")).unwrap();
    assert!(resource.contains(claim), "{told}");
    let explained: Value = world.bailiwick().run(["--json"].into_iter().chain(explain)).ok().json();
    let all = records(&world);
    let index = |record: &Value| all.iter().position(|other| other["id"] == record["id"]).unwrap();
    let rests_on = explained["records"].as_array().unwrap();
    assert_eq!(rests_on[..2], [json!(index(&hooks[1])), json!(index(&hooks[2]))], "{explained:#}");
    assert_eq!(rests_on.len(), 4, "prompt, tool call, attempt, outcome: {explained:#}");
    verified(&world);
}

#[test]
fn no_words_of_a_prompt_or_a_tool_are_kept() {
    let (world, upstream) = world();
    played(&world, "claude", &sample(CLAUDE, &upstream));
    played(&world, "codex", CODEX);
    verified(&world);
    let home = world.home.path();
    // The hunt sees what is in the record, so that finding nothing else means something.
    assert!(!hunt::in_files(&home, b"control-during").is_empty());
    assert!(!hunt::in_files(&home, b"toolu_47b73a1c71c8").is_empty());
    for marker in ["MARKER-prompt", "MARKER-argument", "MARKER-response"] {
        assert_eq!(hunt::in_files(&home, marker.as_bytes()), Vec::<std::path::PathBuf>::new(), "{marker}");
    }
}

#[test]
fn the_model_is_told_what_was_refused_while_its_tool_ran() {
    let (world, _upstream) = world();
    let refused = "/control-refused";
    let claude = CODEX.replace("turn_id", "prompt_id");
    for (agent, steps) in [("codex", CODEX), ("claude", &*claude)] {
        let played = played(&world, agent, steps);
        let end = played.iter().find(|step| step["step"] == "PostToolUse").unwrap();
        let answer: Value = serde_json::from_str(end["out"].as_str().unwrap()).unwrap();
        let context = answer["hookSpecificOutput"]["additionalContext"].as_str().unwrap();
        for word in [refused, "nowhere.example", "catalogue", "bailiwick resource add", "act_"] {
            assert!(context.contains(word), "{agent}: `{word}` is not in {context}");
        }
        // Codex drops an answer with any other field.
        let expected =
            json!({ "hookSpecificOutput": { "hookEventName": "PostToolUse", "additionalContext": context } });
        assert_eq!(answer, expected);
        for step in played.iter().filter(|step| step["step"] != "PostToolUse" && step["step"] != "do") {
            assert_eq!(step["out"], if agent == "codex" { "" } else { "{}" }, "{step:#}");
        }
    }
    // The wish for a title is not what the person wanted.
    let row = row(&world, refused);
    assert_eq!(row["claimed"]["prompt"]["id"], "01a1fb46-9097-78e1", "{row:#}");
    assert_eq!(row["claimed"]["prompt"]["origin"], "person", "{row:#}");
    let titles = hooks(&world).iter().filter(|hook| hook["claim"]["origin"] == "title").count();
    assert_eq!(titles, 2);
}

#[test]
fn what_makes_no_sense_is_answered_well_and_recorded_as_such() {
    let (world, _upstream) = world();
    let raw = |event: &str, bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({ "hook_event_name": event, "raw_hex": hex }).to_string()
    };
    let long = json!({ "session_id": "s", "prompt": "MARKER".repeat(200_000) }).to_string();
    let odd =
        json!({ "session_id": "s", "tool_use_id": "a\u{1b}[2J\u{202e}b", "tool_name": "x".repeat(1000) });
    let steps = [
        raw("UserPromptSubmit", long.as_bytes()),
        raw("UserPromptSubmit", b""),
        raw("UserPromptSubmit", b"\xff\xfe not utf-8"),
        raw("UserPromptSubmit", b"{\"prompt\": \"\xff\"}"),
        raw("UserPromptSubmit", br#"{"session_id": "a", "session_id": "b"}"#),
        raw("UserPromptSubmit", br#"{"session_id": ["a"]}"#),
        raw("UserPromptSubmit", "[".repeat(100_000).as_bytes()),
        raw("PreToolUse", odd.to_string().as_bytes()),
        // An input that stays open.
        json!({ "do": "mkfifo open; sleep 600 > open & out=$(/.bailiwick/bailiwick hook claude PreToolUse < open); kill $!; test \"$out\" = '{}'" })
            .to_string(),
        json!({ "do": "test \"$(yes | head -c 40000000 | /.bailiwick/bailiwick hook claude PreToolUse)\" = '{}'" })
            .to_string(),
        json!({ "do": "/.bailiwick/bailiwick hook 'no agent' '' < /dev/null" }).to_string(),
        json!({ "do": "/.bailiwick/bailiwick hook claude PreToolUse < /dev/null > /dev/full" }).to_string(),
    ];
    for step in played(&world, "claude", &steps.join("\n")) {
        let expected = if step["step"] == "do" { "" } else { "{}" };
        assert_eq!(step["out"], expected, "{step:#}");
    }
    let hooks = hooks(&world);
    let moments: Vec<_> = hooks.iter().map(|hook| hook["claim"]["moment"].as_str().unwrap()).collect();
    assert_eq!(
        moments[..8],
        [
            "prompt",
            "malformed",
            "malformed",
            "malformed",
            "malformed",
            "malformed",
            "malformed",
            "tool_start"
        ]
    );
    assert_eq!(hooks[7]["claim"]["tool_call"], "a__2J_b");
    assert_eq!(hooks[7]["claim"]["tool"].as_str().unwrap().len(), 96);
    verified(&world);
}

/// Speaks to the gateway's own name as hostile code would, without the program.
const FLOOD: &str = r#"
import http.client, json
gateway = http.client.HTTPConnection("hook.bailiwick.internal", 80)
def say(body, path="/v1/hook", method="POST"):
    gateway.request(method, path, body)
    answer = gateway.getresponse()
    answer.read()
    return answer.status
bad = [b"", b"{", b"\xff", b'{"program": "claude", "program": "codex", "moment": "prompt"}', b"x" * 9000,
       json.dumps({"program": "claude", "moment": "prompt", "prompt": "two words"}).encode(),
       json.dumps({"program": "claude", "moment": "prompt", "prompt": "x" * 97}).encode(),
       json.dumps({"program": "claude", "moment": "permit"}).encode()]
assert [say(body) for body in bad] == [400] * len(bad)
assert say(b"", "/", "GET") == 400 and say(b"{}", "/v1/sessions") == 400
event = {"program": "claude", "moment": "tool_start", "conversation": "ses_01h455vb4pex5vsknk084sn02q", "more": 1}
for number in range(10000 - 10):
    assert say(json.dumps(event | {"tool_call": f"call-{number}"}).encode()) == 200
"#;

#[test]
fn a_flood_is_counted_and_not_kept() {
    let (world, upstream) = world();
    fs::write(world.home.workspace().join("flood.py"), FLOOD).unwrap();
    let url = upstream.url("/control");
    world.script(&format!("python3 flood.py; curl -sS -o /dev/null {url}")).ok();
    let hooks = hooks(&world);
    let folded: u64 = hooks.iter().filter_map(|hook| hook["folded"].as_u64()).sum();
    let told = hooks.iter().filter(|hook| hook["claim"].is_object()).count();
    assert_eq!(told as u64 + folded, 10_000, "every report is on record or counted");
    assert!(told < 4000, "{told} of 10000 reports are on record");
    let malformed = hooks.iter().filter(|hook| hook["claim"]["moment"] == "malformed").count();
    assert_eq!(malformed, 10);
    // An action names few of the calls that are said to be open.
    assert_eq!(row(&world, "/control")["claimed"]["tool_calls"].as_array().unwrap().len(), 8);
    assert_eq!(row(&world, "/control")["decision"], "permit");
    verified(&world);
}

#[test]
fn with_hooks_or_without_the_same_is_decided_and_recorded() {
    let (world, upstream) = world();
    let tries = [
        json!({ "do": format!("curl -sS -o /dev/null {}", upstream.url("/read")) }).to_string(),
        json!({ "do": format!("curl -sS -o /dev/null -d x {}", upstream.url("/write")) }).to_string(),
        json!({ "do": "curl -sS -o /dev/null http://nowhere.example/" }).to_string(),
    ];
    let lie = json!({
        "hook_event_name": "PreToolUse", "session_id": "s", "tool_name": "Bash", "tool_use_id": "c",
        "decision": "permit", "approved": true, "permissionDecision": "allow",
    });
    let told = [vec![lie.to_string()], tries.to_vec()].concat().join("\n");
    let decided = |agent: &str, steps: &str| {
        let before = world.bailiwick().run(["log", "--json"]).ok().ndjson::<Value>().len();
        played(&world, agent, steps);
        let rows: Vec<Value> = world.bailiwick().run(["log", "--json"]).ok().ndjson();
        let facts = |row: &Value| {
            ["resource", "operation", "target", "decision", "reason", "outcome"]
                .map(|key| row[key].as_str().map(str::to_owned))
        };
        rows[before..].iter().map(facts).collect::<Vec<_>>()
    };
    let without = decided("agent", &told);
    assert!(without.len() >= 3, "{without:?}");
    for (agent, steps) in [("claude", told.clone()), ("codex", told.clone()), ("claude", tries.join("\n"))] {
        assert_eq!(decided(agent, &steps), without, "{agent}");
    }
    let seen = upstream.seen().iter().filter(|seen| seen.target == "/write").count();
    assert_eq!(seen, 4);
}

#[test]
fn the_gateways_own_name_is_no_way_out() {
    let (world, _upstream) = world();
    for address in
        ["http://hook.bailiwick.internal", "https://*.bailiwick.internal", "http://bailiwick.internal:81"]
    {
        let add = ["resource", "add", "own", "--address", address, "--no-credential"];
        fails(&world.bailiwick(), &add, 2, "the gateway's own", "");
    }
    let elsewhere = world.script(
        "for url in https://hook.bailiwick.internal/ http://other.bailiwick.internal/; do \
         curl -sS -o /dev/null -w '%{http_code} ' $url; done; \
         curl -s http://hook.bailiwick.internal:8080/ || echo closed",
    );
    assert_eq!(elsewhere.ok().stdout().trim(), "403 403 closed");
    assert!(hooks(&world).is_empty());
    let asked = world.script(
        "for url in http://hook.bailiwick.internal/ http://198.18.0.2/; do curl -sS -o /dev/null -w '%{http_code} ' $url; done",
    );
    assert_eq!(asked.ok().stdout(), "400 400 ");
}

#[test]
fn the_program_inside_has_no_more_power_than_any() {
    let world = World::new();
    let steps = ["session list", "secret list", "approval list", "lock lift x", "stop -", "ledger verify"]
        .map(|command| {
            json!({ "do": format!("! /.bailiwick/bailiwick {command} > /dev/null 2>&1") }).to_string()
        });
    let touch = json!({ "do": "! echo x 2> /dev/null >> /.bailiwick/bailiwick && ! rm -f /.bailiwick/bailiwick 2> /dev/null && ! mv /.bailiwick /tmp/b 2> /dev/null" });
    let control = json!({ "do": "/.bailiwick/bailiwick version" });
    let steps = [steps.to_vec(), vec![touch.to_string(), control.to_string()]].concat();
    let told = played(&world, "claude", &steps.join("\n"));
    assert!(told.last().unwrap()["out"].as_str().unwrap().starts_with("bailiwick "), "{told:#?}");
    verified(&world);
}

#[test]
fn outside_a_sandbox_it_answers_and_tells_nobody() {
    let world = World::new();
    for (agent, event, answer) in
        [("claude", "PreToolUse", "{}"), ("codex", "Stop", ""), ("gemini", "AfterTool", "{}")]
    {
        let mut command = Command::new(world.bailiwick().program());
        // Not even a home is needed.
        command.env_clear().args(["hook", agent, event]).stdin(Stdio::null());
        let finished = finish(command, b"{\"session_id\": \"a\"}", LIMIT).ok();
        assert_eq!(finished.stdout(), answer, "{agent}");
    }
}
