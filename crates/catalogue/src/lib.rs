//! The catalogue: what is upstream, as data a person can read.
//!
//! A [`Definition`] is the file a person edits (`resources/NAME.toml`); merged with its template and checked it becomes a
//! [`Resource`]; all of them make a [`Catalogue`], which answers two questions: *whose address is this?* and *what does this request
//! mean?* The second answer is an operation with effects, not an HTTP method: a `POST` to `git-upload-pack` is a read.
//!
//! This crate must never do I/O, and never guess: an address, a path or a method that it does not understand is refused.

mod address;
mod attributes;
mod catalogue;
mod compile;
mod credential;
mod definition;
mod form;
mod graphql;
mod inspection;
mod lint;
mod part;
mod path;
mod resource;
mod route;
mod template;
mod undeclared;
mod words;

pub use address::{Address, Host, ParseAddressError, Protocol, RESERVED, Scheme};
pub use attributes::Attributes;
pub use catalogue::{Catalogue, CatalogueError};
pub use credential::{CredentialSpec, OAuth, Pattern, TokenRequest};
pub use definition::{Definition, DefinitionError, schema};
pub use form::{
    CredentialForm, GraphqlForm, GroupForm, InspectForm, MintsForm, MutationForm, PartCredentials, PartForm,
    PatternForm, PlaceForm, RouteForm, RuleForm, Words,
};
pub use graphql::{Graphql, Mutation};
pub use inspection::{Check, Inspection, Place, Rule, Step, is_listed};
pub use lint::{Level, Warning, lint, lint_together};
pub use part::{Part, PartHost};
pub use path::{CaptureKind, ParsePathError, PathPattern};
pub use resource::{Resource, Unmatched};
pub use route::{
    BodyRule, GitService, HttpRequestView, JSON_BODY_LIMIT, Minting, Mints, Route, RouteMatch, RouteRefusal,
    Stream,
};
pub use template::{DECLARED, TEMPLATES, Template};
