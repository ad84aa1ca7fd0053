//! A grant in words.

use bailiwick_core::{Capability, Constraint, Exercise, Grant, NamePattern, Test, Value};

/// One line a capability.
pub(crate) fn lines(grant: &Grant) -> Vec<String> {
    if *grant == Grant::unrestricted() {
        return vec!["whatever the policies permit".to_owned()];
    }
    if grant.capabilities.is_empty() {
        return vec!["nothing".to_owned()];
    }
    grant.capabilities.iter().map(line).collect()
}

fn line(capability: &Capability) -> String {
    let operations: Vec<_> = capability.operations.iter().map(pattern).collect();
    let mut text = format!("{}: {}", pattern(&capability.resource), operations.join(", "));
    if let Some(effects) = &capability.effects {
        let effects: Vec<_> = effects.iter().map(|effect| effect.name()).collect();
        text.push_str(&format!(" ({} only)", effects.join(", ")));
    }
    let constraints: Vec<_> = capability.constraints.iter().map(constraint).collect();
    if !constraints.is_empty() {
        text.push_str(&format!(" where {}", constraints.join(" and ")));
    }
    if let Exercise::DelegateOnly { agent, task } = &capability.exercise {
        text.push_str(&format!("; not to be used here, only handed on to agent {agent}"));
        if let Some(task) = task {
            text.push_str(&format!(" for tasks like `{}`", pattern(task)));
        }
    }
    text
}

fn constraint(constraint: &Constraint) -> String {
    let argument = constraint.argument.escape_debug();
    match &constraint.test {
        Test::AtMost(most) => format!("{argument} is at most {most}"),
        Test::Equals(expected) => format!("{argument} is {}", value(expected)),
        Test::OneOf(allowed) => {
            let allowed: Vec<_> = allowed.iter().map(value).collect();
            format!("{argument} is one of {}", allowed.join(", "))
        }
        Test::Within(root) => format!("{argument} is within {}", value(&root.as_str().into())),
    }
}

fn value(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn pattern(pattern: &NamePattern) -> String {
    pattern.0.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_and_under_which_conditions() {
        let grant: Grant = serde_json::from_str(
            r#"{"capabilities":[{"resource":"forge","operations":["git.*"],"effects":["read"],
                "constraints":[{"argument":"repo","within":"acme"}]},
                {"resource":"mail","operations":["http.post"],"exercise":{"by":"delegate_only","agent":"mailer","task":"report*"}},
                {"resource":"web","operations":["http.get"],"exercise":{"by":"self"}}]}"#,
        )
        .unwrap();
        assert_eq!(
            lines(&grant),
            [
                "forge: git.* (read only) where repo is within \"acme\"",
                "mail: http.post; not to be used here, only handed on to agent mailer for tasks like `report*`",
                "web: http.get",
            ]
        );
        assert_eq!(lines(&Grant::default()), ["nothing"]);
        assert_eq!(lines(&Grant::unrestricted()), ["whatever the policies permit"]);
    }
}
