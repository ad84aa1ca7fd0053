//! What every implementation must do, as one suite that each runs against itself.
//!
//! Durability is not shown here: an engine shows it with its own crashes. What is shown is meaning: the same calls give the same answers
//! on every engine.

use std::{error::Error, time::Duration};

use bailiwick_core::{
    Action, Chain, Confidentiality, Decision, Digest, Effects, Grant, Id, Initiator, Kind, Labels, Lock,
    LockTarget, Permit, Reason, ReasonCode, ResourceRef, Session, SessionEnd, Task, Timestamp,
};
use bailiwick_ledger::{
    Attempt, AttemptContext, CapturedCount, Durability, Event, Outcome, OutcomeStatus, Receipt, Record,
    Writer,
};
use uuid::Uuid;

use crate::{Ended, LedgerIndex, LogFilter, SealedChange, SealedRow, StateStore, StoreError, StoredSession};

/// How a check ends.
pub type Outcomes = Result<(), Box<dyn Error>>;

fn id<K: Kind>(n: u128) -> Id<K> {
    Id::from_uuid(Uuid::from_u128(n))
}

fn moment(n: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + n)
}

fn session(n: u128, parent: Option<u128>) -> Result<Session, Box<dyn Error>> {
    Ok(Session {
        id: id(n),
        parent: parent.map(id),
        initiator: Initiator::User { name: "ann".parse()?, uid: Some(1000) },
        agent: "planner".parse()?,
        instance: id(2),
        task: Task::new(id(3), "work on acme/site"),
        grant: Grant::default(),
        labels: Labels::CLEAN,
        depth: u16::from(parent.is_some()),
        opened_at: moment(i64::try_from(n % 1000)?),
        expires_at: moment(0).after(Duration::from_secs(3600)),
        evidence: None,
        observed: false,
        workspace: None,
    })
}

/// Everything about state, against a store with nothing in it.
///
/// # Errors
/// If the store fails where it must not. Panics where it answers wrongly.
pub fn state(store: &dyn StateStore) -> Outcomes {
    sessions(store)?;
    references(store)?;
    handles(store)?;
    locks(store)?;
    exposures(store)?;
    sittings(store)?;
    sealed(store)?;
    settings(store)
}

fn sessions(store: &dyn StateStore) -> Outcomes {
    let (root, child) = (session(10, None)?, session(11, Some(10))?);
    assert_eq!(store.session(root.id)?, None);
    assert!(store.put_session(&child).is_err(), "a child needs its parent");
    store.put_session(&root)?;
    store.put_session(&child)?;
    assert!(matches!(store.put_session(&root), Err(StoreError::Conflict(_))));
    assert_eq!(store.open_sessions()?, [root.clone(), child.clone()]);
    store.extend_session(child.id, moment(7000))?;
    let child = Session { expires_at: moment(7000), ..child };
    assert_eq!(store.open_sessions()?, [root.clone(), child.clone()]);
    let ended = Ended { end: SessionEnd::Locked, at: moment(500) };
    store.end_session(child.id, ended.end, ended.at)?;
    store.end_session(child.id, SessionEnd::Exited, moment(900))?;
    assert_eq!(store.session(child.id)?, Some(StoredSession { session: child.clone(), ended: Some(ended) }));
    assert_eq!(store.open_sessions()?, std::slice::from_ref(&root));
    for (gone, id) in [("ended", child.id), ("never there", id(99))] {
        let extended = store.extend_session(id, moment(9000));
        assert!(matches!(extended, Err(StoreError::Unknown { .. })), "{gone}");
    }
    let missing = store.end_session(id(99), SessionEnd::Exited, moment(0));
    assert!(matches!(missing, Err(StoreError::Unknown { .. })));
    Ok(())
}

