//! One decision with ten thousand policies, beside one with ten: the scope index must keep it flat.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use bailiwick_catalogue::{Catalogue, Definition};
use bailiwick_core::{
    Action, Chain, Decision, Effects, Grant, Id, Initiator, Labels, ResourceRef, Session, Task, Timestamp,
};
use bailiwick_policy::{Context, PolicySet, decide};
use uuid::Uuid;

use crate::measure::{Contestant, quantile, rounds, us};
use crate::report::{Goal, Row};

const DECISIONS: usize = 2000;
const AT: i64 = 1_700_000_000_000_000;

pub(crate) fn run(count: usize) -> Result<Vec<Row>> {
    let catalogue = catalogue()?;
    let (few, many) = (policies(&catalogue, 10)?, policies(&catalogue, 10_000)?);
    let found = rounds(
        count,
        vec![
            Contestant::new("10", || decisions(&few, &catalogue)),
            Contestant::new("10,000", || decisions(&many, &catalogue)),
        ],
    )?;
    Ok(vec![
        Row::new("decision", "one decision, 10,000 policies", "µs", found.value("10,000"))
            .beside("10 policies", found.value("10"), found.ratio("10,000", "10"))
            .rounds(found.count())
            .goal(Goal::RatioAtMost(2.0)),
    ])
}

fn catalogue() -> Result<Catalogue> {
    let definition = Definition::load("forge".parse()?, "forge.toml", "address = 'https://forge.example'\n")
        .map_err(|error| anyhow!("{error}"))?;
    Catalogue::new(vec![definition]).map_err(|error| anyhow!("{error:?}"))
}

/// One policy that permits, and others that speak of other agents, operations and resources, as a large set does.
fn policies(catalogue: &Catalogue, count: usize) -> Result<PolicySet> {
    let mut text =
        String::from("permit (principal, action in Action::\"read\", resource == Resource::\"forge\");\n");
    for number in 1..count {
        let rule = match number % 3 {
            0 => format!("permit (principal in Agent::\"agent-{number}\", action, resource);\n"),
            1 => format!("forbid (principal, action, resource == Resource::\"other-{number}\");\n"),
            _ => format!("permit (principal, action, resource in Resource::\"other-{number}\");\n"),
        };
        text.push_str(&rule);
    }
    let set = PolicySet::parse(&[("large.cedar", &text)], catalogue.operations())
        .map_err(|problems| anyhow!("{} problems, the first: {:?}", problems.len(), problems.first()))?;
    ensure!(set.len() == count, "{} policies instead of {count}", set.len());
    Ok(set)
}

fn decisions(policies: &PolicySet, catalogue: &Catalogue) -> Result<f64> {
    let opened_at = Timestamp::from_micros(AT);
    let session = Session {
        id: Id::from_uuid(Uuid::from_u128(7)),
        parent: None,
        initiator: Initiator::User { name: "ann".parse()?, uid: Some(1000) },
        agent: "coder".parse()?,
        instance: Id::from_uuid(Uuid::from_u128(8)),
        task: Task::new(Id::from_uuid(Uuid::from_u128(9)), "example"),
        grant: Grant::unrestricted(),
        labels: Labels::CLEAN,
        depth: 0,
        opened_at,
        expires_at: opened_at.after(Duration::from_secs(3600)),
        evidence: None,
        observed: false,
    };
    let action = Action {
        id: Id::from_uuid(Uuid::from_u128(10)),
        at: opened_at,
        session: session.id,
        process: None,
        resource: ResourceRef::Listed { name: "forge".parse()? },
        operation: "http.get".parse()?,
        effects: Effects::READ,
        target: "/acme/site".to_owned(),
        arguments: [("method".to_owned(), "GET".into())].into(),
        body: None,
        claimed: None,
        head: None,
    };
    let chain = Chain::new(vec![&session])?;
    let resource = catalogue.by_name(&"forge".parse()?).map(AsRef::as_ref);
    let mut times = Vec::with_capacity(DECISIONS);
    for _ in 0..DECISIONS {
        let started = Instant::now();
        let decision = decide(&action, &Context::new(opened_at, &chain, policies).with_resource(resource));
        times.push(us(started.elapsed()));
        ensure!(matches!(decision, Decision::Permit(_)), "not permitted: {decision:?}");
    }
    Ok(quantile(&mut times, 0.5))
}
