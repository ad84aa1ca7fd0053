//! Holds: what waits for a person passes with a yes to exactly that, and with nothing else.

use bailiwick_core::{Answer, Approval, EffectClass, Scope};
use bailiwick_wire::ApprovalView;

use super::*;
use crate::approvals::Draft;

const LONG: Duration = Duration::from_secs(600);

fn bench() -> Bench {
    let bench = Bench::new(LONG);
    bench
        .gate
        .desk()
        .set_limits(ApprovalSettings { wait: Duration::from_millis(20), ..ApprovalSettings::default() });
    bench
}

fn patient() -> Bench {
    let bench = Bench::new(LONG);
    bench.gate.desk().set_limits(ApprovalSettings { wait: LONG, ..ApprovalSettings::default() });
    bench
}

fn removal(path: &str) -> Attempt {
    Attempt {
        target: path.to_owned(),
        arguments: [("path".to_owned(), path.into())].into(),
        ..attempt(EffectClass::Destructive.into())
    }
}

fn with_body(body: &str) -> Bound {
    Bound { body: Some(Digest::of(body.as_bytes())), ..Bound::default() }
}

impl Bench {
    async fn remove(&self, path: &str) -> Result<Admission, Denied> {
        self.gate.admit(&self.session, removal(path)).await
    }

    async fn remove_with(&self, path: &str, bound: Bound) -> Result<Admission, Denied> {
        let weighed = self.gate.weigh(&self.session, removal(path));
        assert!(weighed.is_held(), "{weighed:?}");
        self.gate.pass(weighed.bind(bound)).await
    }

    fn open(&self) -> Vec<ApprovalView> {
        self.gate.desk().list(false)
    }

    /// Waits for the next question.
    async fn asked(&self) -> ApprovalView {
        loop {
            if let Some(view) = self.open().into_iter().next() {
                return view;
            }
            tokio::task::yield_now().await;
        }
    }

    fn say(&self, view: &ApprovalView, answer: Answer, scope: Scope) -> Approval {
        let draft = Draft {
            answer,
            scope,
            by: "mia".parse().unwrap(),
            session_ends: self.gate.clock().now().after(LONG),
        };
        self.gate.desk().begin_answer(view.id, view.digest, draft).unwrap().recorded()
    }
}

#[tokio::test]
async fn a_yes_lets_exactly_what_waits_happen_and_says_whose_it_was() {
    let bench = patient();
    let answer = async {
        let view = bench.asked().await;
        assert_eq!((view.line.as_str(), view.waiting), ("http.post on api: /a", 1));
        assert!(
            view.card.iter().any(|line| line.label == "undo" && line.text == "cannot be undone"),
            "{view:?}"
        );
        bench.say(&view, Answer::Yes, Scope::Effect)
    };
    let (admitted, approval) = tokio::join!(bench.remove("/a"), answer);
    let admission = admitted.unwrap();
    assert_eq!(admission.action().id, approval.act);
    assert_eq!((bench.session.tally().hold, bench.session.tally().permit), (1, 1));
}

#[tokio::test]
async fn a_no_refuses_it_and_the_same_again_without_asking() {
    let bench = patient();
    let answer = async {
        let view = bench.asked().await;
        bench.say(&view, Answer::No, Scope::Effect)
    };
    let (denied, _) = tokio::join!(bench.remove("/a"), answer);
    assert_eq!(code(&denied.unwrap_err()), Some(ReasonCode::ApprovalDenied));
    let denied = bench.remove("/a").await.unwrap_err();
    assert_eq!((code(&denied), bench.open().len()), (Some(ReasonCode::ApprovalDenied), 0));
}

#[tokio::test]
async fn a_late_yes_is_used_by_an_identical_attempt_once() {
    let bench = bench();
    let denied = bench.remove("/a").await.unwrap_err();
    assert_eq!(code(&denied), Some(ReasonCode::ApprovalRequired));
    let view = bench.asked().await;
    assert_eq!((denied.approval, view.waiting), (Some(view.id), 0));
    bench.say(&view, Answer::Yes, Scope::Effect);
    bench.remove("/a").await.unwrap();
    let again = bench.remove("/a").await.unwrap_err();
    assert_eq!(code(&again), Some(ReasonCode::ApprovalRequired));
    assert_ne!(again.approval, denied.approval);
}

