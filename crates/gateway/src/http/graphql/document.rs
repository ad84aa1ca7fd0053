//! A GraphQL document (specification of October 2021 and later), as far as it must be understood: which operation runs, and what its root
//! selects.

use std::collections::{HashMap, HashSet};

use apollo_parser::{
    Parser,
    cst::{self, CstNode as _, Definition, OperationDefinition, Selection, SelectionSet},
};

use crate::http::malformed::Malformed;

/// The deepest nesting, and the most tokens; both far from what clients send.
const DEPTH: usize = 100;
const TOKENS: usize = 50_000;

/// What kind of operation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Mutation,
    Query,
    Subscription,
}

/// A field that the root selects.
#[derive(Clone, Debug)]
pub(super) struct Root {
    /// The field's own name, whatever it is called in the answer.
    pub(super) name: String,
    arguments: Vec<(String, Argument)>,
}

#[derive(Clone, Debug)]
enum Argument {
    Text(String),
    Variable(String),
    Other,
}

impl Root {
    /// The text that `name` is given, once.
    pub(super) fn argument(
        &self,
        name: &str,
        variables: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Option<String> {
        let mut given = self.arguments.iter().filter(|(own, _)| own == name);
        match (given.next(), given.next()) {
            (Some((_, Argument::Text(text))), None) => Some(text.clone()),
            (Some((_, Argument::Variable(variable))), None) => {
                variables?.get(variable)?.as_str().map(str::to_owned)
            }
            _ => None,
        }
    }
}

type Fragments = HashMap<String, SelectionSet>;

/// The kind of the operation called `wanted`, or of the only one, and the fields that its root selects.
pub(super) fn read(text: &str, wanted: Option<&str>) -> Result<(Kind, Vec<Root>), Malformed> {
    let tree = Parser::new(text).recursion_limit(DEPTH).token_limit(TOKENS).parse();
    if tree.errors().next().is_some() {
        return Err(unreadable());
    }
    let (mut operations, mut fragments) = (Vec::new(), Fragments::new());
    for definition in tree.document().definitions() {
        match definition {
            Definition::OperationDefinition(operation) => operations.push(operation),
            Definition::FragmentDefinition(fragment) => {
                let name = fragment.fragment_name().and_then(|name| name.name()).ok_or_else(unreadable)?;
                let selection = fragment.selection_set().ok_or_else(unreadable)?;
                if fragments.insert(name.text().to_string(), selection).is_some() {
                    return Err(Malformed::new("the document has a fragment twice"));
                }
            }
            _ => return Err(Malformed::new("the document defines types, and asks for nothing")),
        }
    }
    let operation = select(&operations, wanted)?;
    let mut roots = Vec::new();
    let selection = operation.selection_set().ok_or_else(unreadable)?;
    collect(&selection, &fragments, &mut HashSet::new(), &mut roots)?;
    Ok((kind(operation), roots))
}

fn unreadable() -> Malformed {
    Malformed::new("the GraphQL document cannot be read")
}

fn kind(operation: &OperationDefinition) -> Kind {
    match operation.operation_type() {
        // A selection alone is a query.
        None => Kind::Query,
        Some(kind) if kind.query_token().is_some() => Kind::Query,
        Some(kind) if kind.subscription_token().is_some() => Kind::Subscription,
        Some(_) => Kind::Mutation,
    }
}

fn select<'o>(
    operations: &'o [OperationDefinition],
    wanted: Option<&str>,
) -> Result<&'o OperationDefinition, Malformed> {
    let name = |operation: &OperationDefinition| {
        operation.name().map(|name| name.text().to_string()).unwrap_or_default()
    };
    let mut names = HashSet::new();
    if operations.len() > 1 && !operations.iter().map(name).all(|name| !name.is_empty() && names.insert(name))
    {
        return Err(Malformed::new("the document has operations that cannot be told apart"));
    }
    match (operations, wanted) {
        ([], _) => Err(Malformed::new("the document asks for nothing")),
        ([only], None) => Ok(only),
        (_, None) => Err(Malformed::new("the document has several operations, and no `operationName`")),
        // Some servers take the empty name for none, others for a name.
        (_, Some("")) => Err(Malformed::new("the `operationName` is empty").with_fix("leave it away")),
        (_, Some(wanted)) => operations
            .iter()
            .find(|operation| name(operation) == wanted)
            .ok_or_else(|| Malformed::new("the document has no operation of that `operationName`")),
    }
}

/// Directives are not looked at: what might be skipped counts.
fn collect(
    selection: &SelectionSet,
    fragments: &Fragments,
    visited: &mut HashSet<String>,
    roots: &mut Vec<Root>,
) -> Result<(), Malformed> {
    for selection in selection.selections() {
        match selection {
            Selection::Field(field) => {
                let name = field.name().ok_or_else(unreadable)?.text().to_string();
                roots.push(Root { name, arguments: arguments(&field) });
            }
            Selection::InlineFragment(fragment) => {
                let selection = fragment.selection_set().ok_or_else(unreadable)?;
                collect(&selection, fragments, visited, roots)?;
            }
            Selection::FragmentSpread(spread) => {
                let name = spread.fragment_name().and_then(|name| name.name()).ok_or_else(unreadable)?;
                let name = name.text().to_string();
                let selection = fragments
                    .get(&name)
                    .ok_or_else(|| Malformed::new("the document uses a fragment that it does not have"))?;
                if visited.insert(name) {
                    collect(selection, fragments, visited, roots)?;
                }
            }
        }
    }
    Ok(())
}

fn arguments(field: &cst::Field) -> Vec<(String, Argument)> {
    let given = field.arguments().into_iter().flat_map(|arguments| arguments.arguments());
    given
        .map(|argument| {
            let name = argument.name().map(|name| name.text().to_string()).unwrap_or_default();
            let value = match argument.value() {
                Some(cst::Value::StringValue(text)) => plain(&text.source_string()),
                Some(cst::Value::Variable(variable)) => match variable.name() {
                    Some(name) => Argument::Variable(name.text().to_string()),
                    None => Argument::Other,
                },
                Some(_) | None => Argument::Other,
            };
            (name, value)
        })
        .collect()
}

/// The text of a string that is written without escapes; any other names nothing.
fn plain(written: &str) -> Argument {
    let inner = written.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(text) if !text.contains(['\\', '"']) => Argument::Text(text.to_owned()),
        Some(_) | None => Argument::Other,
    }
}
