//! The cases that the proposal must meet: what was read passes, and what was not is refused.

use bailiwick_core::{Arguments, EffectClass, Effects, Name, Value};

use super::{group::Group, words};

/// The file of cases, for `bailiwick policy test`.
pub(super) fn text(groups: &[Group]) -> String {
    let mut text =
        String::from("# What was attempted and would pass, and what would not: bailiwick policy test FILE\n");
    for group in groups {
        for read in &group.reads {
            let case = Case {
                name: &read.want.case_name(),
                resource: &group.name,
                operation: read.operation.as_str(),
                effects: read.effects,
                target: &read.target,
                arguments: &read.arguments,
                expect: "permit",
            };
            text.push_str(&case.text());
        }
        if group.definition.is_some() {
            text.push_str(&negatives(group));
        }
    }
    text
}

/// What nobody needed.
fn negatives(group: &Group) -> String {
    let mut text = String::new();
    let nothing = Arguments::new();
    for (operation, effect) in [
        ("http.post", EffectClass::Write),
        ("http.delete", EffectClass::Destructive),
        ("http.put", EffectClass::Identity),
        ("http.post", EffectClass::External),
    ] {
        let name = format!("`{operation}` ({}) on `{}` is refused", effect.name(), group.name);
        let case = Case {
            name: &name,
            resource: &group.name,
            operation,
            effects: effect.into(),
            target: "/",
            arguments: &nothing,
            expect: "refuse",
        };
        text.push_str(&case.text());
    }
    text + &of_others(group)
}

/// What was read of somebody, of somebody else.
fn of_others(group: &Group) -> String {
    let mut text = String::new();
    for (operation, reads) in group.operations() {
        let Some(read) = reads.first().filter(|_| group.owned) else { continue };
        let mut arguments = read.arguments.clone();
        let owners = ["owner", "repo"];
        // A policy asks for what all of them have.
        let named = owners
            .into_iter()
            .find(|name| reads.iter().all(|read| matches!(read.arguments.get(*name), Some(Value::Text(_)))));
        let Some(named) = named else { continue };
        arguments.insert(named.to_owned(), "somebody-else".into());
        let case = Case {
            name: &format!("`{operation}` on `{}` of somebody else is refused", group.name),
            resource: &group.name,
            operation: operation.as_str(),
            effects: read.effects,
            target: &read.target,
            arguments: &arguments,
            expect: "refuse",
        };
        text.push_str(&case.text());
    }
    text
}

struct Case<'a> {
    name: &'a str,
    resource: &'a Name,
    operation: &'a str,
    effects: Effects,
    target: &'a str,
    arguments: &'a Arguments,
    expect: &'a str,
}

impl Case<'_> {
    fn text(&self) -> String {
        let effects: Vec<_> = self.effects.iter().map(|effect| words::toml(effect.name())).collect();
        let arguments = if self.arguments.is_empty() {
            String::new()
        } else {
            format!("arguments = {}\n", record(self.arguments.iter()))
        };
        format!(
            "\n[[case]]\nname = {}\nresource = {}\noperation = {}\neffects = [{}]\ntarget = {}\n{arguments}expect = {}\n",
            words::toml(self.name),
            words::toml(self.resource.as_str()),
            words::toml(self.operation),
            effects.join(", "),
            words::toml(self.target),
            words::toml(self.expect)
        )
    }
}

fn record<'v>(values: impl Iterator<Item = (&'v String, &'v Value)>) -> String {
    let pairs: Vec<_> = values.map(|(name, one)| format!("{} = {}", words::toml(name), value(one))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn value(one: &Value) -> String {
    match one {
        Value::Boolean(is) => is.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => words::toml(text),
        Value::List(values) => {
            format!("[{}]", values.iter().map(value).collect::<Vec<_>>().join(", "))
        }
        Value::Record(values) => record(values.iter()),
    }
}