#[tokio::test]
async fn what_changed_after_the_yes_is_another_thing() {
    let bench = bench();
    let shown = Bound { head: Some(Digest::of(b"head")), ..with_body("small") };
    bench.remove_with("/a", shown.clone()).await.unwrap_err();
    let view = bench.asked().await;
    bench.say(&view, Answer::Yes, Scope::Effect);
    let other_body = Bound { body: Some(Digest::of(b"large")), ..shown.clone() };
    let other_head = Bound { head: Some(Digest::of(b"other")), ..shown.clone() };
    for changed in [other_body, other_head, Bound::default()] {
        let denied = bench.remove_with("/a", changed).await.unwrap_err();
        assert_eq!(code(&denied), Some(ReasonCode::ApprovalRequired));
    }
    assert_eq!(
        code(&bench.remove_with("/b", shown.clone()).await.unwrap_err()),
        Some(ReasonCode::QuotaExceeded)
    );
    bench.remove_with("/a", shown).await.unwrap();
}

#[tokio::test]
async fn a_yes_to_a_target_covers_other_bodies_and_no_other_target() {
    let bench = bench();
    bench.remove_with("/a", with_body("one")).await.unwrap_err();
    bench.say(&bench.asked().await, Answer::Yes, Scope::Target);
    for body in ["one", "two", "three"] {
        bench.remove_with("/a", with_body(body)).await.unwrap();
    }
    assert_eq!(
        code(&bench.remove_with("/b", Bound::default()).await.unwrap_err()),
        Some(ReasonCode::ApprovalRequired)
    );
}

/// Part `number` of what goes to `/a` in many requests.
fn part(number: u32) -> (Attempt, Bound) {
    let mut attempt = removal("/a");
    attempt.arguments.insert("path".to_owned(), format!("/a/{number}").as_str().into());
    (attempt, Bound { vary: vec!["path".to_owned()], ..with_body(&number.to_string()) })
}

#[tokio::test]
async fn a_yes_to_a_target_answers_what_else_waits_for_it() {
    let bench = patient();
    let send = async |number| {
        let (attempt, bound) = part(number);
        bench.gate.pass(bench.gate.weigh(&bench.session, attempt).bind(bound)).await
    };
    let answer = async {
        while bench.open().len() < 3 {
            tokio::task::yield_now().await;
        }
        let view = bench.open().into_iter().find(|view| !view.line.contains("/b")).unwrap();
        bench.say(&view, Answer::Yes, Scope::Target);
        let left = bench.open();
        assert!(left.len() == 1 && left[0].line.contains("/b"), "{left:?}");
        bench.say(&left[0], Answer::No, Scope::Effect);
    };
    let (one, two, other, ()) = tokio::join!(send(1), send(2), bench.remove("/b"), answer);
    assert!(one.is_ok() && two.is_ok() && other.is_err());
    send(3).await.unwrap();
}

#[tokio::test]
async fn what_is_left_unread_passes_with_a_yes_to_its_target_and_with_no_other() {
    let bench = bench();
    let unread = || Bound { unread: true, ..Bound::default() };
    let weighed = || bench.gate.weigh(&bench.session, removal("/a"));
    // A yes to the same request without a body is none to whatever body.
    bench.remove("/a").await.unwrap_err();
    let view = bench.asked().await;
    bench.say(&view, Answer::Yes, Scope::Effect);
    assert!(!bench.gate.is_given(&weighed(), &[]));
    let denied = bench.gate.pass(weighed().bind(unread())).await.unwrap_err();
    assert_eq!(code(&denied), Some(ReasonCode::ApprovalRequired));
    bench.remove_with("/a", with_body("x")).await.unwrap_err();
    let view = bench.asked().await;
    bench.say(&view, Answer::Yes, Scope::Target);
    assert!(bench.gate.is_given(&weighed(), &[]));
    bench.gate.pass(weighed().bind(unread())).await.unwrap();
}

#[tokio::test]
async fn a_yes_is_not_good_under_other_policies() {
    let bench = bench();
    bench.remove("/a").await.unwrap_err();
    bench.say(&bench.asked().await, Answer::Yes, Scope::Effect);
    let own = "@id('own') permit (principal, action == Action::'http.get', resource);".replace('\'', "\"");
    std::fs::write(bench.home.path().join("policies/own.cedar"), own).unwrap();
    bench.gate.replace_snapshot(Snapshot::load(bench.home.path(), &Settings::default()).unwrap());
    assert_eq!(code(&bench.remove("/a").await.unwrap_err()), Some(ReasonCode::ApprovalRequired));
}

