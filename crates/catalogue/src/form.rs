//! The parts of a definition as a person writes them. Nothing here is believed: `definition` turns it into checked types.

use std::collections::BTreeMap;

use bailiwick_core::{EffectClass, Name};
use serde::{Deserialize, Serialize};

use crate::{GitService, Minting, OAuth, PathPattern, Stream};

/// One word, or a list of words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Words {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Words {
    /// The words.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }
}

/// Where the credential goes and where it is: `[credential]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialForm {
    /// Where in the request it goes.
    pub pattern: PatternForm,
    /// The secret's name in the vault; the resource's own name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Name>,
    /// With `basic`: the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// With `header` or `query`: the field's or parameter's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// With `header`: what stands before the secret, space included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// With `path`: the segment to replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// The secret is an OAuth client's tokens, and this is how they are refreshed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuth>,
}

/// Where in a request a credential goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatternForm {
    /// `Authorization: Basic …` with `username`.
    Basic,
    /// `Authorization: Bearer …`.
    Bearer,
    /// The header field `name`, after `prefix`.
    Header,
    /// The path segment `placeholder`.
    Path,
    /// The query parameter `name`.
    Query,
}

/// `[[route]]`: what some requests mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteForm {
    /// The method or methods. `GET` includes `HEAD`.
    pub method: Words,
    /// Of which part of the resource it is: only there, and below its prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The path: `/{owner:name}/{repo:name}.git?/info/refs`. In a group it comes behind the group's, and may be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathPattern>,
    /// The operation: `git.fetch`.
    pub operation: String,
    /// The effect classes.
    pub effects: Vec<EffectClass>,
    /// Query parameters that must be there exactly once with exactly this value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// The only other query parameters allowed; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_query: Option<Words>,
    /// The content type it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What is meant, from captures: `{owner}/{repo}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Arguments from captures.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
    /// How the body is treated: `empty` (default for `GET`), `stream` (default otherwise), `json` or `graphql`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyForm>,
    /// The rules of `[inspect.NAME]` that the body must keep. Implies `body = "json"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspect: Option<String>,
    /// Why it is what it is, where that is not plain: a `POST` that reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Which stream it becomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// What it mints that is a credential itself. Must be said where `identity` is among the effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mints: Option<MintsForm>,
    /// The service of git's smart protocol that the body speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitService>,
    /// The arguments that differ from request to request on one target, `path` and `query` for most: a yes to the target is one whatever
    /// they are. Needs a `target`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vary: Vec<String>,
    /// Whether it names no tenant on purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// How a body is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodyForm {
    /// There must be none.
    Empty,
    /// JSON of at most 1 MiB, read before the decision.
    Json,
    /// GraphQL over HTTP: what is asked decides what it means, see `[graphql]`.
    Graphql,
    /// Forwarded as it comes.
    Stream,
}

/// What a route mints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum MintsForm {
    /// A credential, captured so.
    Captured(Minting),
    /// `"nothing"`, or `"refuse"`: a credential that nothing captures.
    Word(MintsWord),
}

/// What a route mints, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MintsWord {
    /// Nothing.
    Nothing,
    /// A credential that nothing captures: the request is refused.
    Refuse,
}

/// `[[group]]`: routes that share where they are and how they are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupForm {
    /// Of which part of the resource they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What their paths start with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathPattern>,
    /// What is meant, where a route does not say so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Arguments of all of them; a route may add its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
    /// The arguments that differ from request to request on one target, in all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vary: Vec<String>,
    /// Whether they name no tenant on purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// The routes.
    #[serde(rename = "route")]
    pub routes: Vec<RouteForm>,
}

/// `[at.NAME]`: a part of the resource, for services that are several things at several addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartForm {
    /// Its hosts, `host` or `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Words>,
    /// What its paths start with: `/api/v3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<PathPattern>,
    /// `"none"` or `"agent"`: the resource's credential does not go there; what the agent brings is refused, or passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<PartCredentials>,
    /// Where the credential goes there, if not where it goes elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<PlaceForm>,
}

/// `[at.NAME.credential]`: where in a request to this part the resource's credential goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceForm {
    /// Where in the request it goes.
    pub pattern: PatternForm,
    /// With `basic`: the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// With `header` or `query`: the field's or parameter's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// With `header`: what stands before the secret, space included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// What of the credential goes to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartCredentials {
    /// None; what the agent brings passes: presigned addresses, which another part handed out.
    Agent,
    /// The resource's credential.
    Gateway,
    /// None; what the agent brings is refused.
    None,
}

/// `[graphql]`: what GraphQL requests mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphqlForm {
    /// Whether the tenant's values are compared without regard to case.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caseless: bool,
    /// Fields of the query type that name no tenant and give none away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<String>,
    /// How fields of the query type name the tenant: `repository = { owner = "owner", name = "repo" }`, argument to capture.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tenant: BTreeMap<String, BTreeMap<String, String>>,
    /// What mutations mean; first match first.
    #[serde(default, rename = "mutation", skip_serializing_if = "Vec::is_empty")]
    pub mutations: Vec<MutationForm>,
    /// What all other mutations do. Absent: `write`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<EffectClass>,
}

/// `[[graphql.mutation]]`: what some mutations mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MutationForm {
    /// The names of the mutation type's fields; `*` at an end stands for any rest.
    pub name: Words,
    /// The operation.
    pub operation: String,
    /// The effect classes.
    pub effects: Vec<EffectClass>,
    /// What it mints. Must be said where `identity` is among the effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mints: Option<MintsWord>,
}

/// `[inspect.NAME]`: what a JSON body may say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InspectForm {
    /// The most bytes. Absent: 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// What is allowed beside what the rules allow: `"mcp_servers"`, `"tools[].type = web_search_20250305"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Arguments from the body, by where they are: `model = "model"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
    /// The rules.
    #[serde(default, rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleForm>,
}

/// `[[inspect.NAME.rule]]`: what may stand in one place of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleForm {
    /// Where: names joined by dots, `[]` for every item of a list: `messages[].content[].type`. One or several; empty is the whole.
    pub at: Words,
    /// The only names that the object there may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// The only values that may stand there; with `effects`, those that have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
    /// Effects of what stands there, beside the route's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<Vec<EffectClass>>,
    /// With `effects`: what is not there has them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
