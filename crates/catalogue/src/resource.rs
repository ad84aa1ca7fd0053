//! A resource: one catalogue entry, checked, ready to be matched against.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use bailiwick_core::{Arguments, EffectClass, Effects, Name, Operation};
use serde::{Deserialize, Serialize};

use crate::{
    Address, Attributes, BodyRule, CredentialSpec, HttpRequestView, Minting, Mints, Part, PartCredentials,
    Protocol, Route, RouteMatch, RouteRefusal, Stream,
    path::{CaptureKind, Captures},
    route::common_arguments,
};

/// Something upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// Its name, which policies, grants and people use.
    pub name: Name,
    /// Where it is.
    pub addresses: Vec<Address>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// What it is, for the policy.
    pub attributes: Attributes,
    /// Its parts, where it is several things at several addresses.
    pub parts: Vec<Part>,
    /// How it is opened; `None`: nothing is injected.
    pub credential: Option<CredentialSpec>,
    /// Whether credentials that the agent brings pass as they are. Otherwise they are refused or removed.
    pub agent_credentials: bool,
    /// What its requests mean, first match first.
    pub routes: Vec<Route>,
    /// What happens to requests that no route describes.
    pub unmatched: Unmatched,
    /// Which values of which captures name this resource's tenant. A request must name one of each.
    pub tenant: BTreeMap<String, Vec<String>>,
    /// An extra trust anchor for the upstream's certificate: a PEM file. Only the path; reading it is the caller's.
    pub ca: Option<PathBuf>,
    /// Where its names are dialled instead of what they resolve to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dial: Option<SocketAddr>,
    /// Whether its names may resolve to loopback or private addresses.
    pub private: bool,
    /// Whether streams without a grammar may be opened on it.
    pub opaque: bool,
}

/// What happens to a request that no route describes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// The method decides: `GET`, `HEAD`, `OPTIONS` read, `DELETE` destroys, `POST`, `PUT`, `PATCH` write, others are refused.
    #[default]
    Method,
    /// It is refused.
    Refuse,
}

impl Resource {
    /// What `request` means.
    ///
    /// # Errors
    /// If it has no meaning that this resource allows.
    pub fn route(&self, request: &HttpRequestView<'_>) -> Result<RouteMatch, RouteRefusal> {
        let here = |route: &&Route| match &route.at {
            Some(at) => {
                self.parts.iter().any(|part| part.name == *at && part.has(request.host, request.port))
            }
            None => true,
        };
        let fitting = self.routes.iter().filter(here);
        let matching = { fitting }.find_map(|route| Some((route, route.captures(request)?)));
        if let Some((route, captures)) = matching {
            if !route.shared {
                self.check_tenant(&captures)?;
            }
            let minting = match &route.mints {
                Mints::Captured(minting) => minting.clone(),
                Mints::Nothing => Minting::default(),
                Mints::Refused => {
                    return Err(RouteRefusal::Mints {
                        resource: self.name.to_string(),
                        operation: route.operation.clone(),
                    });
                }
            };
            return Ok(route.meaning(request, &captures, minting));
        }
        if self.unmatched == Unmatched::Refuse || self.protocol != Protocol::Http {
            if request.websocket && self.protocol == Protocol::Http {
                return Err(RouteRefusal::Stream {
                    resource: self.name.to_string(),
                    path: request.path.to_owned(),
                });
            }
            return Err(RouteRefusal::NoRoute {
                resource: self.name.to_string(),
                method: request.method.to_owned(),
                path: request.path.to_owned(),
            });
        }
        self.check_tenant(&Captures::new())?;
        self.by_method(request)
    }

    fn by_method(&self, request: &HttpRequestView<'_>) -> Result<RouteMatch, RouteRefusal> {
        let known = METHODS.iter().find(|(method, ..)| *method == request.method);
        let Some((_, operation, effect, body)) = known else {
            return Err(RouteRefusal::UnknownMethod {
                resource: self.name.to_string(),
                method: request.method.to_owned(),
            });
        };
        let (operation, effect, body, stream) = match (request.websocket, self.opaque) {
            (false, _) => (*operation, *effect, *body, None),
            (true, true) => (WEBSOCKET, EffectClass::Send, BodyRule::Empty, Some(Stream::Websocket)),
            (true, false) => {
                return Err(RouteRefusal::Stream {
                    resource: self.name.to_string(),
                    path: request.path.to_owned(),
                });
            }
        };
        Ok(RouteMatch {
            operation: named(operation),
            effects: effect.into(),
            arguments: common_arguments(request),
            target: request.path.to_owned(),
            body,
            stream,
            minting: Minting::default(),
            git: None,
            inspect: None,
            graphql: None,
            vary: Vec::new(),
        })
    }

