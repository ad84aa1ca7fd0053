//! The card: what a person is shown before saying yes or no. Rendered here, from the parsed action; never from the agent's words.
//!
//! Every text in it that an agent could choose is shown, not obeyed: whoever prints a line prints no control, invisible or bidirectional
//! character. Nothing in it is a credential.

use bailiwick_catalogue::Resource;
use bailiwick_core::{Action, Chain, EffectClass, ProcessFacts, Refusal, Value, shown};
use bailiwick_wire::CardLine;
use serde::{Deserialize, Serialize};

/// The longest text of one line, in characters.
const LONGEST: usize = 400;
/// The most arguments that are shown.
const ARGUMENTS: usize = 12;
/// The most of a body that is shown, in characters.
const BODY: usize = 2000;

/// What a person is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card(Vec<CardLine>);

impl Card {
    pub(crate) fn lines(&self) -> &[CardLine] {
        &self.0
    }

    fn line(&mut self, label: &str, text: impl AsRef<str>) {
        self.0.push(CardLine { label: label.to_owned(), text: cut(&shown(text.as_ref()), LONGEST) });
    }
}

/// The card for `action`, which `refusal` holds.
pub(crate) fn ask_of(
    action: &Action,
    chain: &Chain<'_>,
    resource: Option<&Resource>,
    refusal: &Refusal,
    excerpt: Option<&str>,
) -> Card {
    let mut card = Card(Vec::new());
    let effects: Vec<_> = action.effects.iter().map(EffectClass::name).collect();
    card.line("what", format!("{}   ({})", action.operation, effects.join(", ")));
    card.line("where", place(action, resource));
    card.line("target", &action.target);
    card.line("undo", reversible(action));
    for reason in &refusal.reasons {
        card.line("why", &reason.detail);
    }
    if refusal.two_person {
        card.line("who", format!("another person than {}", chain.acting().initiator.name()));
    }
    card.line("agent", path(chain));
    card.line("task", format!("\"{}\", for {}", chain.acting().task.statement, chain.acting().initiator));
    if let Some(process) = &action.process {
        card.line("through", through(process));
    }
    if let Some(claimed) = &action.claimed {
        card.line("claimed", format!("{claimed}; the agent's own word, not proof"));
    }
    // What has no end of its own comes last: it must not push the rest out of sight.
    let told = |name: &&String| TOLD.contains(&name.as_str());
    for (name, value) in action.arguments.iter().filter(|(name, _)| !told(name)).take(ARGUMENTS) {
        card.line("with", format!("{name} = {}", plain(value)));
    }
    if let Some(excerpt) = excerpt {
        card.0.push(CardLine { label: "body".to_owned(), text: cut(&shown(excerpt), BODY) });
    } else if let Some(body) = action.body {
        card.line("body", body.to_string());
    }
    card
}

/// Arguments that the target already tells.
const TOLD: [&str; 3] = ["path", "method", "host"];

fn place(action: &Action, resource: Option<&Resource>) -> String {
    let name = action.resource.name();
    let Some(resource) = resource else { return name.to_owned() };
    let addresses: Vec<_> = resource.addresses.iter().map(ToString::to_string).collect();
    let method = match action.arguments.get("method") {
        Some(Value::Text(method)) => format!("   {method}"),
        _ => String::new(),
    };
    format!("{name}   {}{method}", addresses.join(" "))
}

fn reversible(action: &Action) -> &'static str {
    if action.effects.contains(EffectClass::Destructive) {
        "cannot be undone"
    } else if action.effects.contains(EffectClass::Send) || action.effects.contains(EffectClass::Identity) {
        "what has left cannot be called back"
    } else {
        "by hand, upstream"
    }
}

fn path(chain: &Chain<'_>) -> String {
    let steps: Vec<_> = chain.iter().map(|session| format!("{} ({})", session.agent, session.id)).collect();
    steps.join(" → ")
}

fn through(process: &ProcessFacts) -> String {
    format!("{} (pid {}); evidence, not proof", process.short(), process.pid)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(_) | Value::Record(_) => serde_json::to_string(value).unwrap_or_default(),
    }
}

fn cut(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(most).collect();
    format!("{beginning}… ({count} characters in all)")
}
