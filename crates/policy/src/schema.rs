//! The one Cedar schema: what policies may speak of. The entities and the effect classes are fixed; the operations are those that the
//! catalogue can ask for, and those that every catalogue can.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::{EffectClass, Effects, Operation};

/// The fixed part.
const ENTITIES: &str = include_str!("../schema.cedarschema");

/// Operations that exist without any resource declaring them.
const BUILT_IN: &[(&str, &[EffectClass])] = &[
    ("git.advertise", &[EffectClass::Read]),
    ("git.fetch", &[EffectClass::Read]),
    ("git.push", &[EffectClass::Write]),
    ("graphql.mutation", &[EffectClass::Write]),
    ("graphql.query", &[EffectClass::Read]),
    ("http.delete", &[EffectClass::Destructive]),
    ("http.get", &[EffectClass::Read]),
    ("http.head", &[EffectClass::Read]),
    ("http.options", &[EffectClass::Read]),
    ("http.patch", &[EffectClass::Write]),
    ("http.post", &[EffectClass::Write]),
    ("http.put", &[EffectClass::Write]),
    ("model.invoke", &[EffectClass::Send, EffectClass::Pay]),
    ("net.connect", &[EffectClass::Send]),
    ("net.resolve", &[EffectClass::Read]),
    ("registry.read", &[EffectClass::Read]),
    (Operation::DELEGATION, &[EffectClass::Delegate]),
];

/// The schema, in Cedar's own form, for a catalogue with these `operations`.
pub fn schema(operations: impl IntoIterator<Item = (Operation, Effects)>) -> String {
    let mut known: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for (name, effects) in BUILT_IN {
        known.entry((*name).to_owned()).or_default().extend(effects.iter().map(|effect| effect.name()));
    }
    for (operation, effects) in operations {
        known.entry(operation.to_string()).or_default().extend(effects.iter().map(EffectClass::name));
    }
    let mut text = ENTITIES.to_owned();
    let protocols: BTreeSet<&str> = known.keys().filter_map(|name| name.split('.').next()).collect();
    for protocol in protocols {
        text.push_str(&format!("action \"{protocol}\";\n"));
    }
    for (name, effects) in &known {
        let protocol = name.split('.').next().unwrap_or_default();
        let mut groups: Vec<String> = effects.iter().map(|effect| format!("\"{effect}\"")).collect();
        groups.push(format!("\"{protocol}\""));
        text.push_str(&format!(
            "action \"{name}\" in [{}] appliesTo {{ principal: Session, resource: Resource, context: Circumstances }};\n",
            groups.join(", ")
        ));
    }
    text
}
