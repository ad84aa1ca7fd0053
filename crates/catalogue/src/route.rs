//! Routes: what a request means. The method decides only where no route matches and the resource says so.

use std::{collections::BTreeMap, sync::Arc};

use bailiwick_core::{Arguments, Effects, Operation, Reason, ReasonCode, Value};
use serde::Serialize;

use crate::{
    Graphql, Inspection,
    path::{CaptureKind, Captures, PathPattern},
};

/// The most bytes of a JSON body that a rule may look at.
pub const JSON_BODY_LIMIT: u32 = 1 << 20;

/// A request's head, canonical and decoded, as an adapter read it. What is in here is what will be forwarded.
#[derive(Clone, Copy, Debug)]
pub struct HttpRequestView<'a> {
    /// The method, as sent. Methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a str,
    /// The host asked for, canonical, without port.
    pub host: &'a str,
    /// The port asked for.
    pub port: u16,
    /// The path after its first `/`, split at each `/`, percent-decoded: `/` is `[""]`, `/a/` is `["a", ""]`.
    pub segments: &'a [&'a str],
    /// The whole path, canonical, starting with `/`, without query.
    pub path: &'a str,
    /// The query's names and values in order, decoded.
    pub query: &'a [(String, String)],
    /// Whether it asks to become a WebSocket (RFC 6455, RFC 8441).
    pub websocket: bool,
    /// The content type's essence (`type/subtype`), lower-case, where there is one.
    pub content_type: Option<&'a str>,
}

/// What a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// What it does.
    pub operation: Operation,
    /// With which effects.
    pub effects: Effects,
    /// Its parsed arguments: those of the route, and always `method`, `host`, `path`, and `query` where there is one.
    pub arguments: Arguments,
    /// What is meant, for people.
    pub target: String,
    /// How the body is treated.
    pub body: BodyRule,
    /// Which stream it becomes, where it may.
    pub stream: Option<Stream>,
    /// What of its answer is a credential. A cookie that is not captured here must not reach the agent.
    pub minting: Minting,
    /// Which service of git's it is, where the body needs git's own parser.
    pub git: Option<GitService>,
    /// What the body must keep to, where rules look at it.
    pub inspect: Option<Arc<Inspection>>,
    /// What its body means, where that is GraphQL.
    pub graphql: Option<Arc<Graphql>>,
    /// The arguments that differ from request to request on one target.
    pub vary: Vec<String>,
}

/// How a body is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyRule {
    /// There must be none.
    Empty,
    /// A JSON document of at most so many bytes, read whole before the decision; what is longer or not JSON is refused.
    Json {
        /// The limit in bytes.
        max: u32,
    },
    /// Forwarded as it comes.
    Stream,
}

/// A stream that a route declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Bytes in both directions without a grammar. Effect `send`, and each segment sent is recorded before it is forwarded.
    Opaque,
    /// Server-sent events: the answer may stay open.
    Sse,
    /// A WebSocket.
    Websocket,
}

/// A service of git's smart HTTP protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GitService {
    /// A push, and the advertisement before it: the commands (which ref, from what, to what) are parsed and what they change is compared with
    /// the branches that the forge told of, before the decision.
    ReceivePack,
    /// A fetch: where it tells of branches, that is remembered for the next push.
    UploadPack,
}

/// What an answer mints that is a credential itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Minting {
    /// Whether `Set-Cookie` values are vaulted and replaced by a dummy; otherwise they are removed.
    #[serde(default)]
    pub cookies: bool,
    /// JSON pointers (RFC 6901) to the fields of the answer that are vaulted and replaced; `*` is every item of a list. Where the answer is a
    /// success, each must be there.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Pointers to fields of which one must be there, where the answer is a success: a service may call the same thing by several names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
    /// Pointers to fields that are treated alike where they are there.
    #[serde(default)]
    pub optional: Vec<String>,
    /// Whether it is a login: a token endpoint answers (RFC 6749 §5.1), and its tokens become those of the resource, for every session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub login: bool,
    /// Whether it lasts for minutes and leaves nothing behind upstream: handing it out is then no effect `identity`, because the dummy inside
    /// opens what is decided request by request anyway.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
}

impl Minting {
    /// Whether anything of an answer is captured.
    pub fn is_captured(&self) -> bool {
        self.cookies || self.has_fields()
    }

    /// Whether fields of an answer's body are captured, so that it must be read whole.
    pub fn has_fields(&self) -> bool {
        self.pointers().next().is_some()
    }

    /// Every field that it names.
    pub fn pointers(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().chain(&self.one_of).chain(&self.optional).map(String::as_str)
    }
}