fn references(store: &dyn StateStore) -> Outcomes {
    let ids = [0x0180_0000 << 96 | 0xfeed, 0x0180_0001 << 96 | 0xbeef, 0x0190_0000 << 96 | 0xfeed];
    for n in ids {
        store.put_session(&session(n, None)?)?;
    }
    let text = |n: u128| id::<bailiwick_core::kind::Session>(n).to_string();
    let found = |reference: &str| store.find_session(reference);
    assert_eq!(found(&text(ids[0]))?, Some(id(ids[0])));
    assert_eq!(found("-")?, Some(id(ids[2])), "the latest has the greatest id");
    assert_eq!(found(&text(ids[2])[..12])?, Some(id(ids[2])), "a unique beginning");
    assert_eq!(found(&text(ids[2])[4..12])?, Some(id(ids[2])), "without its prefix");
    assert_eq!(found(&text(ids[1])[26..])?, Some(id(ids[1])), "the last four");
    assert!(matches!(found(&text(ids[0])[26..]), Err(StoreError::Ambiguous { .. })));
    assert!(matches!(found("ses_"), Err(StoreError::Ambiguous { .. })));
    for nothing in ["", "%", "_%", "ses_7zz", "zzzz", "' or 1=1 --", "SES_01"] {
        assert_eq!(found(nothing)?, None, "{nothing:?}");
    }
    Ok(())
}

fn handles(store: &dyn StateStore) -> Outcomes {
    let handle = Digest::of(b"handle");
    assert_eq!(store.session_of_handle(handle)?, None);
    store.put_handle(handle, id(10))?;
    assert_eq!(store.session_of_handle(handle)?, Some(id(10)));
    assert!(matches!(store.put_handle(handle, id(11)), Err(StoreError::Conflict(_))));
    assert!(store.put_handle(Digest::of(b"other"), id(99)).is_err(), "a handle needs its session");
    Ok(())
}

fn locks(store: &dyn StateStore) -> Outcomes {
    let lock = |n: u128, target: &str| -> Result<Lock, Box<dyn Error>> {
        let target: LockTarget = target.parse()?;
        let at = moment(i64::try_from(n)?);
        Ok(Lock { id: id(n), target, reason: "it's \"over\"; -- ☂".to_owned(), by: "ann".parse()?, at })
    };
    let (later, earlier) = (lock(2, "everything")?, lock(1, "agent:planner")?);
    store.put_lock(&later)?;
    store.put_lock(&earlier)?;
    assert!(matches!(store.put_lock(&later), Err(StoreError::Conflict(_))));
    assert_eq!(store.locks()?, [earlier.clone(), later.clone()]);
    store.remove_lock(earlier.id)?;
    store.remove_lock(earlier.id)?;
    assert_eq!(store.locks()?, [later]);
    Ok(())
}

fn exposures(store: &dyn StateStore) -> Outcomes {
    let internal = Labels { confidentiality: Confidentiality::Internal, ..Labels::CLEAN };
    let payroll = Labels { compartments: ["payroll".to_owned()].into(), ..internal.clone() };
    let row = |workspace: &str, labels: &Labels| (workspace.to_owned(), labels.clone());
    assert_eq!(store.exposures()?, []);
    store.put_exposures(&[row("/w/b", &internal), row("/w/a' --", &internal)])?;
    store.put_exposures(&[row("/w/b", &payroll)])?;
    assert_eq!(store.exposures()?, [row("/w/a' --", &internal), row("/w/b", &payroll)]);
    store.remove_exposures(&["/w/b".to_owned(), "/w/nothing".to_owned()])?;
    assert_eq!(store.exposures()?, [row("/w/a' --", &internal)]);
    Ok(())
}

