//! A definition, as text that a person reads.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    route::{Generalised, generalise},
    want::{Place, Want},
    words,
};

/// A definition, what it describes, and what it cannot.
pub(super) struct Drawn {
    pub(super) definition: String,
    pub(super) drawn: Vec<Want>,
    pub(super) undrawn: Vec<Want>,
}

/// Routes are told apart by these.
type Key = (String, String, String);

/// One route, and the wants that it is for.
struct Route {
    effects: Vec<&'static str>,
    notes: Vec<String>,
    /// The names in queries; `None` where some are not on record.
    query: Option<BTreeSet<String>>,
    times: u64,
    seen: String,
    reads: bool,
}

const OPENED: &str = "# Nothing opens it: what was read was read without a credential. To have it opened, remove the next line and say how\n\
                      # in [credential], then: bailiwick secret set NAME\ncredentials = \"none\"\n";

/// The definition of what the template `template` knows, at some of its addresses or at all of them.
pub(super) fn known(template: &str, addresses: Option<&Vec<String>>, place: &str) -> String {
    let mut text = format!("# Wanted: {}. The template knows what its requests mean.\n", words::shown(place));
    text.push_str(&format!("template = {}\n", words::toml(template)));
    if let Some(addresses) = addresses {
        let addresses: Vec<_> = addresses.iter().map(|address| words::toml(address)).collect();
        text.push_str(&format!("address = [{}]\n", addresses.join(", ")));
    }
    text + OPENED
}

/// The definition of what no template knows: a route for each path that was wanted, and nothing else.
pub(super) fn elsewhere(place: &Place, wants: Vec<Want>) -> Drawn {
    let mut routes: BTreeMap<Key, Route> = BTreeMap::new();
    let (mut drawn, mut undrawn) = (Vec::new(), Vec::new());
    for want in wants {
        let plain = want.query.iter().flatten().map(|pair| pair.split('=').next().unwrap_or_default());
        let query: Option<BTreeSet<String>> =
            want.query.is_some().then(|| plain.map(str::to_owned).collect());
        let readable = query.iter().flatten().all(|name| words::is_plain(name) && !name.is_empty());
        match generalise(&want.path).filter(|_| readable && is_method(&want.method)) {
            Some(found) => {
                add(&mut routes, &want, found, query);
                drawn.push(want);
            }
            None => undrawn.push(want),
        }
    }
    let mut text = format!("address = {}\n{OPENED}", words::toml(&place.to_string()));
    if place.host.split('.').any(|label| label.starts_with("xn--")) {
        text = format!(
            "# The name is of other letters than these, and may look like another one: is it the one you mean?\n{text}"
        );
    }
    text.push_str("unmatched = \"refuse\"\n");
    for ((path, operation, method), route) in &routes {
        text.push_str(&written(path, operation, method, route));
    }
    Drawn { definition: text, drawn, undrawn }
}

fn is_method(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "PATCH" | "DELETE")
}

fn add(routes: &mut BTreeMap<Key, Route>, want: &Want, found: Generalised, query: Option<BTreeSet<String>>) {
    let Generalised { pattern, notes } = found;
    let key = (pattern, want.operation.to_string(), want.method.clone());
    let effects = want.effects.iter().map(bailiwick_core::EffectClass::name).collect();
    let route = routes.entry(key).or_insert_with(|| Route {
        effects,
        notes: Vec::new(),
        query: Some(BTreeSet::new()),
        times: 0,
        seen: format!("bailiwick explain {}", want.act),
        reads: want.asks_to_read() && want.effects.is_read(),
    });
    route.times += want.times;
    route.query = match (route.query.take(), query) {
        (Some(known), Some(more)) => Some(known.into_iter().chain(more).collect()),
        (None, _) | (_, None) => None,
    };
    for note in notes {
        if !route.notes.contains(&note) && route.notes.len() < 4 {
            route.notes.push(note);
        }
    }
}

fn written(path: &str, operation: &str, method: &str, route: &Route) -> String {
    let mut text = format!("\n# {}; {}\n", words::times(route.times), route.seen);
    for note in &route.notes {
        text.push_str(&format!("# {note}\n"));
    }
    let query = match &route.query {
        Some(names) => {
            if !names.is_empty() {
                text.push_str("# What the parameters of `extra_query` say is not limited\n");
            }
            let names: Vec<_> = names.iter().map(|name| words::toml(name)).collect();
            format!("extra_query = [{}]\n", names.join(", "))
        }
        None => {
            text.push_str("# What its query was is not on record: any passes\n");
            String::new()
        }
    };
    let effects: Vec<_> = route.effects.iter().map(|effect| words::toml(effect)).collect();
    let lines = format!(
        "[[route]]\nmethod = {}\npath = {}\n{query}operation = {}\neffects = [{}]\n",
        words::toml(method),
        words::toml(path),
        words::toml(operation),
        effects.join(", ")
    );
    if route.reads {
        return text + &lines;
    }
    text.push_str("# NOT SUGGESTED: it does more than read. To have a person asked each time, uncomment this and its policy.\n");
    for line in lines.lines() {
        text.push_str(&format!("#| {line}\n"));
    }
    text
}
