//! `session.delegate`: an action like any other.

use bailiwick_core::{Capability, Exercise, NamePattern, Operation};

use super::*;

fn delegation(agent: &str) -> Action {
    Action {
        resource: ResourceRef::Agent { name: agent.parse().unwrap() },
        arguments: [("agent".to_owned(), agent.into()), ("depth".to_owned(), 1.into())].into(),
        ..action("any", Operation::DELEGATION, EffectClass::Delegate.into())
    }
}

fn default_and(own: &str) -> PolicySet {
    set(&[preset("default").unwrap(), own])
}

#[test]
fn the_presets_let_the_person_hand_work_on() {
    for name in ["default", "strict"] {
        let policies = set(&[preset(name).unwrap()]);
        assert_eq!(decided(&policies, &delegation("mailer")).word(), "permit", "{name}");
        // Even to the agent that acts already.
        assert_eq!(decided(&policies, &delegation("coder")).word(), "permit", "{name}");
    }
    assert_eq!(decided(&set(&[]), &delegation("mailer")).word(), "refuse");
}

#[test]
fn an_agents_call_that_hands_work_on_is_not_the_persons_own_delegation() {
    let call = action("forge", "http.post", EffectClass::Delegate.into());
    let disguised = action("forge", Operation::DELEGATION, EffectClass::Delegate.into());
    for name in ["default", "strict"] {
        let policies = set(&[preset(name).unwrap()]);
        assert_eq!(decided(&policies, &call).word(), "hold", "{name}");
        assert_eq!(code(&decided(&policies, &disguised)), Some(ReasonCode::Malformed), "{name}");
    }
    let aimed = Action { resource: delegation("mailer").resource, ..call };
    assert_eq!(code(&decided(&default_and(""), &aimed)), Some(ReasonCode::Malformed));
}

#[test]
fn policies_say_who_may_delegate_to_whom_and_how_deep() {
    let to_whom = default_and(
        "@id(\"only-mailer\") forbid (principal in Agent::\"coder\", action == Action::\"session.delegate\", resource)\
         unless { resource in Agent::\"mailer\" };",
    );
    assert_eq!(decided(&to_whom, &delegation("mailer")).word(), "permit");
    assert_eq!(code(&decided(&to_whom, &delegation("cloud"))), Some(ReasonCode::Forbidden));
    let named = default_and("forbid (principal, action, resource == Resource::\"agent:mailer\");");
    assert_eq!(decided(&named, &delegation("mailer")).word(), "refuse");
    let deep = default_and(
        "forbid (principal, action in Action::\"delegate\", resource) when { context.arguments has depth && context.arguments.depth > 0 };",
    );
    assert_eq!(decided(&deep, &delegation("mailer")).word(), "refuse");
}

#[test]
fn a_policy_about_resources_does_not_trip_over_an_agent() {
    let policies =
        default_and("forbid (principal, action, resource) when { resource.environment == \"production\" };");
    assert_eq!(decided(&policies, &delegation("mailer")).word(), "permit");
}

#[test]
fn a_lock_on_the_agent_stops_work_being_handed_to_it() {
    let locks = [LockTarget::Agent("mailer".parse().unwrap())];
    let decide =
        |agent: &str| decided_with(&default_and(""), &delegation(agent), &locks, Timestamp::default());
    assert_eq!(code(&decide("mailer")), Some(ReasonCode::Locked));
    assert_eq!(decide("cloud").word(), "permit");
}

#[test]
fn who_may_not_use_a_power_is_told_who_may() {
    let only = Exercise::DelegateOnly { agent: "mailer".parse().unwrap(), task: None };
    let hand_on = Capability {
        resource: NamePattern("forge".into()),
        operations: vec![NamePattern::any()],
        effects: None,
        constraints: Vec::new(),
        exercise: only,
    };
    let (policies, catalogue) = (default_and(""), catalogue());
    let planner = Session { grant: Grant { capabilities: vec![hand_on] }, ..session() };
    let chain = Chain::new(vec![&planner]).unwrap();
    let attempt = action("forge", "git.push", Effects::WRITE);
    let resource = catalogue.by_name(&"forge".parse().unwrap()).map(AsRef::as_ref);
    let decision =
        decide(&attempt, &Context::new(Timestamp::default(), &chain, &policies).with_resource(resource));
    let reason = decision.reason().unwrap();
    assert_eq!(reason.code, ReasonCode::GrantExceeded);
    let fix = reason.fix.as_deref().unwrap();
    assert_eq!(fix, format!("hand the work on: bailiwick run --parent {} --agent mailer -- …", planner.id));
    let to = |agent: &str| decide(&delegation(agent), &Context::new(Timestamp::default(), &chain, &policies));
    assert_eq!(to("mailer").word(), "permit");
    assert_eq!(code(&to("cloud")), Some(ReasonCode::GrantExceeded));
}
