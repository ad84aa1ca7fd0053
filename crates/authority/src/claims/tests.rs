use bailiwick_core::ReasonCode;
use uuid::Uuid;

use super::*;

fn id(text: &str) -> Option<ClaimedId> {
    Some(text.parse().unwrap())
}

fn event(moment: Moment, prompt: &str) -> HookEvent {
    HookEvent {
        conversation: id("run-1"),
        prompt: id(prompt),
        ..HookEvent::bare("claude".parse().unwrap(), moment)
    }
}

fn call(moment: Moment, prompt: &str, call: &str) -> HookEvent {
    HookEvent { tool_call: id(call), tool: id("Bash"), ..event(moment, prompt) }
}

fn line(claims: &Claims) -> String {
    claims.now().map_or_else(String::new, |claimed| claimed.to_string())
}

fn refuse(claims: &Claims, number: u128) {
    let reason = Reason::new(ReasonCode::Unlisted, number.to_string());
    claims.note_refused(ActionId::from_uuid(Uuid::from_u128(number)), "http.get".to_owned(), reason);
}

fn told(refused: &[Refused]) -> Vec<&str> {
    refused.iter().map(|refused| refused.reason.detail.as_str()).collect()
}

#[test]
fn an_attempt_belongs_to_the_open_call_and_its_prompt() {
    let claims = Claims::default();
    assert_eq!(claims.now(), None);
    claims.take_in(&event(Moment::Prompt, "p-1"), Some(3));
    assert_eq!(line(&claims), "prompt p-1");
    claims.take_in(&call(Moment::ToolStart, "p-1", "c-1"), Some(4));
    assert_eq!(line(&claims), "prompt p-1 → tool call Bash c-1");
    assert_eq!(claims.now().unwrap().records(), [3, 4]);
    claims.take_in(&call(Moment::ToolStart, "p-1", "c-2"), Some(5));
    assert_eq!(line(&claims), "prompt p-1 → tool call Bash c-2 or tool call Bash c-1");
    claims.take_in(&call(Moment::ToolEnd, "p-1", "c-2"), Some(6));
    assert_eq!(line(&claims), "prompt p-1 → tool call Bash c-1");
    claims.take_in(&event(Moment::TurnEnd, "p-1"), Some(7));
    assert_eq!(line(&claims), "prompt p-1");
}

#[test]
fn another_conversation_closes_nothing_of_this_one() {
    let claims = Claims::default();
    claims.take_in(&call(Moment::ToolStart, "p-1", "c-1"), None);
    for moment in [Moment::TurnEnd, Moment::SessionEnd, Moment::SessionStart, Moment::Prompt] {
        claims.take_in(&HookEvent { conversation: id("run-2"), ..event(moment, "p-9") }, None);
    }
    let other = HookEvent { conversation: id("run-2"), ..call(Moment::ToolEnd, "p-1", "c-1") };
    claims.take_in(&other, None);
    let inner = HookEvent { sub_agent: id("sub"), ..event(Moment::SubAgentEnd, "p-1") };
    claims.take_in(&inner, None);
    assert_eq!(line(&claims), "prompt p-1 → tool call Bash c-1");
}

#[test]
fn a_prompt_that_is_not_a_persons_is_told_apart() {
    let claims = Claims::default();
    claims.take_in(&event(Moment::Prompt, "p-1"), None);
    for origin in [PromptOrigin::Notification, PromptOrigin::Title, PromptOrigin::Agent] {
        claims.take_in(&HookEvent { origin: Some(origin), ..event(Moment::Prompt, "p-2") }, None);
        assert_eq!(line(&claims), "prompt p-1");
    }
    claims.take_in(&call(Moment::ToolStart, "p-2", "c-1"), None);
    assert_eq!(line(&claims), "prompt p-2 (sub-agent, not a person's) → tool call Bash c-1");
}

#[test]
fn a_call_without_an_identifier_is_known_by_its_arguments() {
    let claims = Claims::default();
    let bare = |moment, arguments: &[u8]| HookEvent {
        tool: id("run_shell_command"),
        digest: Some(Digest::of(arguments)),
        ..event(moment, "p-1")
    };
    claims.take_in(&bare(Moment::ToolStart, b"a"), None);
    claims.take_in(&bare(Moment::ToolEnd, b"b"), None);
    assert_eq!(line(&claims), "prompt p-1 → tool call run_shell_command");
    claims.take_in(&bare(Moment::ToolEnd, b"a"), None);
    assert_eq!(claims.now(), None);
}

#[test]
fn a_call_is_told_what_was_refused_while_it_was_open() {
    let claims = Claims::default();
    refuse(&claims, 1);
    claims.take_in(&call(Moment::ToolStart, "p-1", "c-1"), None);
    refuse(&claims, 2);
    claims.take_in(&call(Moment::ToolStart, "p-1", "c-2"), None);
    refuse(&claims, 3);
    assert_eq!(told(&claims.take_in(&call(Moment::ToolEnd, "p-1", "c-2"), None)), ["3"]);
    refuse(&claims, 4);
    assert_eq!(told(&claims.take_in(&call(Moment::ToolEnd, "p-1", "c-1"), None)), ["2", "3", "4"]);
    assert!(claims.take_in(&call(Moment::ToolEnd, "p-1", "c-1"), None).is_empty());
    assert!(claims.lock().refusals.is_empty());
}

#[test]
fn a_flood_is_counted_and_not_recorded() {
    let claims = Claims::default();
    let at = Timestamp::from_micros;
    let recorded = (0..10_000).filter(|n| claims.place(at(*n)).is_some()).count();
    assert_eq!(recorded, PER_MINUTE as usize);
    assert_eq!(claims.place(at(MINUTE)), Some(10_000 - u64::from(PER_MINUTE)));
    assert_eq!(claims.place(at(MINUTE)), Some(0));
    assert_eq!(claims.leftover(), 0);
    let _ = (0..PER_MINUTE).filter_map(|_| claims.place(at(MINUTE))).count();
    assert_eq!((claims.leftover(), claims.leftover()), (2, 0));
}

#[test]
fn nothing_grows_without_bound() {
    let claims = Claims::default();
    for n in 0..10_000_u32 {
        let prompt = HookEvent { conversation: id(&format!("run-{n}")), ..event(Moment::Prompt, "p-1") };
        claims.take_in(&prompt, None);
        claims.take_in(&call(Moment::ToolStart, "p-1", &format!("c-{n}")), None);
        refuse(&claims, u128::from(n));
    }
    let state = claims.lock();
    let lengths = [state.prompts.len(), state.calls.len(), state.refusals.len()];
    drop(state);
    assert_eq!(lengths, [PROMPTS, CALLS, REFUSALS]);
    assert_eq!(claims.now().unwrap().tool_calls.len(), NAMED);
}
