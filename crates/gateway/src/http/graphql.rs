//! GraphQL over HTTP: what a request asks for, read from its document.
//!
//! Only the operation that will run counts, with everything its root selects: through fragments, under aliases, behind directives. A document
//! that cannot be seen, or read in exactly one way, is refused.

mod document;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use bailiwick_catalogue::{Graphql, RouteMatch};
use bailiwick_core::{EffectClass, Effects, Operation, Reason, ReasonCode, Value};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::malformed::Malformed;
use document::{Kind, Root};

/// Names of query parameters that say a request over again, where its body says it.
const PARAMETERS: [&str; 4] = ["query", "operationName", "variables", "extensions"];
/// The most root fields of one request.
const FIELDS: usize = 64;

/// One request, as it is sent (GraphQL over HTTP, "Request Parameters"). Whatever else stands there could name a stored document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Sent {
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What a request means: its operation where that is not the route's, its effects, and what it asks for.
#[derive(Debug)]
struct Meaning {
    operation: Option<Operation>,
    effects: Effects,
    fields: BTreeSet<String>,
}

/// Reads a body that is JSON with one reading, and writes into `meaning` what it means.
pub(super) fn read_body(
    body: &[u8],
    query: &[(String, String)],
    rules: &Graphql,
    meaning: &mut RouteMatch,
) -> Result<(), Reason> {
    if let Some((name, _)) = query.iter().find(|(name, _)| is_parameter(name)) {
        let detail = format!("the address has `{}`, and the body says what is asked", name.escape_debug());
        return Err(Malformed::new(detail).reason());
    }
    let batch = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let sent: Result<Vec<Sent>, _> =
        if batch { serde_json::from_slice(body) } else { serde_json::from_slice(body).map(|one| vec![one]) };
    let sent = sent.map_err(|_| {
        Malformed::new("the body is no GraphQL request: it has `query`, and may have `operationName`, `variables` and `extensions`")
            .with_fix("send the document itself, not the name or the digest of a stored one")
            .reason()
    })?;
    describe(&sent, rules, meaning)
}

/// The same for a request whose document is in the address.
pub(super) fn read_query(
    query: &[(String, String)],
    rules: &Graphql,
    meaning: &mut RouteMatch,
) -> Result<(), Reason> {
    let one = |wanted: &str| -> Result<Option<String>, Reason> {
        let mut found = query.iter().filter(|(name, _)| name == wanted);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => Ok(Some(value.clone())),
            (Some(_), Some(_)) => Err(Malformed::new(format!("the address has `{wanted}` twice")).reason()),
        }
    };
    let object = |text: Option<String>| {
        text.map(|text| {
            super::json::read(text.as_bytes(), None, "")?;
            serde_json::from_str(&text).map_err(|_| Malformed::new("a parameter is no JSON object").reason())
        })
        .transpose()
    };
    if let Some((name, _)) = query.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
        let detail = format!("the address has `{}`, which could name another document", name.escape_debug());
        return Err(Malformed::new(detail).reason());
    }
    let sent = Sent {
        query: one("query")?,
        operation_name: one("operationName")?,
        variables: object(one("variables")?)?,
        extensions: object(one("extensions")?)?,
    };
    describe(&[sent], rules, meaning)
}

fn is_parameter(name: &str) -> bool {
    PARAMETERS.iter().any(|parameter| parameter.eq_ignore_ascii_case(name))
}

fn describe(sent: &[Sent], rules: &Graphql, meaning: &mut RouteMatch) -> Result<(), Reason> {
    let mut whole: Option<Meaning> = None;
    for one in sent {
        let part = understand(one, rules, meaning.effects)?;
        whole = Some(match whole {
            None => part,
            Some(whole) => whole.and(part)?,
        });
    }
    let whole = whole.ok_or_else(|| Malformed::new("the batch is empty").reason())?;
    let fields: Vec<&str> = whole.fields.iter().map(String::as_str).collect();
    meaning.target = fields.join(" ");
    let fields = fields.into_iter().map(Value::from).collect();
    meaning.arguments.insert("fields".to_owned(), Value::List(fields));
    meaning.effects = whole.effects;
    if let Some(operation) = whole.operation {
        meaning.operation = operation;
    }
    Ok(())
}