    fn check_tenant(&self, captures: &Captures<'_>) -> Result<(), RouteRefusal> {
        for (capture, allowed) in &self.tenant {
            let named = captures.iter().find(|(name, _, _)| name == capture).map(|(_, _, text)| text.clone());
            let is_allowed = |value: &String| match captures.iter().find(|(name, _, _)| name == capture) {
                Some((_, CaptureKind::Caseless | CaptureKind::Slug, text)) => {
                    value.eq_ignore_ascii_case(text)
                }
                Some((_, _, text)) => value == text,
                None => false,
            };
            if !allowed.iter().any(is_allowed) {
                return Err(RouteRefusal::Tenant {
                    resource: self.name.to_string(),
                    capture: capture.clone(),
                    allowed: allowed
                        .iter()
                        .map(|value| format!("`{value}`"))
                        .collect::<Vec<_>>()
                        .join(" or "),
                    named,
                });
            }
        }
        Ok(())
    }

    /// What a connection to `host` and `port` means where bytes are not looked into: `net.connect` with the effect `send`.
    /// `None` for a resource whose protocol is understood: its requests are decided one by one.
    pub fn connection(&self, host: &str, port: u16) -> Option<RouteMatch> {
        if self.protocol != Protocol::Tcp {
            return None;
        }
        let mut arguments = Arguments::new();
        arguments.insert("host".to_owned(), host.into());
        arguments.insert("port".to_owned(), i64::from(port).into());
        Some(RouteMatch {
            operation: named(CONNECT),
            effects: EffectClass::Send.into(),
            arguments,
            target: format!("{host}:{port}"),
            body: BodyRule::Stream,
            stream: Some(Stream::Opaque),
            minting: Minting::default(),
            git: None,
            inspect: None,
            graphql: None,
            vary: Vec::new(),
        })
    }

    /// How a request for `path` at `host` and `port` is opened; `None`: nothing is injected there.
    pub fn credential_at(&self, host: &str, port: u16, path: &str) -> Option<CredentialSpec> {
        let whole = self.credential.as_ref()?;
        let Some(part) = self.part_at(host, port, path) else { return Some(whole.clone()) };
        let pattern = part.pattern.as_ref().unwrap_or(&whole.pattern).clone();
        (part.credentials == PartCredentials::Gateway).then(|| CredentialSpec {
            pattern,
            secret: whole.secret.clone(),
            oauth: whole.oauth.clone(),
        })
    }

    /// Whether credentials that the agent brings to `path` at `host` and `port` pass as they are.
    pub fn agent_credentials_at(&self, host: &str, port: u16, path: &str) -> bool {
        let here = self.part_at(host, port, path).map(|part| part.credentials);
        self.agent_credentials || here == Some(PartCredentials::Agent)
    }

    /// Whether a credential that an answer of this resource handed out may go to `path` at `host` and `port`: wherever the resource's own would.
    pub fn captured_at(&self, host: &str, port: u16, path: &str) -> bool {
        let here = self.part_at(host, port, path);
        here.is_none_or(|part| part.credentials == PartCredentials::Gateway)
    }

    /// The part that says most about the path.
    fn part_at(&self, host: &str, port: u16, path: &str) -> Option<&Part> {
        let here = self.parts.iter().filter(|part| part.has(host, port) && part.covers(path));
        here.max_by_key(|part| part.prefix.len())
    }

    /// The operations that can be asked of this resource, with their effects.
    pub fn operations(&self) -> Vec<(Operation, Effects)> {
        let mut operations: Vec<_> =
            self.routes.iter().map(|route| (route.operation.clone(), route.effects)).collect();
        if let Some(graphql) = self.routes.iter().find_map(|route| route.graphql.as_ref()) {
            operations.extend(graphql.operations());
        }
        match (self.protocol, self.unmatched) {
            (Protocol::Http, Unmatched::Method) => {
                operations.extend(
                    METHODS.iter().map(|(_, operation, effect, _)| (named(operation), (*effect).into())),
                );
                if self.opaque {
                    operations.push((named(WEBSOCKET), EffectClass::Send.into()));
                }
            }
            (Protocol::Http, Unmatched::Refuse) => {}
            (Protocol::Tcp, _) => operations.push((named(CONNECT), EffectClass::Send.into())),
        }
        operations
    }
}

const CONNECT: &str = "net.connect";
const WEBSOCKET: &str = "http.websocket";

/// The methods whose effect is known without a route (RFC 9110 §9.3, RFC 5789). `TRACE` and `CONNECT` are left out on purpose.
const METHODS: [(&str, &str, EffectClass, BodyRule); 7] = [
    ("DELETE", "http.delete", EffectClass::Destructive, BodyRule::Stream),
    ("GET", "http.get", EffectClass::Read, BodyRule::Empty),
    ("HEAD", "http.head", EffectClass::Read, BodyRule::Empty),
    ("OPTIONS", "http.options", EffectClass::Read, BodyRule::Empty),
    ("PATCH", "http.patch", EffectClass::Write, BodyRule::Stream),
    ("POST", "http.post", EffectClass::Write, BodyRule::Stream),
    ("PUT", "http.put", EffectClass::Write, BodyRule::Stream),
];

#[expect(
    clippy::expect_used,
    reason = "called only with the constants of this module, each parsed by a test"
)]
fn named(operation: &str) -> Operation {
    operation.parse().expect("a constant operation name parses")
}
