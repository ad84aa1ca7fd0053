use uuid::Uuid;

use super::*;
use crate::{
    ActionId, Capability, Constraint, EffectClass, Exercise, NamePattern, Operation, ResourceRef, TaskId,
    Test, Value,
};

mod tree;

fn session(number: u128, parent: Option<u128>, agent: &str, grant: Grant) -> Session {
    Session {
        id: SessionId::from_uuid(Uuid::from_u128(number)),
        parent: parent.map(|number| SessionId::from_uuid(Uuid::from_u128(number))),
        initiator: Initiator::User { name: "mia".parse().unwrap(), uid: None },
        agent: agent.parse().unwrap(),
        instance: InstanceId::from_uuid(Uuid::nil()),
        task: Task::new(TaskId::from_uuid(Uuid::nil()), "test"),
        grant,
        labels: Labels::CLEAN,
        depth: 0,
        opened_at: Timestamp::from_micros(0),
        expires_at: Timestamp::from_micros(1_000 - i64::try_from(number).unwrap()),
        evidence: None,
        observed: false,
        workspace: None,
    }
}

fn capability(resource: &str, operation: &str) -> Capability {
    Capability {
        resource: NamePattern(resource.into()),
        operations: vec![NamePattern(operation.into())],
        effects: None,
        constraints: Vec::new(),
        exercise: Exercise::Holder,
    }
}

fn grant(capability: Capability) -> Grant {
    Grant { capabilities: vec![capability] }
}

fn action(resource: &str, operation: &str, path: &str) -> Action {
    Action {
        id: ActionId::from_uuid(Uuid::nil()),
        at: Timestamp::from_micros(0),
        session: SessionId::from_uuid(Uuid::nil()),
        process: None,
        claimed: None,
        resource: ResourceRef::Listed { name: resource.parse().unwrap() },
        operation: operation.parse().unwrap(),
        effects: EffectClass::Write.into(),
        target: path.into(),
        arguments: [("path".to_owned(), Value::from(path))].into(),
        body: None,
        head: None,
    }
}

#[test]
fn a_child_cannot_exceed_its_parent_whatever_it_asks_for() {
    let root = session(1, None, "planner", grant(capability("forge", "git.*")));
    let child = session(2, Some(1), "coder", Grant::unrestricted());
    let chain = Chain::new(vec![&root, &child]).unwrap();
    assert!(chain.covers(&action("forge", "git.push", "/a")).is_ok());
    let (who, shortfall) = chain.covers(&action("bank", "http.post", "/a")).unwrap_err();
    assert_eq!(who, root.id);
    assert_eq!(shortfall, GrantShortfall::Resource { resource: "bank".into() });
}

fn only_for(agent: &str, task: Option<&str>) -> Exercise {
    Exercise::DelegateOnly { agent: agent.parse().unwrap(), task: task.map(|task| NamePattern(task.into())) }
}

#[test]
fn a_power_to_hand_on_is_not_a_power_to_use() {
    let hand_on = Capability { exercise: only_for("cloud", None), ..capability("cloud", "*") };
    let root = session(1, None, "planner", grant(hand_on));
    let cloud = session(2, Some(1), "cloud", Grant::unrestricted());
    let other = session(3, Some(1), "mail", Grant::unrestricted());
    let attempt = action("cloud", "http.post", "/a");
    let refused = GrantShortfall::DelegateOnly { resource: "cloud".into(), agent: "cloud".into() };
    let covers = |path: &[&Session]| Chain::new(path.to_vec()).unwrap().covers(&attempt);
    assert_eq!(covers(&[&root]), Err((root.id, refused.clone())));
    assert_eq!(covers(&[&root, &cloud]), Ok(()));
    assert_eq!(covers(&[&root, &other]), Err((root.id, refused)));
}

#[test]
fn a_power_passes_through_the_hands_it_names_and_no_others() {
    let hand_on = Capability { exercise: only_for("cloud", None), ..capability("cloud", "*") };
    let root = session(1, None, "planner", grant(hand_on));
    let cloud = session(2, Some(1), "cloud", Grant::unrestricted());
    let relay = session(3, Some(1), "relay", Grant::unrestricted());
    let attempt = action("cloud", "http.post", "/a");
    let covers = |path: &[&Session]| Chain::new(path.to_vec()).unwrap().covers(&attempt).is_ok();
    assert!(covers(&[&root, &cloud, &session(4, Some(2), "cloud", Grant::unrestricted())]));
    assert!(!covers(&[&root, &cloud, &session(4, Some(2), "helper", Grant::unrestricted())]));
    assert!(!covers(&[&root, &relay, &session(4, Some(3), "cloud", Grant::unrestricted())]));
}

