//! From what a person wrote to routes that can be matched: groups are unfolded, names looked up, and everything is checked.

use std::{collections::BTreeMap, sync::Arc};

use bailiwick_core::{EffectClass, Effects, Name, Operation};

use crate::{
    BodyRule, Check, CredentialForm, Graphql, GraphqlForm, GroupForm, InspectForm, Inspection,
    JSON_BODY_LIMIT, Mints, MintsForm, Mutation, MutationForm, Part, PartCredentials, PartForm, PathPattern,
    Pattern, Place, PlaceForm, Route, RouteForm, Rule, RuleForm, Words,
    definition::{self, Fault},
    form::{BodyForm, MintsWord},
    part::PartHost,
    path::is_capture_name,
    route::{RESERVED_ARGUMENTS, Text},
};

/// What routes refer to.
pub(crate) struct Ground<'a> {
    parts: &'a [Part],
    inspections: BTreeMap<String, Arc<Inspection>>,
    graphql: Arc<Graphql>,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(
        resource: &Name,
        parts: &'a [Part],
        inspect: BTreeMap<String, InspectForm>,
        graphql: Option<GraphqlForm>,
        tenant: &BTreeMap<String, Words>,
    ) -> Result<Self, Fault> {
        let inspections = inspect
            .into_iter()
            .map(|(name, form)| Ok((name.clone(), Arc::new(inspection(name, form)?))))
            .collect::<Result<_, Fault>>()?;
        let graphql = Arc::new(self::graphql(resource, graphql.unwrap_or_default(), tenant)?);
        Ok(Self { parts, inspections, graphql })
    }

    fn inspection(&self, name: &str) -> Result<Arc<Inspection>, String> {
        self.inspections
            .get(name)
            .cloned()
            .ok_or_else(|| format!("there is no table [inspect.{}]", name.escape_debug()))
    }
}

/// The parts.
pub(crate) fn parts(forms: BTreeMap<String, PartForm>) -> Result<Vec<Part>, Fault> {
    forms.into_iter().map(|(name, form)| part(name, form)).collect()
}

fn part(name: String, form: PartForm) -> Result<Part, Fault> {
    let key = |key: &str| format!("at.{name}.{key}");
    let hosts = form.host.as_ref().map_or(&[] as &[_], Words::as_slice);
    if hosts.is_empty() {
        return Err(Fault::new(key("host"), "a part has hosts").fix("write `host = \"api.example.com\"`"));
    }
    let hosts = hosts.iter().map(|host| PartHost::parse(host)).collect::<Result<_, _>>();
    let hosts = hosts.map_err(|detail| Fault::new(key("host"), detail))?;
    let prefix = form.prefix.as_ref().map_or("", PathPattern::as_str).trim_end_matches('/').to_owned();
    if form.prefix.is_some_and(|prefix| prefix.names().next().is_some()) {
        return Err(Fault::new(key("prefix"), "a prefix is the same in every request, and captures nothing"));
    }
    let credentials = form.credentials.unwrap_or(PartCredentials::Gateway);
    let place = |form| pattern(form).map_err(|fault| Fault { key: key(&fault.key), ..fault });
    let pattern = form.credential.map(place).transpose()?;
    if pattern.is_some() && credentials != PartCredentials::Gateway {
        return Err(Fault::new(key("credentials"), "no credential of ours goes there, so it has no place"));
    }
    Ok(Part { hosts, prefix, credentials, pattern, name })
}

fn pattern(form: PlaceForm) -> Result<Pattern, Fault> {
    let PlaceForm { pattern, username, name, prefix } = form;
    definition::pattern(CredentialForm {
        pattern,
        secret: None,
        username,
        name,
        prefix,
        placeholder: None,
        oauth: None,
    })
}

/// Every route, in the order in which they are asked.
pub(crate) fn routes(
    alone: Vec<RouteForm>,
    groups: Vec<GroupForm>,
    ground: &Ground<'_>,
) -> Result<Vec<Route>, Fault> {
    let mut routes = Vec::new();
    for (index, form) in alone.into_iter().enumerate() {
        routes.push(route(&format!("route[{index}]"), form, ground)?);
    }
    for (index, mut group) in groups.into_iter().enumerate() {
        for (at, form) in std::mem::take(&mut group.routes).into_iter().enumerate() {
            let place = format!("group[{index}].route[{at}]");
            let form = unfold(&place, form, &group)?;
            routes.push(route(&place, form, ground)?);
        }
    }
    Ok(routes)
}

