//! A definition: the file a person edits, `resources/NAME.toml`. Merged with its template and checked, it becomes a [`Resource`].
//!
//! Unknown keys are errors, and every error names the file, the line, the key and what to write instead.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    path::PathBuf,
};

use bailiwick_core::{Confidentiality, Integrity, Name};
use serde::{Deserialize, Serialize};

use crate::{
    Address, Attributes, CredentialForm, CredentialSpec, GraphqlForm, GroupForm, InspectForm, Mints,
    PartForm, Pattern, PatternForm, Protocol, Resource, RouteForm, Scheme, TEMPLATES, Template, Unmatched,
    Words,
    compile::{self, Ground},
};

/// A resource as a person writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The template to build on: `git`, `github`, `npm`, … Absent: `http` without a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// One address or several: `https://host:port`; with `protocol = "tcp"` also `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Words>,
    /// What is spoken there. Absent: `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// An absolute path to a PEM file whose certificates are trusted for this upstream, beside the host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Where its names are dialled, as `IP:PORT`, instead of what they resolve to. Certificates are verified for the name all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dial: Option<SocketAddr>,
    /// Whether its names may resolve to loopback or private addresses. Implied by an address that says so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// Whether streams without a grammar may be opened on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<bool>,
    /// `"agent"`: credentials that the agent brings pass as they are. `"none"`: there are none. Absent: what the agent brings is removed
    /// or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialOwner>,
    /// What happens to requests that no route describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmatched: Option<Unmatched>,
    /// What it is, for the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<AttributesForm>,
    /// How it is opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialForm>,
    /// The only values allowed for some captures: `owner = ["acme"]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tenant: BTreeMap<String, Words>,
    /// Its parts, where it is several things at several addresses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub at: BTreeMap<String, PartForm>,
    /// What GraphQL requests mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphql: Option<GraphqlForm>,
    /// What JSON bodies may say, by a name that routes use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inspect: BTreeMap<String, InspectForm>,
    /// What requests mean; first match first, before the template's.
    #[serde(default, rename = "route", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteForm>,
    /// The same, where several share where they are and how they are told; after the routes that stand alone.
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupForm>,
}

/// Who brings credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialOwner {
    /// The agent may bring its own.
    Agent,
    /// Only the gateway does.
    Gateway,
    /// Nobody does: a credential of the template is left out.
    None,
}

/// `[attributes]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributesForm {
    /// How confidential what is in it may be. Absent: `internal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Confidentiality>,
    /// How far what it says can be trusted. Absent: `untrusted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity: Option<Integrity>,
    /// Whose data is in it, where that is kept apart: `["payroll"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compartments: Option<BTreeSet<String>>,
    /// Which environment it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether what is changed in it can be changed back. Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversible: Option<bool>,
}

/// A definition cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DefinitionError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// The key, where one is at fault: `route[0].path`.
    pub key: Option<String>,
    /// What is wrong.
    pub detail: String,
    /// What to write instead.
    pub fix: Option<String>,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": `{key}`")?;
        }
        write!(f, ": {}", self.detail)?;
        self.fix.as_ref().map_or(Ok(()), |fix| write!(f, "; {fix}"))
    }
}

/// What is wrong with one key, before file and line are known.
pub(crate) struct Fault {
    pub(crate) key: String,
    pub(crate) detail: String,
    pub(crate) fix: Option<String>,
}

impl Fault {
    pub(crate) fn new(key: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { key: key.into(), detail: detail.into(), fix: None }
    }

    pub(crate) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

/// The JSON Schema (2020-12) of a definition, for editors.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Definition)
}

impl Definition {
    /// Parses `text`, the content of `file`.
    ///
    /// # Errors
    /// If it is not TOML, has an unknown key, or a value has the wrong form.
    pub fn parse(file: &str, text: &str) -> Result<Self, DefinitionError> {
        toml::from_str(text).map_err(|error| DefinitionError {
            file: file.to_owned(),
            line: error.span().map(|span| line_at(text, span.start)),
            key: None,
            detail: error.message().replace('\n', " "),
            fix: None,
        })
    }

    /// Parses, merges and checks `text`, the content of `file`, which defines the resource called `name`.
    ///
    /// # Errors
    /// If it cannot be used; the error says where and what to write instead.
    pub fn load(name: Name, file: &str, text: &str) -> Result<Resource, DefinitionError> {
        let definition = Self::parse(file, text)?;
        definition.resolve(name).map_err(|fault| DefinitionError {
            file: file.to_owned(),
            line: line_of(text, &fault.key),
            key: Some(fault.key),
            detail: fault.detail,
            fix: fault.fix,
        })
    }

