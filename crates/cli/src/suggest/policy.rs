//! Policies, in the style of the presets: what was read is permitted, and nothing else of that resource is.

use std::collections::BTreeSet;

use bailiwick_core::{EffectClass, Name, Operation, Value};

use super::{
    group::{Group, Read},
    want::Want,
    words,
};

/// Arguments that say whose something is, where a template has them.
const OWNERS: [&str; 2] = ["owner", "repo"];

/// The id of the policy that permits `operation` on `resource`.
pub(super) fn id(resource: &Name, operation: &Operation) -> String {
    format!("suggested.{resource}.{operation}")
}

/// The policies of one resource.
pub(super) fn text(group: &Group) -> String {
    let name = &group.name;
    let mut text = format!(
        "// `{name}`: {}. Lines that begin with `//|` are not suggested; uncommented, they have a person asked each time.\n",
        words::shown(&group.place)
    );
    let mut rest = String::new();
    for (operation, reads) in group.operations() {
        let condition = condition(group, &reads);
        let when = condition.as_ref().map(|all| format!("\nwhen {{ {all} }}")).unwrap_or_default();
        let also = condition.as_ref().map(|all| format!(" &&\n  ({all})")).unwrap_or_default();
        text.push_str(&format!(
            "\n// {}\n@id({})\n@why(\"it was needed, and reads\")\npermit (principal, action == Action::\"{operation}\", \
             resource == Resource::\"{name}\"){when};\n",
            seen(reads.iter().map(|read| &read.want)),
            words::cedar(&id(name, operation)),
        ));
        rest.push_str(&format!("unless {{ action == Action::\"{operation}\"{also} }}\n"));
    }
    for (operation, wants) in group.asked() {
        text.push_str(&asked(name, operation, &wants));
        rest.push_str(&format!("//| unless {{ action == Action::\"{operation}\" }}\n"));
    }
    if group.definition.is_some() {
        text.push_str(&format!(
            "\n@id(\"suggested.{name}\")\n@gate(\"hard\")\n@why(\"nothing else was needed there\")\n\
             forbid (principal, action, resource == Resource::\"{name}\")\n{rest};\n"
        ));
    }
    text
}

/// What does more than read, as a comment: with it, a person is asked each time.
fn asked(name: &Name, operation: &Operation, wants: &[&Want]) -> String {
    let effects: BTreeSet<&str> =
        wants.iter().flat_map(|want| want.effects.iter()).map(EffectClass::name).collect();
    let effects = effects.into_iter().collect::<Vec<_>>().join(", ");
    let scope = format!("(principal, action == Action::\"{operation}\", resource == Resource::\"{name}\")");
    let lines = [
        format!("@id(\"suggested.{name}.{operation}.permit_with_approval\")"),
        format!("permit {scope}"),
        "when { context.approved };".to_owned(),
        format!("@id(\"suggested.{name}.{operation}.ask\")"),
        "@gate(\"step_up\")".to_owned(),
        "@why(\"it does more than read\")".to_owned(),
        format!("forbid {scope}"),
        "unless { context.approved };".to_owned(),
    ];
    let mut text =
        format!("\n// NOT SUGGESTED, it does more than read ({effects}): {}\n", seen(wants.iter().copied()));
    for line in lines {
        text.push_str(&format!("//| {line}\n"));
    }
    text
}

/// Whose it was, exactly, where all of it says so.
fn condition(group: &Group, reads: &[&Read]) -> Option<String> {
    if !group.owned {
        return None;
    }
    let value = |read: &Read, name: &str| match read.arguments.get(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let named: Vec<&str> =
        OWNERS.into_iter().filter(|name| reads.iter().all(|read| value(read, name).is_some())).collect();
    if named.is_empty() {
        return None;
    }
    let whose: BTreeSet<Vec<String>> =
        reads.iter().map(|read| named.iter().filter_map(|name| value(read, name)).collect()).collect();
    let one = |values: Vec<String>| {
        let all = named.iter().zip(values).map(|(name, value)| {
            format!("context.arguments has {name} && context.arguments.{name} == {}", words::cedar(&value))
        });
        format!("({})", all.collect::<Vec<_>>().join(" && "))
    };
    Some(whose.into_iter().map(one).collect::<Vec<_>>().join(" ||\n  "))
}

/// How often all of that was attempted, and one to look at.
fn seen<'w>(wants: impl Iterator<Item = &'w Want> + Clone) -> String {
    let times = wants.clone().map(|want| want.times).sum();
    let act = { wants }.map(|want| want.act).min();
    let act = act.map(|act| format!("; bailiwick explain {act}")).unwrap_or_default();
    format!("{}{act}", words::times(times))
}