/// A group's route as it would stand alone.
fn unfold(place: &str, form: RouteForm, group: &GroupForm) -> Result<RouteForm, Fault> {
    let path = match (&group.path, form.path) {
        (Some(base), Some(more)) => {
            let joined = base.join(&more);
            Some(joined.map_err(|error| Fault::new(format!("{place}.path"), error.to_string()))?)
        }
        (base, own) => own.or_else(|| base.clone()),
    };
    let mut arguments = group.arguments.clone();
    arguments.extend(form.arguments);
    Ok(RouteForm {
        at: form.at.or_else(|| group.at.clone()),
        path,
        target: form.target.or_else(|| group.target.clone()),
        arguments,
        vary: if form.vary.is_empty() { group.vary.clone() } else { form.vary },
        shared: form.shared || group.shared,
        ..form
    })
}

/// The whole path of a route, the prefix of its part in front.
fn path(
    place: &str,
    own: Option<PathPattern>,
    at: Option<&str>,
    ground: &Ground<'_>,
) -> Result<PathPattern, Fault> {
    let own = own.ok_or_else(|| Fault::new(format!("{place}.path"), "a route has a path"))?;
    let Some(at) = at else { return Ok(own) };
    let Some(part) = ground.parts.iter().find(|part| part.name == at) else {
        let detail = format!("there is no part `{}`", at.escape_debug());
        return Err(Fault::new(format!("{place}.at"), detail).fix(format!("declare it: [at.{at}]")));
    };
    format!("{}{}", part.prefix, own.as_str())
        .parse()
        .map_err(|error| Fault::new(format!("{place}.path"), format!("{error}")))
}

/// Which values of which captures name the tenant.
pub(crate) fn tenant(
    forms: BTreeMap<String, Words>,
    routes: &[Route],
) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    let mut tenant = BTreeMap::new();
    for (capture, values) in forms {
        let key = format!("tenant.{capture}");
        if values.as_slice().is_empty() {
            return Err(Fault::new(key, "no value at all would be allowed"));
        }
        if !routes.iter().any(|route| route.path.names().any(|name| name == capture)) {
            return Err(Fault::new(key, "no route captures it, so every request would be refused"));
        }
        tenant.insert(capture, values.as_slice().to_vec());
    }
    Ok(tenant)
}