    /// Merges and checks a definition that is not from a file; `name` stands for the file in errors.
    ///
    /// # Errors
    /// As [`Definition::load`].
    pub fn into_resource(self, name: Name) -> Result<Resource, DefinitionError> {
        let file = format!("resources/{name}.toml");
        self.resolve(name).map_err(|fault| DefinitionError {
            file,
            line: None,
            key: Some(fault.key),
            detail: fault.detail,
            fix: fault.fix,
        })
    }

    fn resolve(self, name: Name) -> Result<Resource, Fault> {
        let template = self.template.as_deref().map(template).transpose()?;
        // `git` refuses what it does not know; so does a registry. Own routes come first, the template's after them.
        let merged = match template {
            Some(template) => self.over(template),
            None => self,
        };
        let protocol = merged.protocol.unwrap_or_default();
        let addresses = addresses(merged.address.as_ref(), protocol)?;
        let credential = merged.credential.map(|form| credential(form, &name)).transpose()?;
        if credential.is_some() && protocol == Protocol::Tcp {
            return Err(Fault::new(
                "credential",
                "nothing can be injected into bytes that are not looked into",
            )
            .fix("remove it, or use the protocol `http`"));
        }
        if protocol == Protocol::Tcp && !(merged.routes.is_empty() && merged.groups.is_empty()) {
            return Err(Fault::new("route", "a `tcp` resource is decided per connection and has no routes"));
        }
        let agent_credentials = merged.credentials == Some(CredentialOwner::Agent);
        let nobody = merged.credentials == Some(CredentialOwner::None);
        if (agent_credentials || nobody) && credential.is_some() {
            return Err(Fault::new(
                "credentials",
                "an injected credential, and nobody's or the agent's own, exclude each other",
            )
            .fix("keep either `credentials` or `[credential]`"));
        }
        let ca = merged.ca;
        if ca.as_ref().is_some_and(|path| !path.is_absolute()) {
            return Err(Fault::new("ca", "the path must be absolute"));
        }
        let parts = compile::parts(merged.at)?;
        let ground = Ground::new(&name, &parts, merged.inspect, merged.graphql, &merged.tenant)?;
        let routes = compile::routes(merged.routes, merged.groups, &ground)?;
        if credential.as_ref().is_none_or(|credential| credential.oauth.is_none())
            && routes.iter().any(|route| matches!(&route.mints, Mints::Captured(minting) if minting.login))
        {
            return Err(Fault::new(
                "route",
                "a login hands out tokens, and this resource has none to keep them as",
            )
            .fix("say in [credential.oauth] how they are refreshed"));
        }
        let tenant = compile::tenant(merged.tenant, &routes)?;
        Ok(Resource {
            name,
            private: merged.private.unwrap_or(false)
                || addresses.iter().all(|address| address.host.is_private()),
            addresses,
            protocol,
            attributes: attributes(merged.attributes),
            parts,
            credential,
            agent_credentials,
            routes,
            unmatched: merged.unmatched.unwrap_or_default(),
            tenant,
            ca,
            dial: merged.dial,
            opaque: merged.opaque.unwrap_or(false) || protocol == Protocol::Tcp,
        })
    }

