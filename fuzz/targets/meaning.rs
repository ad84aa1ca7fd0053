//! What a request means: the same however its path is escaped, or it is refused.
#![no_main]

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use bailiwick_catalogue::{Definition, Resource};
use bailiwick_gateway::Case;
use libfuzzer_sys::fuzz_target;

const TEMPLATES: [&str; 6] = ["github", "gitlab", "git", "npm", "pypi", "openai"];

static RESOURCES: LazyLock<Vec<Resource>> =
    LazyLock::new(|| TEMPLATES.iter().map(|name| resource(name)).collect());

fn resource(template: &str) -> Resource {
    let text = match template {
        "git" => "template = 'git'\naddress = 'https://forge.example.com'".to_owned(),
        other => format!("template = '{other}'"),
    };
    let name = template.parse().expect("a name");
    Definition::load(name, "fuzz.toml", &text).expect("a template of the product")
}

fuzz_target!(|input: (u8, &str, &str)| {
    let (which, path, body) = input;
    let resource = &RESOURCES[usize::from(which) % RESOURCES.len()];
    let method = ["GET", "POST", "PUT", "DELETE", "PATCH"][usize::from(which) / RESOURCES.len() % 5];
    let host = &resource.addresses[0];
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
    let case = |path: &str| Case {
        request: format!("{method} {}://{}:{}/{path}", host.scheme.as_str(), host.host, host.port),
        headers: BTreeMap::new(),
        body: Some(body.to_owned()).filter(|body| !body.is_empty()),
        operation: None,
        effects: None,
        target: None,
        arguments: BTreeMap::new(),
        refused: None,
        why: None,
    };
    let Ok(meant) = case(path).meaning(resource) else { return };
    let escaped = path.split('/').map(|segment| {
        let decoded = percent(segment);
        decoded.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "%{byte:02X}");
            text
        })
    });
    let escaped = case(&escaped.collect::<Vec<_>>().join("/")).meaning(resource);
    if let Ok(escaped) = escaped {
        assert_eq!(escaped, meant, "{path}");
    }
});

/// Decodes escapes.
fn percent(segment: &str) -> Vec<u8> {
    let bytes = segment.as_bytes();
    let (mut decoded, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| bytes[at] == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}