/// What a route says about minting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mints {
    /// A credential, captured so.
    Captured(Minting),
    /// Nothing.
    #[default]
    Nothing,
    /// A credential that nothing captures: the request is refused.
    Refused,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The methods it is for. `GET` includes `HEAD`.
    pub methods: Vec<String>,
    /// The part of the resource it is of; `None`: any.
    pub at: Option<String>,
    /// The path it is for, the part's prefix included.
    pub path: PathPattern,
    /// Query parameters that must be there, exactly once, with exactly this value.
    pub query: BTreeMap<String, String>,
    /// The only other query parameters allowed, each at most once; `None`: any.
    pub extra_query: Option<Vec<String>>,
    /// The content type it needs.
    pub content_type: Option<String>,
    /// What it does.
    pub operation: Operation,
    /// With which effects.
    pub effects: Effects,
    /// What is meant, from captures; the path where not given.
    pub target: Option<Text>,
    /// Arguments from captures.
    pub arguments: BTreeMap<String, Text>,
    /// How the body is treated.
    pub body: BodyRule,
    /// Which stream it becomes.
    pub stream: Option<Stream>,
    /// What it mints.
    pub mints: Mints,
    /// Which service of git's it is.
    pub git: Option<GitService>,
    /// What the body must keep to.
    #[serde(serialize_with = "pointed", skip_serializing_if = "Option::is_none")]
    pub inspect: Option<Arc<Inspection>>,
    /// What its body means.
    #[serde(serialize_with = "pointed", skip_serializing_if = "Option::is_none")]
    pub graphql: Option<Arc<Graphql>>,
    /// The arguments that differ from request to request on one target: a yes to the target is one whatever they are.
    pub vary: Vec<String>,
    /// Why it is what it is, where a person said so.
    pub why: Option<String>,
    /// Whether it names no tenant on purpose, so that the resource's tenant rule does not apply.
    pub shared: bool,
}

fn pointed<T: Serialize, S: serde::Serializer>(
    to: &Option<Arc<T>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    to.as_deref().serialize(serializer)
}

/// Text with captures put in: `{owner}/{repo}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text(pub(crate) String);

impl Text {
    /// The names of the captures in it; an error names a brace that has no partner or a name that is none.
    pub(crate) fn names(&self) -> Result<Vec<&str>, &'static str> {
        let mut names = Vec::new();
        let mut rest = self.0.as_str();
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a `{` lacks its `}`")?;
            if literal.contains('}') || !crate::path::is_capture_name(name) {
                return Err("captures are written `{name}`");
            }
            names.push(name);
            rest = after;
        }
        if rest.contains('}') { Err("a `}` lacks its `{`") } else { Ok(names) }
    }

    fn render(&self, captures: &Captures<'_>) -> Value {
        let capture = |name: &str| captures.iter().find(|(captured, _, _)| *captured == name);
        if let Some(name) = self.0.strip_prefix('{').and_then(|text| text.strip_suffix('}'))
            && let Some((_, kind, text)) = capture(name)
        {
            return match (kind, text.parse::<i64>()) {
                (CaptureKind::Int, Ok(number)) => Value::Integer(number),
                (_, Ok(_) | Err(_)) => Value::from(text.as_str()),
            };
        }
        let mut rendered = String::new();
        let mut rest = self.0.as_str();
        while let Some((literal, after)) = rest.split_once('{') {
            rendered.push_str(literal);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            rendered.push_str(capture(name).map_or("", |(_, _, text)| text));
            rest = after;
        }
        rendered.push_str(rest);
        Value::Text(rendered)
    }
}

/// A request has no meaning that its resource allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteRefusal {
    /// The method is none whose effect is known.
    #[error("`{resource}` does not know the method `{}`", .method.escape_debug())]
    UnknownMethod {
        /// The resource.
        resource: String,
        /// The method.
        method: String,
    },
    /// The resource only takes what its routes describe.
    #[error("`{method} {}` is not among the requests that `{resource}` takes", .path.escape_debug())]
    NoRoute {
        /// The resource.
        resource: String,
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// It names another tenant than the resource's, or none.
    #[error("`{resource}` is limited to {capture} {allowed}, and this request {}", match .named {
        Some(named) => format!("names `{}`", named.escape_debug()),
        None => format!("names no {capture}"),
    })]
    Tenant {
        /// The resource.
        resource: String,
        /// The capture that names the tenant.
        capture: String,
        /// The allowed values.
        allowed: String,
        /// What the request names.
        named: Option<String>,
    },
    /// It would open a stream that nothing declares.
    #[error("`{resource}` does not declare a stream at `{}`", .path.escape_debug())]
    Stream {
        /// The resource.
        resource: String,
        /// The path.
        path: String,
    },
    /// It would mint a credential that nothing captures.
    #[error(
        "`{operation}` on `{resource}` would hand out a credential, and the resource does not say how it is captured"
    )]
    Mints {
        /// The resource.
        resource: String,
        /// The operation.
        operation: Operation,
    },
}