#[tokio::test]
async fn an_answer_names_what_was_shown() {
    let bench = bench();
    bench.remove("/a").await.unwrap_err();
    let view = bench.asked().await;
    let draft = || Draft {
        answer: Answer::Yes,
        scope: Scope::Effect,
        by: "mia".parse().unwrap(),
        session_ends: bench.gate.clock().now().after(LONG),
    };
    let problem = bench.gate.desk().begin_answer(view.id, Digest::of(b"other"), draft()).unwrap_err();
    assert_eq!((problem.status, problem.code.as_str()), (409, "digest"));
    // An answer that does not get on record holds for nothing, and the question is open again.
    drop(bench.gate.desk().begin_answer(view.id, view.digest, draft()).unwrap());
    assert_eq!(code(&bench.remove("/a").await.unwrap_err()), Some(ReasonCode::ApprovalRequired));
    let answering = bench.gate.desk().begin_answer(view.id, view.digest, draft()).unwrap();
    let second = bench.gate.desk().begin_answer(view.id, view.digest, draft()).unwrap_err();
    assert_eq!(second.code, "answered");
    answering.recorded();
}

#[tokio::test]
async fn whoever_left_is_not_acted_for() {
    let bench = patient();
    let left = tokio::time::timeout(Duration::from_millis(20), bench.remove("/a")).await;
    assert!(left.is_err());
    let view = bench.asked().await;
    assert_eq!(view.waiting, 0);
    bench.say(&view, Answer::Yes, Scope::Effect);
    assert_eq!(bench.session.tally().permit, 0);
    bench.remove("/a").await.unwrap();
}

#[tokio::test]
async fn of_identical_attempts_that_wait_one_happens() {
    let bench = patient();
    let answer = async {
        let mut view = bench.asked().await;
        while view.waiting < 3 {
            tokio::task::yield_now().await;
            view = bench.asked().await;
        }
        bench.say(&view, Answer::Yes, Scope::Effect)
    };
    let (one, two, three, _) =
        tokio::join!(bench.remove("/a"), bench.remove("/a"), bench.remove("/a"), answer);
    let passed = [one, two, three].into_iter().filter(Result::is_ok).count();
    assert_eq!(passed, 1);
}

#[tokio::test]
async fn too_many_questions_wait_and_too_many_in_all_pause_the_session() {
    let bench = bench();
    for round in 0..3 {
        for number in 0..3 {
            let denied = bench.remove(&format!("/{round}/{number}")).await.unwrap_err();
            assert_eq!(code(&denied), Some(ReasonCode::ApprovalRequired));
        }
        let denied = bench.remove(&format!("/{round}/more")).await.unwrap_err();
        assert_eq!(code(&denied), Some(ReasonCode::QuotaExceeded));
        for view in bench.open() {
            bench.say(&view, Answer::No, Scope::Effect);
        }
    }
    bench.remove("/tenth").await.unwrap_err();
    bench.say(&bench.asked().await, Answer::No, Scope::Effect);
    assert_eq!(code(&bench.remove("/eleventh").await.unwrap_err()), Some(ReasonCode::Paused));
    assert_eq!(code(&bench.admit(Effects::READ).await.unwrap_err()), Some(ReasonCode::Paused));
    bench.session.unpause();
    bench.gate.desk().reset(bench.session.id());
    bench.admit(Effects::READ).await.unwrap();
}

#[tokio::test]
async fn a_yes_that_is_too_old_is_none() {
    let bench = bench();
    bench.gate.desk().set_limits(ApprovalSettings {
        wait: Duration::from_millis(5),
        valid: Duration::from_millis(30),
        ..ApprovalSettings::default()
    });
    bench.remove("/a").await.unwrap_err();
    bench.say(&bench.asked().await, Answer::Yes, Scope::Effect);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(code(&bench.remove("/a").await.unwrap_err()), Some(ReasonCode::ApprovalRequired));
}

#[tokio::test]
async fn a_lock_between_the_yes_and_the_effect_still_stops() {
    let bench = bench();
    bench.remove("/a").await.unwrap_err();
    bench.say(&bench.asked().await, Answer::Yes, Scope::Effect);
    let lock = Lock {
        id: LockId::from_uuid(Uuid::nil()),
        target: LockTarget::Resource("api".parse().unwrap()),
        reason: "test".into(),
        by: "mia".parse().unwrap(),
        at: bench.gate.clock().now(),
    };
    bench.gate.update_locks(|_| vec![lock.clone()]);
    assert_eq!(code(&bench.remove("/a").await.unwrap_err()), Some(ReasonCode::Locked));
}