    /// This, with what it does not say taken from `base`.
    fn over(self, base: Self) -> Self {
        let attributes = match (self.attributes, base.attributes) {
            (Some(own), Some(base)) => Some(AttributesForm {
                sensitivity: own.sensitivity.or(base.sensitivity),
                integrity: own.integrity.or(base.integrity),
                compartments: own.compartments.or(base.compartments),
                environment: own.environment.or(base.environment),
                owner: own.owner.or(base.owner),
                reversible: own.reversible.or(base.reversible),
            }),
            (own, base) => own.or(base),
        };
        let credential = match self.credentials {
            Some(CredentialOwner::Agent | CredentialOwner::None) => self.credential,
            Some(CredentialOwner::Gateway) | None => self.credential.or(base.credential),
        };
        let mut tenant = base.tenant;
        tenant.extend(self.tenant);
        let mut routes = self.routes;
        let mut groups = self.groups;
        // The person's groups go before the template's routes, as their routes do.
        if !groups.is_empty() && !base.routes.is_empty() {
            let routes = base.routes;
            let (at, path, target) = (None, None, None);
            let (arguments, vary) = (BTreeMap::new(), Vec::new());
            groups.push(GroupForm { at, path, target, arguments, vary, shared: false, routes });
        } else {
            routes.extend(base.routes);
        }
        groups.extend(base.groups);
        let mut at = base.at;
        for (name, own) in self.at {
            let base = at.remove(&name).unwrap_or_default();
            at.insert(name, own.over(base));
        }
        let mut inspect = base.inspect;
        for (name, own) in self.inspect {
            let base = inspect.remove(&name).unwrap_or_default();
            inspect.insert(name, own.over(base));
        }
        let graphql = match (self.graphql, base.graphql) {
            (Some(own), Some(base)) => Some(own.over(base)),
            (own, base) => own.or(base),
        };
        Self {
            template: self.template,
            address: self.address.or(base.address),
            protocol: self.protocol.or(base.protocol),
            ca: self.ca.or(base.ca),
            dial: self.dial.or(base.dial),
            private: self.private.or(base.private),
            opaque: self.opaque.or(base.opaque),
            credentials: self.credentials.or(base.credentials),
            unmatched: self.unmatched.or(base.unmatched),
            attributes,
            credential,
            tenant,
            at,
            graphql,
            inspect,
            routes,
            groups,
        }
    }
}

impl PartForm {
    fn over(self, base: Self) -> Self {
        Self {
            host: self.host.or(base.host),
            prefix: self.prefix.or(base.prefix),
            credentials: self.credentials.or(base.credentials),
            credential: self.credential.or(base.credential),
        }
    }
}

impl InspectForm {
    /// All rules count; more can only be allowed by saying so.
    fn over(self, base: Self) -> Self {
        let (mut rules, mut allow, mut arguments) = (base.rules, base.allow, base.arguments);
        rules.extend(self.rules);
        allow.extend(self.allow);
        arguments.extend(self.arguments);
        Self { max: self.max.or(base.max), allow, arguments, rules }
    }
}

impl GraphqlForm {
    fn over(self, base: Self) -> Self {
        let (mut shared, mut tenant, mut mutations) = (base.shared, base.tenant, self.mutations);
        shared.extend(self.shared);
        tenant.extend(self.tenant);
        mutations.extend(base.mutations);
        let other = if self.other.is_empty() { base.other } else { self.other };
        Self { caseless: self.caseless || base.caseless, shared, tenant, mutations, other }
    }
}

fn template(name: &str) -> Result<Definition, Fault> {
    let known = || TEMPLATES.map(|template| template.name).join(", ");
    let template = Template::by_name(name).ok_or_else(|| {
        Fault::new("template", format!("there is no template `{}`", name.escape_debug()))
            .fix(format!("use one of {}", known()))
    })?;
    Definition::parse(&format!("template {name}"), template.text)
        .map_err(|error| Fault::new("template", error.to_string()))
}