impl Meaning {
    /// Both. Two operations at once would be decided as one.
    fn and(mut self, other: Self) -> Result<Self, Reason> {
        if self.operation != other.operation {
            let name = |operation: &Option<Operation>| {
                operation.as_ref().map_or("a query".to_owned(), |operation| format!("`{operation}`"))
            };
            let detail =
                format!("the request is {} and {} at once", name(&self.operation), name(&other.operation));
            return Err(Malformed::new(detail).with_fix("send them one by one").reason());
        }
        self.effects = self.effects.union(other.effects);
        self.fields.extend(other.fields);
        Ok(self)
    }
}

/// What one request means; `read` are the effects of a query.
fn understand(sent: &Sent, rules: &Graphql, read: Effects) -> Result<Meaning, Reason> {
    let text = sent.query.as_deref().filter(|text| !text.trim().is_empty()).ok_or_else(|| {
        Malformed::new("the request has no document, only the name or the digest of a stored one")
            .with_fix("send the document in `query`; switch persisted queries off")
            .reason()
    })?;
    check_extensions(text, sent.extensions.as_ref())?;
    let malformed = |malformed: Malformed| malformed.reason();
    let (kind, roots) = document::read(text, sent.operation_name.as_deref()).map_err(malformed)?;
    if roots.len() > FIELDS {
        return Err(malformed(Malformed::new(format!(
            "the request asks for more than {FIELDS} root fields"
        ))));
    }
    let fields = roots.iter().map(|root| root.name.clone()).collect();
    match kind {
        Kind::Query => {
            let variables = sent.variables.as_ref();
            roots.iter().try_for_each(|root| check_tenant(root, variables, rules))?;
            Ok(Meaning { operation: None, effects: read, fields })
        }
        Kind::Mutation => mutation(&roots, rules),
        Kind::Subscription => {
            Err(malformed(Malformed::new("a subscription is a stream that nothing declares")))
        }
    }
}

/// A digest beside the document must be the document's: else the server may run another.
fn check_extensions(
    text: &str,
    extensions: Option<&serde_json::Map<String, serde_json::Value>>,
) -> Result<(), Reason> {
    let Some(persisted) = extensions.and_then(|extensions| extensions.get("persistedQuery")) else {
        return Ok(());
    };
    let own: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    if persisted.get("sha256Hash").and_then(serde_json::Value::as_str) == Some(own.as_str()) {
        return Ok(());
    }
    Err(Malformed::new("the digest beside the document is not the document's").reason())
}

/// What mutations mean: one operation, whatever their number.
fn mutation(roots: &[Root], rules: &Graphql) -> Result<Meaning, Reason> {
    let mut whole: Option<Meaning> = None;
    for root in roots.iter().filter(|root| root.name != "__typename") {
        let (operation, effects, mints) = rules.mutation(&root.name);
        if mints {
            let detail = format!(
                "the mutation `{}` (`{operation}`) would hand out a credential, and nothing captures it",
                root.name
            );
            return Err(Reason::new(ReasonCode::NotPermitted, detail)
                .with_fix("let the person make it, and give it to the gateway: bailiwick secret set NAME"));
        }
        // Mutations name things by identifiers that do not tell whose they are.
        let unnamed = !rules.allowed.is_empty();
        let effects = if unnamed { effects.union(EffectClass::Destructive.into()) } else { effects };
        let fields = BTreeSet::from([root.name.clone()]);
        let part = Meaning { operation: Some(operation.clone()), effects, fields };
        whole = Some(match whole {
            None => part,
            Some(whole) => whole.and(part)?,
        });
    }
    whole.ok_or_else(|| Malformed::new("the mutation has no field").reason())
}

/// Every root field of a query names the resource's tenant, where it has one.
fn check_tenant(
    root: &Root,
    variables: Option<&serde_json::Map<String, serde_json::Value>>,
    rules: &Graphql,
) -> Result<(), Reason> {
    if rules.allowed.is_empty() || rules.shared.contains(&root.name) {
        return Ok(());
    }
    let names = rules.tenant.get(&root.name);
    for capture in rules.allowed.keys() {
        let argument = names
            .and_then(|names| names.iter().find(|(_, named)| *named == capture))
            .and_then(|(argument, _)| root.argument(argument, variables));
        if !argument.is_some_and(|value| rules.is_allowed(capture, &value)) {
            let detail = format!("the query field `{}` does not name the resource's {capture}", root.name);
            return Err(Reason::new(ReasonCode::NotPermitted, detail).with_fix(format!(
                "ask for it below a field that does, or let the person add to [tenant] {capture}"
            )));
        }
    }
    Ok(())
}
