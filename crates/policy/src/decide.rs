//! The one function that decides.

use bailiwick_catalogue::{Address, Template};
use bailiwick_core::{
    Action, Decision, EffectClass, GrantShortfall, LockTarget, Permit, Reason, ReasonCode, Refusal,
    ResourceRef, SessionId,
};

use crate::{
    Context, Stated,
    request::{Aim, Prepared},
    set::Verdict,
};

/// Decides `action` in the light of `context`. Deterministic, and never a permit by mistake: whatever cannot be found out refuses.
pub fn decide(action: &Action, context: &Context<'_>) -> Decision {
    match admissible(action, context) {
        Ok(aim) => by_policy(action, aim, context),
        Err(reason) => Decision::Refuse(reason.into()),
    }
}

/// What must hold before any policy is asked.
fn admissible<'a>(action: &'a Action, context: &Context<'a>) -> Result<Aim<'a>, Reason> {
    if action.session != context.chain.acting().id {
        return Err(Reason::new(ReasonCode::SessionEnded, "the action is not the acting session's"));
    }
    if let Some(lock) = context.chain.stopped_by(context.locks) {
        return Err(locked(&lock.to_string()));
    }
    if context.chain.expires_at() <= context.now {
        let reason = Reason::new(ReasonCode::SessionEnded, "the session's time is up");
        return Err(reason.with_fix("bailiwick run --ttl 1h -- …"));
    }
    let aim = aim(action, context)?;
    if context.chain.is_observed() && !(action.effects.is_read() || action.operation.is_delegation()) {
        return Err(observed(action));
    }
    context.chain.covers(action).map_err(|(session, shortfall)| exceeded(session, &shortfall))?;
    Ok(aim)
}

/// What the action is aimed at, if it is there and no lock stops what is done to it.
fn aim<'a>(action: &'a Action, context: &Context<'a>) -> Result<Aim<'a>, Reason> {
    if action.operation.is_delegation() != matches!(action.resource, ResourceRef::Agent { .. }) {
        let detail = format!("`{}` is not done to `{}`", action.operation, action.resource.qualified());
        return Err(Reason::new(ReasonCode::Malformed, detail));
    }
    let name = match &action.resource {
        ResourceRef::Agent { name } => {
            let stopped = LockTarget::Agent(name.clone());
            return if context.locks.contains(&stopped) {
                Err(locked(&stopped.to_string()))
            } else {
                Ok(Aim::Agent(name))
            };
        }
        ResourceRef::Listed { name } => name,
        ResourceRef::Unlisted { address } if context.chain.reads_unlisted() || stated(action, context) => {
            return Ok(Aim::Unlisted(address));
        }
        ResourceRef::Unlisted { address } => return Err(unlisted(address)),
    };
    if context.locks.iter().any(|lock| lock.stops_resource(name)) {
        return Err(locked(&format!("resource:{name}")));
    }
    let resource = context.resource.filter(|resource| resource.name == *name);
    resource.map(Aim::Resource).ok_or_else(|| unlisted(name.as_str()))
}

/// Whether it reads a page that is not listed, and that the task names word for word.
pub(crate) fn stated(action: &Action, context: &Context<'_>) -> bool {
    action.page().is_some_and(|page| context.chain.names_page(&page))
}

fn by_policy(action: &Action, aim: Aim<'_>, context: &Context<'_>) -> Decision {
    let verdict = match ask(action, aim, context, context.approved) {
        Ok(verdict) => verdict,
        Err(reason) => return Decision::Refuse(reason.into()),
    };
    let ids: Vec<String> = verdict.determining.iter().map(|stated| stated.id.clone()).collect();
    if verdict.allowed {
        return Decision::Permit(Permit { policies: ids, obligations: Vec::new() });
    }
    let forbids: Vec<&Stated> = verdict.determining.iter().filter(|stated| !stated.permits).collect();
    let hard: Vec<&Stated> = forbids.iter().copied().filter(|stated| !stated.step_up).collect();
    if !hard.is_empty() {
        let reasons = hard.iter().map(|stated| forbidden(action, stated)).collect();
        return Decision::Refuse(Refusal { reasons, policies: ids, two_person: false });
    }
    // Only step-up guardrails, or nothing at all, stands against it: would a human's yes allow it?
    match ask(action, aim, context, true) {
        Ok(lifted) if lifted.allowed && !context.approved => {
            let reasons = if forbids.is_empty() {
                vec![wants_approval(action, None)]
            } else {
                forbids.iter().map(|stated| wants_approval(action, Some(stated))).collect()
            };
            Decision::Hold(Refusal {
                reasons,
                policies: ids,
                two_person: forbids.iter().any(|stated| stated.two_person),
            })
        }
        Ok(lifted) => not_lifted(action, &lifted, &forbids, ids),
        Err(reason) => Decision::Refuse(reason.into()),
    }
}