#[test]
fn a_power_for_one_task_is_not_one_for_another() {
    let hand_on =
        Capability { exercise: only_for("cloud", Some("weekly report*")), ..capability("cloud", "*") };
    let root = session(1, None, "planner", grant(hand_on));
    let mut cloud = session(2, Some(1), "cloud", Grant::unrestricted());
    let attempt = action("cloud", "http.post", "/a");
    assert!(Chain::new(vec![&root, &cloud]).unwrap().covers(&attempt).is_err());
    cloud.task.statement = "weekly report for march".into();
    assert!(Chain::new(vec![&root, &cloud]).unwrap().covers(&attempt).is_ok());
    let recorded = serde_json::to_string(&root.grant.without_words()).unwrap();
    assert!(!recorded.contains("weekly") && recorded.contains("sha256:"), "{recorded}");
}

#[test]
fn what_may_be_handed_on_says_to_whom() {
    let hand_on = Capability { exercise: only_for("cloud", None), ..capability("cloud", "*") };
    let chosen = capability("agent:mail", Operation::DELEGATION);
    let delegate = |agent: &str| Action {
        resource: ResourceRef::Agent { name: agent.parse().unwrap() },
        effects: EffectClass::Delegate.into(),
        ..action("any", Operation::DELEGATION, agent)
    };
    let root = session(1, None, "planner", Grant { capabilities: vec![hand_on, chosen] });
    let chain = Chain::new(vec![&root]).unwrap();
    assert!(chain.covers(&delegate("cloud")).is_ok());
    assert!(chain.covers(&delegate("mail")).is_ok());
    assert!(chain.covers(&delegate("coder")).is_err());
    let relay = session(4, Some(1), "mail", Grant::unrestricted());
    let relayed = Chain::new(vec![&root, &relay]).unwrap();
    assert!(relayed.covers(&delegate("mail")).is_ok() && relayed.covers(&delegate("cloud")).is_err());
    let narrow = session(2, None, "planner", grant(capability("forge", "*")));
    assert!(Chain::new(vec![&narrow]).unwrap().covers(&delegate("forge")).is_err());
    let free = session(3, None, "planner", Grant::unrestricted());
    assert!(Chain::new(vec![&free]).unwrap().covers(&delegate("coder")).is_ok());
}

#[test]
fn paths_are_compared_by_canonical_segments() {
    let within = Capability {
        constraints: vec![Constraint { argument: "path".into(), test: Test::Within("/acme".into()) }],
        ..capability("forge", "*")
    };
    let root = session(1, None, "coder", grant(within));
    let chain = Chain::new(vec![&root]).unwrap();
    assert!(chain.covers(&action("forge", "http.get", "/acme/site")).is_ok());
    for outside in ["/acme2", "/acme/../bank", "/acme/./x", "/acme//x", "/ACME/site", "acme/site", "/"] {
        assert!(chain.covers(&action("forge", "http.get", outside)).is_err(), "{outside}");
    }
}

#[test]
fn authority_ends_with_the_earliest_on_the_path() {
    let root = session(9, None, "a", Grant::unrestricted());
    let child = session(2, Some(9), "b", Grant::unrestricted());
    assert_eq!(Chain::new(vec![&root, &child]).unwrap().expires_at(), root.expires_at);
}

#[test]
fn a_chain_must_be_a_path() {
    let root = session(1, None, "a", Grant::default());
    let stray = session(3, Some(2), "b", Grant::default());
    assert!(matches!(Chain::new(vec![]), Err(ChainError::Empty)));
    assert!(matches!(Chain::new(vec![&root, &stray]), Err(ChainError::Broken { .. })));
    assert!(matches!(Chain::new(vec![&stray]), Err(ChainError::Broken { .. })));
}

#[test]
fn a_lock_on_the_root_stops_the_child() {
    let root = session(1, None, "a", Grant::default());
    let child = session(2, Some(1), "b", Grant::default());
    let locks = [LockTarget::Session(root.id)];
    assert!(Chain::new(vec![&root, &child]).unwrap().stopped_by(&locks).is_some());
    assert!(Chain::new(vec![&root]).unwrap().stopped_by(&[LockTarget::Session(child.id)]).is_none());
}
