//! Any path of sessions, whatever their grants say: what the acting one may do, each above it allows.

use proptest::prelude::*;

use super::*;

const RESOURCES: [&str; 3] = ["forge", "bank", "mail"];
const OPERATIONS: [&str; 3] = ["http.get", "http.post", "git.push"];
const AGENTS: [&str; 3] = ["planner", "coder", "cloud"];
const STATEMENTS: [&str; 2] = ["report march", "pay"];

fn patterns(names: [&'static str; 3]) -> impl Strategy<Value = NamePattern> {
    let mut all: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    all.extend(["*".to_owned(), "http.*".to_owned(), format!("{}*", &names[0][..1])]);
    prop::sample::select(all).prop_map(NamePattern)
}

fn tests() -> impl Strategy<Value = Test> {
    prop_oneof![
        (0_i64..4).prop_map(Test::AtMost),
        prop::sample::select(vec!["/a", "/a/b", "/b"]).prop_map(|path| Test::Within(path.into())),
        prop::sample::select(vec!["/a", "/b"]).prop_map(|path| Test::Equals(path.into())),
        Just(Test::OneOf(vec!["/a".into(), "/a/b".into(), Value::Integer(1)])),
    ]
}

fn constraints() -> impl Strategy<Value = Vec<Constraint>> {
    let argument = prop::sample::select(vec!["path", "size"]);
    prop::collection::vec(
        (argument, tests()).prop_map(|(argument, test)| Constraint { argument: argument.into(), test }),
        0..2,
    )
}

fn exercises() -> impl Strategy<Value = Exercise> {
    let only = (prop::sample::select(AGENTS.to_vec()), prop::option::of(Just("report*")));
    prop_oneof![2 => Just(Exercise::Holder), 1 => only.prop_map(|(agent, task)| only_for(agent, task))]
}

fn capabilities() -> impl Strategy<Value = Capability> {
    let effects = prop::option::of(prop::collection::vec(
        prop::sample::select(vec![EffectClass::Read, EffectClass::Write, EffectClass::Send]),
        0..3,
    ));
    let operations = prop::collection::vec(patterns(OPERATIONS), 0..3);
    (patterns(RESOURCES), operations, effects, constraints(), exercises()).prop_map(
        |(resource, operations, effects, constraints, exercise)| Capability {
            resource,
            operations,
            effects,
            constraints,
            exercise,
        },
    )
}

fn grants() -> impl Strategy<Value = Grant> {
    let some = prop::collection::vec(capabilities(), 0..4).prop_map(|capabilities| Grant { capabilities });
    prop_oneof![1 => Just(Grant::unrestricted()), 3 => some]
}

/// Paths of one to four sessions.
fn paths() -> impl Strategy<Value = Vec<Session>> {
    let one = (prop::sample::select(AGENTS.to_vec()), prop::sample::select(STATEMENTS.to_vec()), grants());
    prop::collection::vec(one, 1..5).prop_map(|all| {
        let numbered = all.into_iter().zip(1_u128..);
        numbered
            .map(|((agent, statement, grant), number)| {
                let mut session =
                    session(number, number.checked_sub(1).filter(|above| *above > 0), agent, grant);
                session.task.statement = statement.into();
                session
            })
            .collect()
    })
}

fn actions() -> impl Strategy<Value = Action> {
    (
        prop::sample::select(RESOURCES.to_vec()),
        prop::sample::select(OPERATIONS.to_vec()),
        prop::sample::select(vec!["/a", "/a/b", "/b", "/a/../b"]),
        prop::option::of(0_i64..4),
        prop::sample::select(vec![EffectClass::Read, EffectClass::Write, EffectClass::Send]),
    )
        .prop_map(|(resource, operation, path, size, effect)| {
            let mut action = action(resource, operation, path);
            action.arguments.extend(size.map(|size| ("size".to_owned(), Value::Integer(size))));
            action.effects = effect.into();
            action
        })
}

/// The rule, told anew: whether one session's grant says nothing against it.
fn allows(at: usize, path: &[Session], action: &Action) -> bool {
    let name = |pattern: &NamePattern, name: &str| match pattern.0.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern.0 == name,
    };
    path[at].grant.capabilities.iter().any(|capability| {
        let effects = capability.effects.as_deref();
        let used_rightly = match &capability.exercise {
            Exercise::Holder => true,
            Exercise::DelegateOnly { agent, task } => {
                at + 1 < path.len()
                    && path[at + 1..].iter().all(|below| {
                        below.agent == *agent
                            && task.as_ref().is_none_or(|task| name(task, &below.task.statement))
                    })
            }
        };
        name(&capability.resource, action.resource.name())
            && capability.operations.iter().any(|operation| name(operation, action.operation.as_str()))
            && action.effects.iter().all(|effect| effects.is_none_or(|allowed| allowed.contains(&effect)))
            && capability.constraints.iter().all(|constraint| {
                action.arguments.get(&constraint.argument).is_some_and(|value| constraint.test.holds(value))
            })
            && used_rightly
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_a_session_may_do_each_above_it_allows(path in paths(), action in actions()) {
        let chain = Chain::new(path.iter().collect()).unwrap();
        let every = (0..path.len()).all(|at| allows(at, &path, &action));
        prop_assert_eq!(chain.covers(&action).is_ok(), every);
    }

    #[test]
    fn the_effective_grant_is_the_conjunction(path in paths(), action in actions()) {
        let chain = Chain::new(path.iter().collect()).unwrap();
        prop_assert_eq!(chain.effective().covers(&action, &[]).is_ok(), chain.covers(&action).is_ok());
    }

    /// A child that asks for everything has exactly what it was handed.
    #[test]
    fn whatever_a_child_asks_for_it_ends_no_later_and_has_no_more(path in paths(), action in actions()) {
        let mut greedy = path.clone();
        if let Some(last) = greedy.last_mut() { last.grant = Grant::unrestricted(); }
        let (chain, wide) = (Chain::new(path.iter().collect()).unwrap(), Chain::new(greedy.iter().collect()).unwrap());
        prop_assert!(chain.covers(&action).is_err() || wide.covers(&action).is_ok());
        prop_assert!(path.iter().all(|session| chain.expires_at() <= session.expires_at));
    }

    /// The lint never lets a capability pass that conjunction would refuse for what it names alone.
    #[test]
    fn what_the_lint_passes_is_named_above(path in paths(), action in actions()) {
        let Some((child, above)) = path.split_last() else { return Ok(()) };
        let passes = above.iter().enumerate().all(|(at, session)| {
            let below: Vec<_> = path[at + 1..].iter().collect();
            child.grant.lint_within(&session.grant, &below).is_ok()
        });
        if passes && allows(path.len() - 1, &path, &action) {
            for session in above {
                let named = session.grant.capabilities.iter().any(|capability| {
                    capability.resource.matches(action.resource.name())
                        && capability.operations.iter().any(|operation| operation.matches(action.operation.as_str()))
                });
                prop_assert!(named);
            }
        }
    }
}