/// What is refused even if a human said yes, and so is not worth asking about.
fn not_lifted(action: &Action, lifted: &Verdict, forbids: &[&Stated], ids: Vec<String>) -> Decision {
    let standing: Vec<Reason> = lifted
        .determining
        .iter()
        .filter(|stated| !stated.permits)
        .map(|stated| forbidden(action, stated))
        .collect();
    let reasons = match (standing.is_empty(), forbids.is_empty()) {
        (false, _) => standing,
        (true, false) => forbids.iter().map(|stated| forbidden(action, stated)).collect(),
        (true, true) => vec![not_permitted(action)],
    };
    Decision::Refuse(Refusal { reasons, policies: ids, two_person: false })
}

fn ask(action: &Action, aim: Aim<'_>, context: &Context<'_>, approved: bool) -> Result<Verdict, Reason> {
    let prepared = Prepared::new(action, aim, context, approved)
        .map_err(|error| Reason::new(ReasonCode::PolicyError, error.to_string()))?;
    let verdict = context.policies.evaluate(&prepared);
    match verdict.errors.first() {
        None => Ok(verdict),
        // Cedar skips a policy that fails; a skipped `forbid` would permit.
        Some(error) => {
            Err(Reason::new(ReasonCode::PolicyError, format!("a policy could not be evaluated: {error}"))
                .with_fix("bailiwick policy check"))
        }
    }
}

fn unlisted(address: &str) -> Reason {
    let reason = Reason::new(
        ReasonCode::Unlisted,
        format!("`{address}` is not a resource of this machine's catalogue"),
    );
    reason.with_fix(declaring(address))
}

/// The command that declares what is at `address`: with the template that knows it, where one does.
fn declaring(address: &str) -> String {
    let known = address.parse::<Address>().ok();
    let known = known.and_then(|known| Template::at(known.scheme, &known.host.to_string(), known.port));
    match known {
        Some((template, _)) => format!("bailiwick resource add {0} --template {0}", template.name),
        None => format!("bailiwick resource add {} --address {address}", suggested_name(address)),
    }
}

fn observed(action: &Action) -> Reason {
    let detail = format!(
        "an observed session only reads, and `{}` ({}) on `{}` does more",
        action.operation,
        effects(action),
        action.resource.qualified()
    );
    Reason::new(ReasonCode::Observed, detail)
        .with_fix("bailiwick policy suggest -   (what it needs; then run it without `--observe`)")
}

/// A name for what is at `address`: the label of its host that says most.
pub fn suggested_name(address: &str) -> String {
    let host = address.split("://").last().unwrap_or_default().split([':', '/']).next().unwrap_or_default();
    let labels: Vec<&str> = host.split('.').filter(|label| !label.is_empty()).collect();
    let label = match labels.as_slice() {
        [.., label, _top] if label.parse::<u8>().is_err() => label,
        [one] => one,
        _ => "NAME",
    };
    if label.parse::<bailiwick_core::Name>().is_ok() { label.to_owned() } else { "NAME".to_owned() }
}

fn locked(target: &str) -> Reason {
    Reason::new(ReasonCode::Locked, format!("a lock on `{target}` stops it"))
        .with_fix("bailiwick lock list; bailiwick lock lift LOCK")
}

fn exceeded(session: SessionId, shortfall: &GrantShortfall) -> Reason {
    let fix = match shortfall {
        GrantShortfall::DelegateOnly { agent, .. } => {
            format!("hand the work on: bailiwick run --parent {session} --agent {agent} -- …")
        }
        _ => "start the session with a grant that includes it: bailiwick run --grant FILE -- …".to_owned(),
    };
    Reason::new(ReasonCode::GrantExceeded, format!("{shortfall} (session {session})")).with_fix(fix)
}

fn effects(action: &Action) -> String {
    let classes: Vec<_> = action.effects.iter().map(EffectClass::name).collect();
    classes.join(", ")
}

fn forbidden(action: &Action, stated: &Stated) -> Reason {
    let why = stated.why.as_deref().unwrap_or("it says so");
    let detail = format!(
        "`{}` on `{}` is forbidden by policy `{}`: {why}",
        action.operation,
        action.resource.qualified(),
        stated.id
    );
    Reason::new(ReasonCode::Forbidden, detail)
        .with_fix(format!("change policy `{}` in {}", stated.id, stated.file))
}

fn wants_approval(action: &Action, stated: Option<&Stated>) -> Reason {
    let (id, why) = stated.map_or(("a permit that asks for it", "it is permitted only so"), |stated| {
        (stated.id.as_str(), stated.why.as_deref().unwrap_or("it says so"))
    });
    let detail = format!(
        "`{}` ({}) on `{}` needs a person's yes, by policy `{id}`: {why}",
        action.operation,
        effects(action),
        action.resource.qualified()
    );
    Reason::new(ReasonCode::ApprovalRequired, detail).with_fix("a person says yes with: bailiwick approve")
}

fn not_permitted(action: &Action) -> Reason {
    let detail = format!(
        "no policy permits `{}` ({}) on `{}`",
        action.operation,
        effects(action),
        action.resource.qualified()
    );
    let policy = format!(
        "permit (principal, action == Action::\"{}\", resource == Resource::\"{}\");",
        action.operation,
        action.resource.qualified()
    );
    Reason::new(ReasonCode::NotPermitted, detail)
        .with_fix(format!("add to BAILIWICK_HOME/policies/own.cedar: {policy}"))
}