fn sittings(store: &dyn StateStore) -> Outcomes {
    let (one, other) = (id(10), id(11));
    assert_eq!(store.sitting(one)?, None);
    assert!(store.put_sitting(one, "no").is_err(), "it is JSON");
    assert!(store.put_sitting(id(99), "{}").is_err(), "it needs its session");
    store.put_sitting(one, r#"{"asked":1}"#)?;
    store.put_sitting(one, r#"{"asked":2}"#)?;
    store.put_sitting(other, "{}")?;
    assert_eq!(store.sitting(one)?.as_deref(), Some(r#"{"asked":2}"#));
    store.remove_sitting(one)?;
    store.remove_sitting(one)?;
    assert_eq!((store.sitting(one)?, store.sitting(other)?.as_deref()), (None, Some("{}")));
    Ok(())
}

fn sealed(store: &dyn StateStore) -> Outcomes {
    let row = |name: &str, version: u64, content: &[u8]| SealedRow {
        purpose: "credential".to_owned(),
        name: name.to_owned(),
        version,
        key: *b"key-0001",
        wrapped_key: vec![1; 60],
        content: content.to_vec(),
    };
    let delete = |row: &SealedRow| SealedChange::Delete {
        purpose: row.purpose.clone(),
        name: row.name.clone(),
        version: row.version,
    };
    let (first, second, replaced) =
        (row("forge", 1, b"\0one"), row("forge", u64::MAX >> 1, b""), row("forge", 1, b"two"));
    store.change_sealed(&[SealedChange::Put(first.clone()), SealedChange::Put(second.clone())])?;
    assert_eq!(store.sealed()?, [first.clone(), second.clone()]);
    store.change_sealed(&[delete(&second), SealedChange::Put(replaced.clone())])?;
    assert_eq!(store.sealed()?, std::slice::from_ref(&replaced));
    // All or nothing: a version that no store can keep takes the deletion before it back.
    let impossible = row("forge", u64::MAX, b"");
    assert!(store.change_sealed(&[delete(&replaced), SealedChange::Put(impossible)]).is_err());
    assert_eq!(store.sealed()?, [replaced]);
    Ok(())
}

fn settings(store: &dyn StateStore) -> Outcomes {
    assert_eq!(store.setting("vault")?, None);
    store.put_setting("vault", r#"{"unlock":"keyfile"}"#)?;
    store.put_setting("vault", r#"{"unlock":"keyring"}"#)?;
    assert_eq!(store.setting("vault")?.as_deref(), Some(r#"{"unlock":"keyring"}"#));
    assert!(store.put_setting("vault", "{").is_err(), "a setting is JSON");
    Ok(())
}

/// Appends the attempt of action `n` in `session`, decided so.
///
/// # Errors
/// If the ledger refuses it.
pub fn attempt(writer: &Writer, n: u128, of: u128, decision: Decision) -> Result<Receipt, Box<dyn Error>> {
    let session = session(of, None)?;
    let at = moment(i64::try_from(n % 1000)?);
    let action = Action {
        id: id(n),
        at,
        session: session.id,
        process: None,
        claimed: None,
        resource: ResourceRef::Listed { name: "forge".parse()? },
        operation: "http.get".parse()?,
        effects: Effects::READ,
        target: "/acme/site".to_owned(),
        arguments: [("method".to_owned(), "GET".into())].into(),
        body: None,
        head: None,
    };
    let chain = Chain::new(vec![&session])?;
    let attempt = Attempt::new(&action, &chain, decision, AttemptContext::default());
    let record = Record::of_session(at, session.id, Event::Attempt(Box::new(attempt)));
    Ok(writer.append(record, Durability::Written).wait()?)
}

/// Appends the outcome of action `n` of session `of`, attempted in `receipt`.
///
/// # Errors
/// If the ledger refuses it.
pub fn outcome(writer: &Writer, n: u128, of: u128, receipt: Receipt) -> Outcomes {
    let outcome = Outcome {
        act: id(n),
        attempt: receipt.into(),
        status: OutcomeStatus::Ok,
        code: Some(200),
        error: None,
        bytes_sent: 0,
        bytes_received: 2,
        duration_ms: 7,
        credential: None,
        scrubbed: 0,
        captured: CapturedCount::default(),
        labels: None,
    };
    let record = Record::of_session(moment(0), id(of), Event::Outcome(Box::new(outcome)));
    writer.append(record, Durability::Written).wait()?;
    Ok(())
}

/// A permission.
pub fn permit() -> Decision {
    Decision::Permit(Permit { policies: vec!["default#0".to_owned()], obligations: Vec::new() })
}

/// A refusal.
pub fn refuse() -> Decision {
    Decision::Refuse(Reason::new(ReasonCode::Unlisted, "no resource has this address").into())
}

/// Everything about questions, against an index that follows `writer`, a ledger with nothing in it.
///
/// # Errors
/// If the index fails where it must not. Panics where it answers wrongly.
pub fn index(index: &dyn LedgerIndex, writer: &Writer) -> Outcomes {
    let all = LogFilter::default();
    assert_eq!((index.log(&all, None, 10)?, index.explain("-")?), (Vec::new(), None));
    let acts = [0x0180_0000_u128 << 96 | 0xfeed, 0x0180_0001 << 96 | 0xbeef, 0x0190_0000 << 96 | 0xfeed];
    let permitted = attempt(writer, acts[0], 50, permit())?;
    attempt(writer, acts[1], 51, refuse())?;
    outcome(writer, acts[0], 50, permitted)?;
    attempt(writer, acts[2], 50, permit())?;

    let indexes =
        |rows: &[(u64, bailiwick_wire::LogRow)]| rows.iter().map(|(index, _)| *index).collect::<Vec<_>>();
    let rows = index.log(&all, None, 10)?;
    assert_eq!(indexes(&rows), [0, 1, 3]);
    let words: Vec<_> = rows.iter().map(|(_, row)| (row.decision.as_str(), row.outcome.as_deref())).collect();
    assert_eq!(words, [("permit", Some("ok")), ("refuse", None), ("permit", None)]);
    assert_eq!(rows[1].1.reason.as_deref(), Some("no resource has this address"));
    assert_eq!(indexes(&index.log(&all, None, 2)?), [1, 3], "the latest");
    assert_eq!(indexes(&index.log(&all, Some(0), 1)?), [1], "the first after");
    assert_eq!(indexes(&index.log(&all, Some(3), 10)?), Vec::<u64>::new());
    let of_session = LogFilter { session: Some(id(50)), ..all.clone() };
    assert_eq!(indexes(&index.log(&of_session, None, 10)?), [0, 3]);
    let refused = LogFilter { decision: Some("refuse".to_owned()), ..all };
    assert_eq!(indexes(&index.log(&refused, None, 10)?), [1]);
    attempts(index, &acts)?;
    explanations(index, &acts)
}

fn attempts(index: &dyn LedgerIndex, acts: &[u128; 3]) -> Outcomes {
    let of = |session: u128, from, limit| index.attempts(id(session), from, limit);
    let all = of(50, 0, 10)?;
    let indexes: Vec<_> = all.iter().map(|attempt| (attempt.index, attempt.act)).collect();
    assert_eq!(indexes, [(0, id(acts[0])), (3, id(acts[2]))]);
    assert_eq!((all[0].outcome.as_deref(), all[1].outcome.as_deref()), (Some("ok"), None));
    assert_eq!(all[0].arguments, Some([("method".to_owned(), "GET".into())].into()));
    assert_eq!((of(50, 0, 1)?, of(50, 1, 10)?), (all[..1].to_vec(), all[1..].to_vec()));
    assert_eq!(of(51, 0, 10)?[0].decision, refuse());
    assert_eq!(of(99, 0, 10)?, []);
    Ok(())
}

fn explanations(index: &dyn LedgerIndex, acts: &[u128; 3]) -> Outcomes {
    let text = |n: u128| id::<bailiwick_core::kind::Action>(n).to_string();
    let explained = index.explain(&text(acts[0]))?.ok_or("an action that is on record")?;
    assert_eq!(explained.records, [0, 2]);
    assert_eq!(
        explained.initiator,
        format!("user ann (uid 1000), for task {}", id::<bailiwick_core::kind::Task>(3))
    );
    assert!(explained.permission.ends_with("; ok (200) after 7 ms"), "{}", explained.permission);
    assert_eq!(explained.approval, "not required");
    let latest = index.explain("-")?.ok_or("the latest action")?;
    assert_eq!((latest.action.act, latest.records.as_slice()), (id(acts[2]), [3].as_slice()));
    let last_four = index.explain(&text(acts[1])[26..])?.ok_or("by its last four")?;
    assert!(last_four.permission.starts_with("refused: no resource"), "{}", last_four.permission);
    assert!(matches!(index.explain(&text(acts[0])[26..]), Err(StoreError::Ambiguous { .. })));
    assert!(matches!(index.explain("act_"), Err(StoreError::Ambiguous { .. })));
    assert_eq!(index.explain("act_7zzzz")?, None);
    assert_eq!(index.explain("%")?, None);
    Ok(())
}