fn route(place: &str, form: RouteForm, ground: &Ground<'_>) -> Result<Route, Fault> {
    let key = |key: &str| format!("{place}.{key}");
    let path = path(place, form.path, form.at.as_deref(), ground)?;
    let methods = methods(&form.method).map_err(|detail| Fault::new(key("method"), detail))?;
    let operation =
        form.operation.parse().map_err(|error| Fault::new(key("operation"), format!("{error}")))?;
    if form.effects.is_empty() {
        return Err(Fault::new(key("effects"), "what does it do? nothing is not an effect")
            .fix("write `[\"read\"]` or `[\"write\"]`"));
    }
    let text = |field: &str, text: String| {
        let text = Text(text);
        match text.names() {
            Err(problem) => Err(Fault::new(key(field), problem)),
            Ok(names) => match names.iter().find(|name| !path.names().any(|known| known == **name)) {
                Some(name) => Err(Fault::new(key(field), format!("the path has no capture `{name}`"))),
                None => Ok(text),
            },
        }
    };
    let mut arguments = BTreeMap::new();
    for (name, value) in form.arguments {
        if RESERVED_ARGUMENTS.contains(&name.as_str()) || !is_capture_name(&name) {
            return Err(Fault::new(key("arguments"), format!("`{}` cannot be set here", name.escape_debug()))
                .fix("use lower-case letters, digits and `_`; `method`, `host`, `path` and `query` are always there"));
        }
        arguments.insert(name, text("arguments", value)?);
    }
    let target = form.target.map(|target| text("target", target)).transpose()?;
    if target.is_none() && !form.vary.is_empty() {
        return Err(Fault::new(key("vary"), "what varies on one target needs a `target` that says which"));
    }
    let mints = mints(form.mints, &form.effects).map_err(|detail| {
        Fault::new(key("mints"), detail)
            .fix("write `mints = \"nothing\"`, `\"refuse\"`, or `{ cookies = true, fields = [\"/token\"] }`")
    })?;
    if matches!(mints, Mints::Captured(_)) && form.stream.is_some() {
        return Err(Fault::new(
            key("stream"),
            "what an answer mints is captured before it goes on, and a stream cannot wait",
        )
        .fix("take `stream` away, or write `mints = \"refuse\"`"));
    }
    let effects = effects(form.effects, &mints, form.stream);
    let reads = methods.iter().all(|method| matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS"));
    let inspect = form.inspect.as_deref().map(|name| ground.inspection(name)).transpose();
    let inspect = inspect.map_err(|detail| Fault::new(key("inspect"), detail))?;
    let graphql = match form.body {
        Some(BodyForm::Graphql) if !effects.is_read() => {
            let fix = "write `[\"read\"]`; what mutations do says `[[graphql.mutation]]`";
            return Err(Fault::new(key("effects"), "these are the effects of a GraphQL query").fix(fix));
        }
        Some(BodyForm::Graphql) => Some(Arc::clone(&ground.graphql)),
        _ => None,
    };
    let body = body_rule(form.body, inspect.as_deref(), reads)
        .map_err(|detail| Fault::new(key("inspect"), detail))?;
    Ok(Route {
        methods,
        at: form.at,
        path,
        query: form.query,
        extra_query: form.extra_query.map(|words| words.as_slice().to_vec()),
        content_type: form.content_type.map(|text| text.to_ascii_lowercase()),
        operation,
        effects,
        target,
        arguments,
        body,
        stream: form.stream,
        mints,
        git: form.git,
        inspect,
        graphql,
        vary: form.vary,
        why: form.why,
        shared: form.shared,
    })
}

fn body_rule(form: Option<BodyForm>, inspect: Option<&Inspection>, reads: bool) -> Result<BodyRule, String> {
    let form = match (form, inspect) {
        (None | Some(BodyForm::Json), Some(inspection)) => return Ok(BodyRule::Json { max: inspection.max }),
        (Some(_), Some(_)) => return Err("only JSON can be inspected; leave `body` away".into()),
        (Some(form), None) => form,
        (None, None) if reads => BodyForm::Empty,
        (None, None) => BodyForm::Stream,
    };
    Ok(match form {
        BodyForm::Empty => BodyRule::Empty,
        BodyForm::Json | BodyForm::Graphql => BodyRule::Json { max: JSON_BODY_LIMIT },
        BodyForm::Stream => BodyRule::Stream,
    })
}

fn methods(words: &Words) -> Result<Vec<String>, String> {
    let methods = words.as_slice();
    if methods.is_empty() {
        return Err("a route needs a method".into());
    }
    for method in methods {
        if method == "CONNECT" || method == "TRACE" {
            return Err(format!("`{method}` is never forwarded"));
        }
        if method.is_empty()
            || method.len() > 32
            || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
        {
            return Err(format!(
                "`{}` is not a method: they are upper-case, like `GET`",
                method.escape_debug()
            ));
        }
    }
    Ok(methods.to_vec())
}

/// What is declared, and what follows from what is handed out and from what it becomes.
fn effects(declared: Vec<EffectClass>, mints: &Mints, stream: Option<crate::Stream>) -> Effects {
    let declared: Effects = declared.into_iter().collect();
    let lasting = match mints {
        Mints::Nothing => false,
        Mints::Captured(minting) => !minting.ephemeral,
        Mints::Refused => true,
    };
    let implied =
        [(EffectClass::Identity, lasting), (EffectClass::Send, stream == Some(crate::Stream::Opaque))];
    implied
        .iter()
        .filter(|(_, there)| *there)
        .fold(declared, |effects, (class, _)| effects.union((*class).into()))
}

fn mints(form: Option<MintsForm>, effects: &[EffectClass]) -> Result<Mints, String> {
    match form {
        None if effects.contains(&EffectClass::Identity) => {
            Err("a route with the effect `identity` says what it hands out".into())
        }
        None | Some(MintsForm::Word(MintsWord::Nothing)) => Ok(Mints::Nothing),
        Some(MintsForm::Word(MintsWord::Refuse)) => Ok(Mints::Refused),
        Some(MintsForm::Captured(minting)) => {
            if !minting.is_captured() {
                return Err("it captures nothing".into());
            }
            if minting.login
                && (minting.cookies || !minting.fields.iter().any(|field| field == "/access_token"))
            {
                return Err("a login hands out `/access_token`, and no cookie".into());
            }
            if minting.ephemeral && (minting.login || minting.cookies) {
                return Err("what is ephemeral is no login and no cookie".into());
            }
            if let Some(field) = minting.pointers().find(|field| !is_pointer(field)) {
                return Err(format!(
                    "`{}` is not a JSON pointer: it starts with `/`, and `~` is written `~0`",
                    field.escape_debug()
                ));
            }
            Ok(Mints::Captured(minting))
        }
    }
}

/// Whether `text` points to something in a document (RFC 6901 §3), and not to the whole of it.
fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

fn inspection(name: String, form: InspectForm) -> Result<Inspection, Fault> {
    let table = format!("inspect.{name}");
    let key = |key: &str| format!("{table}.{key}");
    let mut rules = Vec::new();
    for form in form.rules {
        self::rules(form, &mut rules).map_err(|detail| Fault::new(key("rule"), detail))?;
    }
    for (argument, place) in form.arguments {
        if RESERVED_ARGUMENTS.contains(&argument.as_str()) || !is_capture_name(&argument) {
            let detail = format!("`{}` cannot be set here", argument.escape_debug());
            return Err(Fault::new(key("arguments"), detail));
        }
        let place = Place::parse(&place).map_err(|detail| Fault::new(key("arguments"), detail))?;
        rules.push(Rule { place, check: Check::Argument(argument), why: None });
    }
    let mut inspection = Inspection { name, max: form.max.unwrap_or(JSON_BODY_LIMIT), rules };
    for text in &form.allow {
        inspection.allow(text).map_err(|detail| Fault::new(key("allow"), detail))?;
    }
    Ok(inspection)
}

fn rules(form: RuleForm, rules: &mut Vec<Rule>) -> Result<(), String> {
    let check = match (form.keys, form.values, form.effects) {
        (Some(keys), None, None) if !form.absent => Check::Keys(keys),
        (None, Some(values), None) if !form.absent => Check::Values(values),
        (None, values, Some(effects)) if !effects.is_empty() && (values.is_none() || !form.absent) => {
            Check::Effects { effects: effects.into_iter().collect(), values, absent: form.absent }
        }
        _ => {
            return Err(
                "a rule has `keys`, or `values`, or `effects` with `values`, `absent` or neither".into()
            );
        }
    };
    for place in form.at.as_slice() {
        rules.push(Rule { place: Place::parse(place)?, check: check.clone(), why: form.why.clone() });
    }
    Ok(())
}

fn graphql(resource: &Name, form: GraphqlForm, tenant: &BTreeMap<String, Words>) -> Result<Graphql, Fault> {
    let mutations = form.mutations.into_iter().enumerate().map(|(index, form)| mutation(index, form));
    let other: Operation = "graphql.mutation"
        .parse()
        .map_err(|error| Fault::new("graphql", format!("`{resource}`: {error}")))?;
    let allowed = tenant.iter().map(|(capture, values)| (capture.clone(), values.as_slice().to_vec()));
    Ok(Graphql {
        mutations: mutations.collect::<Result<_, _>>()?,
        other,
        other_effects: form.other.into_iter().collect(),
        caseless: form.caseless,
        shared: form.shared,
        tenant: form.tenant,
        allowed: allowed.collect(),
    })
}

fn mutation(index: usize, form: MutationForm) -> Result<Mutation, Fault> {
    let key = |key: &str| format!("graphql.mutation[{index}].{key}");
    let operation =
        form.operation.parse().map_err(|error| Fault::new(key("operation"), format!("{error}")))?;
    if form.effects.is_empty() || form.effects == [EffectClass::Read] {
        return Err(Fault::new(key("effects"), "a mutation changes something").fix("write `[\"write\"]`"));
    }
    let mints = mints(form.mints.map(MintsForm::Word), &form.effects)
        .map_err(|detail| Fault::new(key("mints"), detail).fix("write `\"nothing\"` or `\"refuse\"`"))?;
    let names = form.name.as_slice().to_vec();
    Ok(Mutation { names, operation, effects: form.effects.into_iter().collect(), mints })
}