fn addresses(words: Option<&Words>, protocol: Protocol) -> Result<Vec<Address>, Fault> {
    let words = words.map_or(&[] as &[_], Words::as_slice);
    if words.is_empty() {
        return Err(Fault::new("address", "a resource needs an address")
            .fix("write `address = \"https://host:port\"`"));
    }
    let mut addresses = Vec::new();
    for text in words {
        let address =
            Address::parse(text, protocol).map_err(|error| Fault::new("address", error.to_string()))?;
        if address.scheme.protocol() != protocol {
            let fix = match address.scheme {
                Scheme::Tcp => "write `protocol = \"tcp\"`",
                Scheme::Http | Scheme::Https => "write `tcp://` or leave the scheme away",
            };
            return Err(
                Fault::new("address", format!("`{address}` does not fit the resource's protocol")).fix(fix)
            );
        }
        if addresses.contains(&address) {
            return Err(Fault::new("address", format!("`{address}` is there twice")));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn attributes(form: Option<AttributesForm>) -> Attributes {
    let (form, default) = (form.unwrap_or_default(), Attributes::default());
    Attributes {
        sensitivity: form.sensitivity.unwrap_or(default.sensitivity),
        integrity: form.integrity.unwrap_or(default.integrity),
        compartments: form.compartments.unwrap_or_default(),
        environment: form.environment,
        owner: form.owner,
        reversible: form.reversible.unwrap_or(default.reversible),
    }
}

fn credential(mut form: CredentialForm, resource: &Name) -> Result<CredentialSpec, Fault> {
    let secret = form.secret.take().unwrap_or_else(|| resource.clone());
    let oauth = form.oauth.take();
    if let Some(error) = oauth.as_ref().and_then(|oauth| oauth.endpoint().err()) {
        return Err(Fault::new("credential.oauth.token_url", error.to_string()));
    }
    Ok(CredentialSpec { pattern: pattern(form)?, secret, oauth })
}

/// Where a credential goes.
pub(crate) fn pattern(form: CredentialForm) -> Result<Pattern, Fault> {
    let CredentialForm { pattern, secret: _, username, name, prefix, placeholder, oauth: _ } = form;
    let given = [
        ("username", username.is_some(), pattern == PatternForm::Basic),
        ("name", name.is_some(), matches!(pattern, PatternForm::Header | PatternForm::Query)),
        ("prefix", prefix.is_some(), pattern == PatternForm::Header),
        ("placeholder", placeholder.is_some(), pattern == PatternForm::Path),
    ];
    if let Some((key, ..)) = given.iter().find(|(_, given, fits)| *given && !fits) {
        return Err(Fault::new(format!("credential.{key}"), "this pattern does not use it"));
    }
    let needed = |key: &str, value: Option<String>| {
        value.ok_or_else(|| Fault::new(format!("credential.{key}"), "this pattern needs it"))
    };
    Ok(match pattern {
        PatternForm::Basic => Pattern::Basic { username: basic_user(needed("username", username)?)? },
        PatternForm::Bearer => Pattern::Bearer,
        PatternForm::Header => Pattern::Header {
            name: header_name(&needed("name", name)?)?,
            prefix: header_prefix(prefix.unwrap_or_default())?,
        },
        PatternForm::Path => {
            Pattern::Path { placeholder: path_placeholder(needed("placeholder", placeholder)?)? }
        }
        PatternForm::Query => Pattern::Query { name: needed("name", name)? },
    })
}

/// RFC 7617: no colon, no control characters.
fn basic_user(username: String) -> Result<String, Fault> {
    if username.chars().any(|c| c == ':' || c.is_control()) {
        return Err(Fault::new(
            "credential.username",
            "a basic user name has no colon and no control characters",
        ));
    }
    Ok(username)
}

/// A field name that carries a credential and nothing that frames or routes the message.
fn header_name(name: &str) -> Result<String, Fault> {
    const FRAMING: [&str; 10] = [
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let name = name.to_ascii_lowercase();
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(Fault::new("credential.name", "it is not a header field's name"));
    }
    if FRAMING.contains(&name.as_str()) {
        return Err(Fault::new("credential.name", format!("`{name}` frames or routes the message")));
    }
    Ok(name)
}

fn header_prefix(prefix: String) -> Result<String, Fault> {
    if !prefix.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Err(Fault::new("credential.prefix", "only printable ASCII may stand in a header field"));
    }
    Ok(prefix)
}

/// Unreserved characters only, so that it is spelled alike encoded and decoded; `_`, so that no ordinary word is replaced.
fn path_placeholder(placeholder: String) -> Result<String, Fault> {
    let unreserved = placeholder.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    if placeholder.len() < 4 || !unreserved || !placeholder.contains('_') {
        return Err(Fault::new(
            "credential.placeholder",
            "it has at least four of `A-Z a-z 0-9 - . _ ~`, one of them `_`",
        )
        .fix("write one like `__token__`"));
    }
    Ok(placeholder)
}

/// The line, from 1, of the byte at `offset`.
fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The line where `key` (`credential.name`, `route[1].path`) is written, as far as a look at the lines tells.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let (table, leaf) = key.rsplit_once('.').map_or((None, key), |(table, leaf)| (Some(table), leaf));
    let (header, nth) = match table.and_then(|table| table.strip_suffix(']')?.split_once('[')) {
        Some((table, index)) => (Some(format!("[[{table}]]")), index.parse().unwrap_or(0)),
        None => (table.map(|table| format!("[{table}]")), 0),
    };
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut found = None;
    if let Some(header) = header {
        found = Some(lines.by_ref().filter(|(_, line)| line.starts_with(&header)).nth(nth)?.0);
    }
    let leaf = leaf.split('[').next().unwrap_or(leaf);
    let is_leaf = |line: &str| {
        line.trim_start_matches('[')
            .strip_prefix(leaf)
            .is_some_and(|rest| rest.trim_start().starts_with(['=', ']', '.']))
    };
    lines
        .take_while(|(_, line)| found.is_none() || !line.starts_with('['))
        .find(|(_, line)| is_leaf(line))
        .map(|(number, _)| number)
        .or(found)
}
