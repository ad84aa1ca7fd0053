use std::time::Duration;

use bailiwick_catalogue::{Catalogue, Definition};
use bailiwick_core::{
    Action, ActionId, Chain, Decision, EffectClass, Effects, Grant, Initiator, InstanceId, Labels,
    LockTarget, ReasonCode, ResourceRef, Session, SessionId, Task, TaskId, Timestamp,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{Context, PolicySet, decide, preset, run_cases};

mod delegation;

fn catalogue() -> Catalogue {
    let load = |name: &str, text: &str| Definition::load(name.parse().unwrap(), name, text).unwrap();
    let prod = "address = 'https://prod.example'\n[attributes]\nenvironment = 'production'\nsensitivity = 'restricted'\n";
    Catalogue::new(vec![
        load("forge", "address = 'https://forge.example'\ntemplate = 'git'\n"),
        load("prod", prod),
    ])
    .unwrap()
}

fn session() -> Session {
    Session {
        id: SessionId::from_uuid(Uuid::from_u128(7)),
        parent: None,
        initiator: Initiator::User { name: "mia".parse().unwrap(), uid: None },
        agent: "coder".parse().unwrap(),
        instance: InstanceId::from_uuid(Uuid::nil()),
        task: Task::new(TaskId::from_uuid(Uuid::nil()), "test"),
        grant: Grant::unrestricted(),
        labels: Labels::CLEAN,
        depth: 0,
        opened_at: Timestamp::from_micros(0),
        expires_at: Timestamp::from_micros(0).after(Duration::from_secs(60)),
        evidence: None,
        observed: false,
        workspace: None,
    }
}

fn action(resource: &str, operation: &str, effects: Effects) -> Action {
    Action {
        id: ActionId::from_uuid(Uuid::nil()),
        at: Timestamp::from_micros(0),
        session: session().id,
        process: None,
        claimed: None,
        resource: ResourceRef::Listed { name: resource.parse().unwrap() },
        operation: operation.parse().unwrap(),
        effects,
        target: "/".into(),
        arguments: [("path".to_owned(), "/".into())].into(),
        body: None,
        head: None,
    }
}

fn set(texts: &[&str]) -> PolicySet {
    let names: Vec<String> = (0..texts.len()).map(|number| format!("{number}.cedar")).collect();
    let files: Vec<_> = names.iter().map(String::as_str).zip(texts.iter().copied()).collect();
    PolicySet::parse(&files, catalogue().operations()).unwrap()
}

fn decided(policies: &PolicySet, action: &Action) -> Decision {
    decided_with(policies, action, &[], Timestamp::from_micros(1))
}

fn decided_with(policies: &PolicySet, action: &Action, locks: &[LockTarget], now: Timestamp) -> Decision {
    let (session, catalogue) = (session(), catalogue());
    let chain = Chain::new(vec![&session]).unwrap();
    let resource = action.resource.listed().and_then(|name| catalogue.by_name(name)).map(AsRef::as_ref);
    decide(action, &Context::new(now, &chain, policies).with_locks(locks).with_resource(resource))
}

fn code(decision: &Decision) -> Option<ReasonCode> {
    decision.reason().map(|reason| reason.code)
}

#[test]
fn every_preset_is_in_order() {
    for (name, text) in crate::PRESETS {
        assert!(PolicySet::parse(&[(name, text)], catalogue().operations()).is_ok(), "{name}");
    }
}

#[test]
fn one_guardrail_that_wants_two_persons_is_enough() {
    let own = "@gate(\"step_up\") @two_person forbid (principal, action == Action::\"http.delete\", resource) unless { context.approved };";
    let policies = set(&[preset("default").unwrap(), own]);
    let wants = |operation: &str| match decided(
        &policies,
        &action("forge", operation, EffectClass::Destructive.into()),
    ) {
        Decision::Hold(refusal) => refusal.two_person,
        other => unreachable!("{other:?}"),
    };
    assert!(wants("http.delete") && !wants("http.post"));
}

#[test]
fn nothing_is_permitted_by_nobody() {
    let decision = decided(&set(&[]), &action("forge", "git.fetch", Effects::READ));
    assert_eq!((decision.word(), code(&decision)), ("refuse", Some(ReasonCode::NotPermitted)));
    assert!(decision.reason().unwrap().fix.as_ref().unwrap().contains("Action::\"git.fetch\""));
}

#[test]
fn the_default_preset_permits_work_and_holds_what_cannot_be_undone() {
    let policies = set(&[preset("default").unwrap()]);
    for (effect, word) in [
        (EffectClass::Read, "permit"),
        (EffectClass::Write, "permit"),
        (EffectClass::Send, "permit"),
        (EffectClass::Destructive, "hold"),
        (EffectClass::Identity, "hold"),
        (EffectClass::External, "hold"),
        (EffectClass::Delegate, "hold"),
    ] {
        let decision = decided(&policies, &action("forge", "http.post", effect.into()));
        assert_eq!(decision.word(), word, "{effect:?}: {decision:?}");
    }
    let restricted = decided(&policies, &action("prod", "http.post", Effects::WRITE));
    assert_eq!(restricted.word(), "hold");
}

#[test]
fn a_branch_of_what_the_task_is_about_is_pushed_without_asking_and_nothing_else() {
    let policies = set(&[preset("default").unwrap()]);
    let case = |task: &str, repo: &str, refs: &str, more: &str| {
        format!(
            "[[case]]\nname = \"x\"\ntask = \"{task}\"\nresource = \"forge\"\noperation = \"git.push\"\neffects = [\"write\"]\n\
             arguments = {{ repo = \"{repo}\", refs = [{refs}]{more} }}\nexpect = \"permit\"\n"
        )
    };
    let permitted = |text: String| run_cases(&text, &policies, &catalogue()).unwrap().1.is_empty();
    let heads = ", heads = true, seen = true, changes = []";
    let fix = "\"refs/heads/fix\"";
    assert!(permitted(case("work on acme/site", "acme/site", fix, heads)));
    assert!(permitted(case("see https://f.example/acme/site", "acme/site.git", fix, heads)));
    for (task, repo, refs, more) in [
        ("work on acme/site", "acme/other", fix, heads),
        ("work on it", "acme/site", fix, heads),
        ("work on acme/site", "acme/site", "\"refs/heads/main\"", heads),
        ("work on acme/site", "acme/site", "\"refs/heads/fix\", \"refs/heads/master\"", heads),
        ("work on acme/site", "acme/site", "\"refs/tags/v1\"", ", heads = false, seen = true"),
        ("work on acme/site", "acme/site", fix, ", seen = true"),
        ("work on acme/site", "acme/site", fix, ", heads = true"),
        ("work on acme/site", "acme/site", fix, ", heads = true, seen = false"),
        (
            "work on acme/site",
            "acme/site",
            fix,
            ", heads = true, seen = true, changes = [\".github/workflows/ci.yml\"]",
        ),
        ("work on acme/site", "acme/site", fix, ", heads = true, seen = true, options = [\"ci.skip\"]"),
    ] {
        assert!(!permitted(case(task, repo, refs, more)), "{task} {repo} {refs}");
    }
}

#[test]
fn the_strict_preset_holds_writes_and_refuses_production() {
    let policies = set(&[preset("strict").unwrap()]);
    assert_eq!(decided(&policies, &action("forge", "git.fetch", Effects::READ)).word(), "permit");
    assert_eq!(decided(&policies, &action("forge", "git.push", Effects::WRITE)).word(), "hold");
    let production = decided(&policies, &action("prod", "http.post", Effects::WRITE));
    assert_eq!((production.word(), code(&production)), ("refuse", Some(ReasonCode::Forbidden)));
}

#[test]
fn the_effects_of_the_attempt_count_not_those_of_its_name() {
    let policies = set(&[preset("default").unwrap()]);
    let attempt = action("forge", "http.get", EffectClass::Destructive.into());
    assert_eq!(decided(&policies, &attempt).word(), "hold");
}

#[test]
fn a_policy_that_cannot_be_evaluated_refuses() {
    // An argument of another type than the schema promises makes the comparison fail, and Cedar would skip the `forbid`.
    let policies = set(&[
        preset("default").unwrap(),
        "forbid (principal, action, resource) when { context.arguments has path && context.arguments.path like \"/x*\" };",
    ]);
    let mut attempt = action("forge", "git.fetch", Effects::READ);
    assert_eq!(decided(&policies, &attempt).word(), "permit");
    attempt.arguments.insert("path".to_owned(), 7.into());
    assert_eq!(code(&decided(&policies, &attempt)), Some(ReasonCode::PolicyError));
}

#[test]
fn locks_and_ends_come_before_policies() {
    let policies = set(&[preset("default").unwrap()]);
    let attempt = action("forge", "git.fetch", Effects::READ);
    let early = Timestamp::from_micros(1);
    for lock in [
        LockTarget::Everything,
        LockTarget::Session(session().id),
        LockTarget::Agent("coder".parse().unwrap()),
        LockTarget::User("mia".parse().unwrap()),
        LockTarget::Resource("forge".parse().unwrap()),
    ] {
        assert_eq!(code(&decided_with(&policies, &attempt, &[lock], early)), Some(ReasonCode::Locked));
    }
    let other = LockTarget::Resource("prod".parse().unwrap());
    assert_eq!(decided_with(&policies, &attempt, &[other], early).word(), "permit");
    let late = session().expires_at;
    assert_eq!(code(&decided_with(&policies, &attempt, &[], late)), Some(ReasonCode::SessionEnded));
}

/// Decided for a session that is observed, below one that is or is not.
fn decided_observed(policies: &PolicySet, action: &Action, above: bool) -> Decision {
    let root = Session { id: SessionId::from_uuid(Uuid::from_u128(6)), observed: above, ..session() };
    let acting = Session { parent: Some(root.id), depth: 1, observed: true, ..session() };
    let catalogue = catalogue();
    let chain = Chain::new(vec![&root, &acting]).unwrap();
    let resource = action.resource.listed().and_then(|name| catalogue.by_name(name)).map(AsRef::as_ref);
    let now = Timestamp::from_micros(1);
    decide(action, &Context::new(now, &chain, policies).with_resource(resource))
}

fn unlisted(operation: &str, effects: Effects) -> Action {
    let resource = ResourceRef::Unlisted { address: "https://a.example".into() };
    Action { resource, ..action("forge", operation, effects) }
}

/// Reading `path` of what is not listed, for a task in these words below one in those.
fn decided_of_page(policies: &PolicySet, (method, path): (&str, &str), above: &str, words: &str) -> Decision {
    let task = |words: &str| Task { pages: Task::pages_in(words), ..session().task };
    let root = Session { id: SessionId::from_uuid(Uuid::from_u128(6)), task: task(above), ..session() };
    let acting = Session { parent: Some(root.id), depth: 1, task: task(words), ..session() };
    let effects = if method == "GET" { Effects::READ } else { Effects::WRITE };
    let operation = format!("http.{}", method.to_ascii_lowercase());
    let reference = ResourceRef::Unlisted { address: "https://docs.example".to_owned() };
    let mut action = Action { resource: reference, ..action("forge", &operation, effects) };
    action.arguments.insert("method".to_owned(), method.into());
    action.arguments.insert("path".to_owned(), path.into());
    let chain = Chain::new(vec![&root, &acting]).unwrap();
    decide(&action, &Context::new(acting.opened_at, &chain, policies))
}

#[test]
fn a_page_that_every_task_names_is_read_and_no_other() {
    const NAMES: &str = "read https://docs.example/a/b.html.";
    for name in ["default", "strict"] {
        let policies = set(&[preset(name).unwrap()]);
        let page = ("GET", "/a/b.html");
        let Decision::Permit(permit) = decided_of_page(&policies, page, NAMES, NAMES) else {
            panic!("{name}")
        };
        assert_eq!(permit.policies, [format!("{name}.stated")]);
        for (page, above, words) in [
            (page, NAMES, "read"),
            (page, "read", NAMES),
            (("GET", "/a/b.htm"), NAMES, NAMES),
            (("GET", "/a/b.html."), NAMES, NAMES),
            (("GET", "/a/b.html/secret"), NAMES, NAMES),
            (("POST", "/a/b.html"), NAMES, NAMES),
        ] {
            let refused = decided_of_page(&policies, page, above, words);
            assert_eq!(code(&refused), Some(ReasonCode::Unlisted), "{name} {page:?} {above} {words}");
        }
    }
}

#[test]
fn an_observed_session_reads_what_is_not_listed() {
    for name in ["default", "strict"] {
        let policies = set(&[preset(name).unwrap()]);
        let get = unlisted("http.get", Effects::READ);
        let Decision::Permit(permit) = decided_observed(&policies, &get, true) else { panic!("{name}") };
        assert_eq!(permit.policies, [format!("{name}.observed")]);
        let below = decided_observed(&policies, &get, false);
        assert_eq!(code(&below), Some(ReasonCode::Unlisted), "{name}: below one that is not observed");
        assert_eq!(code(&decided(&policies, &get)), Some(ReasonCode::Unlisted), "{name}");
    }
    let none = decided_observed(&set(&[]), &unlisted("http.get", Effects::READ), true);
    assert_eq!(code(&none), Some(ReasonCode::NotPermitted));
}

#[test]
fn an_observed_session_only_reads_whatever_the_policies_say() {
    let everything = "permit (principal, action, resource);";
    for policies in [set(&[everything]), set(&[preset("default").unwrap(), everything])] {
        for effect in EffectClass::ALL.into_iter().filter(|effect| *effect != EffectClass::Read) {
            for with in [effect.into(), Effects::READ.union(effect.into())] {
                for attempt in [unlisted("http.post", with), action("forge", "http.post", with)] {
                    for above in [true, false] {
                        let decision = decided_observed(&policies, &attempt, above);
                        let refused = [Some(ReasonCode::Observed), Some(ReasonCode::Unlisted)];
                        assert_eq!(decision.word(), "refuse", "{attempt:?}");
                        assert!(refused.contains(&code(&decision)), "{decision:?}");
                    }
                }
            }
        }
        assert_eq!(
            decided_observed(&policies, &action("forge", "git.fetch", Effects::READ), true).word(),
            "permit"
        );
    }
}

#[test]
fn what_is_not_listed_is_refused_with_the_line_that_lists_it() {
    let mut attempt = action("forge", "http.get", Effects::READ);
    attempt.resource = ResourceRef::Unlisted { address: "https://api.anything-else.example".into() };
    let decision = decided(&set(&[preset("default").unwrap()]), &attempt);
    let reason = decision.reason().unwrap();
    assert_eq!(reason.code, ReasonCode::Unlisted);
    let fix = "bailiwick resource add anything-else --address https://api.anything-else.example";
    assert_eq!(reason.fix.as_deref(), Some(fix));
}

#[test]
fn an_action_of_another_session_is_refused() {
    let attempt = Action {
        session: SessionId::from_uuid(Uuid::from_u128(8)),
        ..action("forge", "git.fetch", Effects::READ)
    };
    assert_eq!(decided(&set(&[preset("default").unwrap()]), &attempt).word(), "refuse");
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    let parse = |text: &str| PolicySet::parse(&[("own.cedar", text)], catalogue().operations()).unwrap_err();
    for (text, expected) in [
        ("\npermit (principal, action resource);", "own.cedar:2"),
        ("\n\npermit (principal, action == Action::\"git.psuh\", resource);", "own.cedar:3"),
        ("permit (principal, action, resource) when { resource.sensitvity == \"public\" };", "own.cedar:1"),
        ("permit (principal == ?principal, action, resource);", "slot"),
        ("@gat(\"hard\") forbid (principal, action, resource);", "gat"),
        ("@gate(\"soft\") forbid (principal, action, resource);", "soft"),
        ("@gate(\"step_up\") permit (principal, action, resource);", "gate"),
        ("@two_person forbid (principal, action, resource);", "two_person"),
        ("@gate(\"step_up\") @two_person(\"no\") forbid (principal, action, resource);", "two_person"),
        (
            "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);",
            "`a`",
        ),
    ] {
        let problems = parse(text);
        assert!(
            problems.iter().any(|problem| problem.to_string().contains(expected)),
            "{text}: {problems:?}"
        );
    }
}

#[test]
fn cases_are_run() {
    let text = r#"
        [[case]]
        name = "a fetch is a read"
        resource = "forge"
        operation = "git.fetch"
        effects = ["read"]
        expect = "permit"
        [[case]]
        name = "wrong on purpose"
        resource = "nowhere"
        operation = "git.push"
        effects = ["write"]
        expect = "permit"
    "#;
    let (count, failures) = run_cases(text, &set(&[preset("default").unwrap()]), &catalogue()).unwrap();
    assert_eq!((count, failures.len()), (2, 1));
    assert_eq!((failures[0].name.as_str(), failures[0].actual.as_str()), ("wrong on purpose", "refuse"));
}

#[test]
fn the_index_leaves_out_nothing_that_applies() {
    let scopes = [
        ("permit (principal, action, resource);", true),
        ("permit (principal == Session::\"ses_00000000000000000000000007\", action, resource);", true),
        ("permit (principal in Agent::\"coder\", action, resource);", true),
        ("permit (principal in Agent::\"other\", action, resource);", false),
        ("permit (principal, action == Action::\"git.fetch\", resource);", true),
        ("permit (principal, action in Action::\"git\", resource);", true),
        ("permit (principal, action in [Action::\"pay\", Action::\"read\"], resource);", true),
        ("permit (principal, action in Action::\"write\", resource);", false),
        ("permit (principal, action, resource == Resource::\"forge\");", true),
        ("permit (principal, action, resource in Resource::\"forge\");", true),
        ("permit (principal, action, resource == Resource::\"prod\");", false),
        (
            "permit (principal is Session in Agent::\"coder\", action in Action::\"read\", resource is Resource);",
            true,
        ),
    ];
    for (text, applies) in scopes {
        let decision = decided(&set(&[text]), &action("forge", "git.fetch", Effects::READ));
        assert_eq!(matches!(decision, Decision::Permit(_)), applies, "{text}");
    }
}

fn policy() -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec!["permit", "forbid", "@gate(\"step_up\") forbid"]);
    let scope = prop::sample::select(vec![
        "principal, action, resource",
        "principal, action in Action::\"read\", resource",
        "principal, action in Action::\"write\", resource",
        "principal in Agent::\"coder\", action, resource",
        "principal, action, resource == Resource::\"forge\"",
        "principal, action, resource == Resource::\"prod\"",
    ]);
    let condition =
        prop::sample::select(vec!["", "when { context.approved }", "unless { context.approved }"]);
    (effect, scope, condition)
        .prop_map(|(effect, scope, condition)| format!("{effect} ({scope}) {condition};"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever stands in a set, one more `forbid` never makes a permit of what was none.
    #[test]
    fn adding_a_forbid_never_widens(policies in prop::collection::vec(policy(), 0..5), more in policy(), write: bool) {
        prop_assume!(!more.starts_with("permit"));
        let attempt = action("forge", "http.post", if write { Effects::WRITE } else { Effects::READ });
        let before: Vec<&str> = policies.iter().map(String::as_str).collect();
        let after: Vec<&str> = before.iter().copied().chain([more.as_str()]).collect();
        let was = decided(&set(&before), &attempt);
        let is = decided(&set(&after), &attempt);
        prop_assert!(matches!(was, Decision::Permit(_)) || !matches!(is, Decision::Permit(_)));
    }

    /// What is held would be permitted with a yes, and is not permitted without.
    #[test]
    fn held_means_that_a_yes_would_do(policies in prop::collection::vec(policy(), 0..5), write: bool) {
        let attempt = action("forge", "http.post", if write { Effects::WRITE } else { Effects::READ });
        let texts: Vec<&str> = policies.iter().map(String::as_str).collect();
        let policies = set(&texts);
        if matches!(decided(&policies, &attempt), Decision::Hold(_)) {
            let (session, catalogue) = (session(), catalogue());
            let chain = Chain::new(vec![&session]).unwrap();
            let resource = catalogue.by_name(&"forge".parse().unwrap()).map(AsRef::as_ref);
            let context = Context::new(Timestamp::from_micros(1), &chain, &policies).with_resource(resource);
            prop_assert!(matches!(decide(&attempt, &context.with_approval()), Decision::Permit(_)));
        }
    }
}
