use std::time::Duration;

use bailiwick_core::{
    Action, ActionId, Chain, Decision, Effects, Grant, Id, Initiator, Kind, Labels, Lock, LockTarget, Permit,
    Reason, ReasonCode, ResourceRef, Session, Task,
};
use uuid::Uuid;

use super::*;

pub(crate) fn id<K: Kind>(n: u128) -> Id<K> {
    Id::from_uuid(Uuid::from_u128(n))
}

pub(crate) fn moment() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

pub(crate) fn session(n: u128) -> Session {
    Session {
        id: id(n),
        parent: None,
        initiator: Initiator::User { name: "ann".parse().unwrap(), uid: Some(1000) },
        agent: "planner".parse().unwrap(),
        instance: id(2),
        task: Task::new(id(3), "MARKER words of the task"),
        grant: Grant::default(),
        labels: Labels::CLEAN,
        depth: 0,
        opened_at: moment(),
        expires_at: moment().after(Duration::from_secs(3600)),
        evidence: None,
        observed: false,
        workspace: None,
    }
}

pub(crate) fn action(n: u128, session: &Session) -> Action {
    Action {
        id: id(n),
        at: moment(),
        session: session.id,
        process: None,
        claimed: None,
        resource: ResourceRef::Listed { name: "forge".parse().unwrap() },
        operation: "http.get".parse().unwrap(),
        effects: Effects::READ,
        target: "/acme/site".to_owned(),
        arguments: [("method".to_owned(), "GET".into())].into(),
        body: None,
        head: None,
    }
}

pub(crate) fn attempt(n: u128, session: &Session, decision: Decision) -> Record {
    let chain = Chain::new(vec![session]).unwrap();
    let attempt = Attempt::new(&action(n, session), &chain, decision, AttemptContext::default());
    Record::of_session(moment(), session.id, Event::Attempt(Box::new(attempt)))
}

pub(crate) fn permit() -> Decision {
    Decision::Permit(Permit { policies: vec!["default.cedar#0".to_owned()], obligations: Vec::new() })
}

pub(crate) fn refuse() -> Decision {
    Decision::Refuse(Reason::new(ReasonCode::Unlisted, "no resource has this address").into())
}

pub(crate) fn outcome(n: u128, session: &Session, attempt: AttemptRef) -> Record {
    let outcome = Outcome {
        act: id(n),
        attempt,
        status: OutcomeStatus::Ok,
        code: Some(200),
        error: None,
        bytes_sent: 10,
        bytes_received: 20,
        duration_ms: 3,
        credential: None,
        scrubbed: 0,
        captured: CapturedCount::default(),
        labels: None,
    };
    Record::of_session(moment(), session.id, Event::Outcome(Box::new(outcome)))
}

fn leaf(record: &Record) -> Vec<u8> {
    prefix(id(9), None, &serde_json::to_vec(record).unwrap())
}

#[test]
fn the_form_of_an_attempt_is_fixed() {
    let text = String::from_utf8(leaf(&attempt(1, &session(4), permit()))).unwrap();
    assert!(
        text.starts_with(
            r#"{"v":1,"id":"rec_00000000000000000000000009","at":"2026-11-24T12:00:00.000000Z","session":"ses_00000000000000000000000004","kind":"attempt","act":"act_00000000000000000000000001","decision":{"decision":"permit","policies":["default.cedar#0"]},"#
        ),
        "{text}"
    );
}

#[test]
fn records_read_back_as_they_were_written() {
    let session = session(4);
    let link = AttemptRef { index: 7, leaf: Digest::of(b"leaf") };
    let set = SetLoaded { version: Digest::of(b"set"), count: 3 };
    let lock = Lock {
        id: id(5),
        target: LockTarget::Everything,
        reason: "enough".into(),
        by: "ann".parse().unwrap(),
        at: moment(),
    };
    for record in [
        attempt(1, &session, refuse()),
        outcome(1, &session, link),
        Record::of_session(moment(), session.id, Event::SessionOpened(Box::new((&session).into()))),
        Record::of_session(
            moment(),
            session.id,
            Event::SessionClosed(SessionClosed::because(SessionEnd::Exited, DecisionCounts::default())),
        ),
        Record::of_session(
            moment(),
            session.id,
            Event::SessionExtended(SessionExtended { expires_at: moment(), by: "ann".parse().unwrap() }),
        ),
        Record::of_daemon(moment(), Event::PolicyLoaded(set.clone())),
        Record::of_daemon(moment(), Event::CatalogueLoaded(set)),
        Record::of_daemon(moment(), Event::Lock(LockSet { lock })),
        Record::of_daemon(
            moment(),
            Event::WorkspaceForgotten(WorkspaceForgotten {
                workspace: "/w".to_owned(),
                labels: Labels::CLEAN,
                by: "ann".parse().unwrap(),
            }),
        ),
        Record::of_daemon(
            moment(),
            Event::LockLifted(LockLifted { lock: id(5), by: "ann".parse().unwrap() }),
        ),
    ] {
        let entry = Entry::parse(&leaf(&record)).unwrap();
        assert_eq!((entry.v, entry.id, entry.record), (1, id(9), record));
    }
}

#[test]
fn the_words_of_a_task_are_not_in_a_record() {
    let session = session(4);
    for event in [Event::SessionOpened(Box::new((&session).into())), attempt(1, &session, permit()).event] {
        let text = serde_json::to_string(&Record::of_session(moment(), session.id, event)).unwrap();
        assert!(!text.contains("MARKER"), "{text}");
    }
}

#[test]
fn what_an_agent_sends_cannot_make_a_record_too_large() {
    let session = session(4);
    let mut action = action(1, &session);
    action.target = "é".repeat(1 << 20);
    action.resource = ResourceRef::Unlisted { address: "h".repeat(1 << 20) };
    action.arguments = (0..1000).map(|n| (format!("name{n}"), "v".repeat(4000).into())).collect();
    let chain = Chain::new(vec![&session]).unwrap();
    let attempt = Attempt::new(&action, &chain, permit(), AttemptContext::default());
    assert_eq!((attempt.digest, attempt.arguments.is_none()), (action.digest(), true));
    assert!(attempt.target.ends_with("… (2097152 bytes in all)"));
    let record = Record::of_session(moment(), session.id, Event::Attempt(Box::new(attempt)));
    assert!(leaf(&record).len() < MAX_RECORD);
}

#[test]
fn a_held_attempt_required_approval() {
    let session = session(4);
    let held = Decision::Hold(Reason::new(ReasonCode::ApprovalRequired, "a human must say yes").into());
    let Event::Attempt(attempt) = attempt(1, &session, held).event else {
        unreachable!("made as an attempt")
    };
    assert!(attempt.approval.required);
    assert_eq!(attempt.act, id::<bailiwick_core::kind::Action>(1) as ActionId);
}