impl RouteRefusal {
    /// The reason to refuse with, saying what would make it work.
    pub fn reason(&self) -> Reason {
        let (code, fix) = match self {
            Self::UnknownMethod { .. } => {
                (ReasonCode::Malformed, "use GET, HEAD, OPTIONS, POST, PUT, PATCH or DELETE".to_owned())
            }
            Self::NoRoute { resource, .. } => (
                ReasonCode::NotPermitted,
                format!(
                    "add a [[route]] for it in resources/{resource}.toml, or `unmatched = \"method\"` to judge by method"
                ),
            ),
            Self::Tenant { resource, capture, .. } => (
                ReasonCode::NotPermitted,
                format!("add it to [tenant] {capture} in resources/{resource}.toml"),
            ),
            Self::Stream { resource, .. } => (
                ReasonCode::StreamUndeclared,
                format!(
                    "declare it in resources/{resource}.toml: a [[route]] with `stream = \"websocket\"`, or `opaque = true`"
                ),
            ),
            Self::Mints { resource, .. } => (
                ReasonCode::NotPermitted,
                format!("say in the route's `mints` in resources/{resource}.toml what is captured"),
            ),
        };
        Reason::new(code, self.to_string()).with_fix(fix)
    }
}

impl Route {
    /// The captures, if `request` is for this route.
    pub(crate) fn captures(&self, request: &HttpRequestView<'_>) -> Option<Captures<'_>> {
        let method =
            |method: &String| method == request.method || (method == "GET" && request.method == "HEAD");
        let fits = self.methods.iter().any(method)
            && request.websocket == (self.stream == Some(Stream::Websocket))
            && self.content_type.as_deref().is_none_or(|needed| request.content_type == Some(needed))
            && self.query_fits(request.query);
        if fits { self.path.captures(request.segments) } else { None }
    }

    fn query_fits(&self, query: &[(String, String)]) -> bool {
        let count = |name: &str| query.iter().filter(|(key, _)| key == name).count();
        let required = self.query.iter().all(|(name, value)| {
            count(name) == 1 && query.iter().any(|(key, given)| key == name && given == value)
        });
        let extra = |(key, _): &(String, String)| {
            self.query.contains_key(key)
                || self.extra_query.as_ref().is_none_or(|allowed| allowed.contains(key) && count(key) == 1)
        };
        required && query.iter().all(extra)
    }

    /// What `request` means, given this route's captures of it.
    pub(crate) fn meaning(
        &self,
        request: &HttpRequestView<'_>,
        captures: &Captures<'_>,
        minting: Minting,
    ) -> RouteMatch {
        let mut arguments = common_arguments(request);
        for (name, text) in &self.arguments {
            arguments.insert(name.clone(), text.render(captures));
        }
        // A GraphQL query in the address has no body.
        let body = match (&self.graphql, request.method) {
            (Some(_), "GET" | "HEAD") => BodyRule::Empty,
            _ => self.body,
        };
        let target = match self.target.as_ref().map(|target| target.render(captures)) {
            Some(Value::Text(text)) => text,
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Boolean(_) | Value::List(_) | Value::Record(_)) | None => request.path.to_owned(),
        };
        RouteMatch {
            operation: self.operation.clone(),
            effects: self.effects,
            arguments,
            target,
            body,
            stream: self.stream,
            minting,
            git: self.git,
            inspect: self.inspect.clone(),
            graphql: self.graphql.clone(),
            vary: self.vary.clone(),
        }
    }
}

/// `method`, `host`, `path`, and `query` where there is one: with these the action's digest covers the whole request line.
pub(crate) fn common_arguments(request: &HttpRequestView<'_>) -> Arguments {
    let mut arguments = Arguments::new();
    arguments.insert("method".to_owned(), request.method.into());
    arguments.insert("host".to_owned(), request.host.into());
    arguments.insert("path".to_owned(), request.path.into());
    if !request.query.is_empty() {
        let pair = |(name, value): &(String, String)| Value::Text(format!("{name}={value}"));
        arguments.insert("query".to_owned(), Value::List(request.query.iter().map(pair).collect()));
    }
    arguments
}

/// Arguments that a route cannot set itself.
pub(crate) const RESERVED_ARGUMENTS: [&str; 4] = ["method", "host", "path", "query"];
