//! The shipped guardrails: policies that stand below whatever a person adds.

/// The shipped presets, by name.
pub const PRESETS: [(&str, &str); 2] = [
    ("default", include_str!("../presets/default.cedar")),
    ("strict", include_str!("../presets/strict.cedar")),
];

/// The text of the preset called `name`.
pub fn preset(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