#[tokio::test]
async fn a_yes_whose_use_cannot_be_kept_is_not_used() {
    let bench = bench();
    bench.remove("/a").await.unwrap_err();
    let view = bench.asked().await;
    bench.say(&view, Answer::Yes, Scope::Effect);
    bench.shelf.broken.store(true, Ordering::Relaxed);
    let denied = bench.remove("/a").await.unwrap_err();
    assert_eq!(code(&denied), Some(ReasonCode::LedgerUnavailable), "{denied:?}");
}

#[tokio::test]
async fn a_daemon_that_starts_anew_knows_what_was_asked_answered_and_used() {
    let bench = bench();
    for (path, answer) in [("/a", Some(Answer::Yes)), ("/b", Some(Answer::No)), ("/c", None)] {
        bench.remove(path).await.unwrap_err();
        let view = bench.open().into_iter().find(|view| view.line.ends_with(path)).unwrap();
        if let Some(answer) = answer {
            bench.say(&view, answer, Scope::Effect);
        }
        bench.gate.desk().keep(bench.session.id()).await.unwrap();
    }
    let words = |desk: &Desk| desk.list(true).iter().map(|view| view.state.clone()).collect::<Vec<_>>();
    let anew = || {
        let desk = Desk::new(bench.gate.clock(), ApprovalSettings::default(), Arc::clone(&bench.shelf) as _);
        assert!(!desk.restore(bench.session.id()).unwrap());
        desk
    };
    assert_eq!(words(&anew()), ["yes", "no", "open"]);
    assert_eq!(anew().list(true), bench.gate.desk().list(true));
    bench.remove("/a").await.unwrap();
    assert_eq!(words(&anew()), ["used", "no", "open"], "before anything else of it was kept");
    bench.gate.desk().forget(bench.session.id()).await;
    assert!(words(&anew()).is_empty());
}

#[tokio::test]
async fn where_two_persons_are_needed_the_one_whose_work_it_is_does_not_do() {
    let bench = bench();
    let rule = r#"@id("own.two") @gate("step_up") @two_person @why("two look at it")
        forbid (principal, action in Action::"destructive", resource) unless { context.approved };"#;
    std::fs::write(bench.home.path().join("policies/two.cedar"), rule).unwrap();
    bench.gate.replace_snapshot(Snapshot::load(bench.home.path(), &Settings::default()).unwrap());
    bench.remove("/a").await.unwrap_err();
    let view = bench.asked().await;
    assert!(view.card.iter().any(|line| line.label == "who" && line.text == "another person than mia"));
    let draft = |by: &str, answer| Draft {
        answer,
        scope: Scope::Effect,
        by: by.parse().unwrap(),
        session_ends: bench.gate.clock().now().after(LONG),
    };
    let answer = |by: &str, answer| bench.gate.desk().begin_answer(view.id, view.digest, draft(by, answer));
    let refused = answer("mia", Answer::Yes).unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (403, "two_person"), "{refused:?}");
    assert!(bench.remove("/a").await.is_err(), "nothing was said yet");
    // To say no to oneself takes nobody else; it is taken back here, because it is not put on record.
    drop(answer("mia", Answer::No).unwrap());
    let said = answer("root", Answer::Yes).unwrap().recorded();
    assert_eq!(said.by.as_str(), "root");
    bench.remove("/a").await.unwrap();
}

#[tokio::test]
async fn ones_own_yes_for_a_target_is_none_where_a_part_of_it_wants_two_persons() {
    let bench = bench();
    let rule = r#"@id("own.two") @gate("step_up") @two_person
        forbid (principal, action in Action::"destructive", resource)
        when { context.arguments has path && context.arguments.path == "/a/2" } unless { context.approved };"#;
    std::fs::write(bench.home.path().join("policies/two.cedar"), rule).unwrap();
    bench.gate.replace_snapshot(Snapshot::load(bench.home.path(), &Settings::default()).unwrap());
    let send = async |number| {
        let (attempt, bound) = part(number);
        bench.gate.pass(bench.gate.weigh(&bench.session, attempt).bind(bound)).await
    };
    for number in [1, 2] {
        send(number).await.unwrap_err();
    }
    let open = bench.open();
    bench.say(&open[0], Answer::Yes, Scope::Target);
    send(3).await.unwrap();
    assert!(send(2).await.is_err(), "it wants somebody else");
    let weighed = bench.gate.weigh(&bench.session, part(2).0);
    assert!(!bench.gate.is_given(&weighed, &["path".to_owned()]));
    assert_eq!(bench.open().iter().map(|view| view.id).collect::<Vec<_>>(), [open[1].id]);
}
