//! What a request would mean: found out exactly as for a real one, without a network, so that a table of cases can hold a definition to
//! what its author thinks it says.

use std::{collections::BTreeMap, sync::Arc};

use bailiwick_catalogue::{BodyRule, GitService, Resource, Scheme};
use bailiwick_core::{Arguments, Effects, Operation, Reason};
use http::{Method, Uri, header, request};
use serde::Deserialize;

use super::{
    canonical::Canonical,
    exchange::{own_authentication, supported},
    git, graphql,
    malformed::Malformed,
    prepare::{check_readable, understand},
};
use crate::sources::Meant;

/// A request, and what it should mean.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Method and address: `GET https://api.example.com/items?page=2`.
    pub request: String,
    /// Header fields beside `host`. A JSON body has the content type `application/json` where none is given.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: Option<String>,
    /// The operation that it is. Absent: it is refused.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// The effects that it has.
    #[serde(default)]
    pub effects: Option<Effects>,
    /// What is meant.
    #[serde(default)]
    pub target: Option<String>,
    /// Arguments that it has, among others.
    #[serde(default)]
    pub arguments: Arguments,
    /// What the reason says, where it is refused.
    #[serde(default)]
    pub refused: Option<String>,
    /// What the case shows.
    #[serde(default)]
    pub why: Option<String>,
}

/// What a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What it does.
    pub operation: Operation,
    /// With which effects.
    pub effects: Effects,
    /// On what.
    pub target: String,
    /// With which arguments.
    pub arguments: Arguments,
}

impl Case {
    /// Holds `resource` to what this case says.
    ///
    /// # Errors
    /// How it differs.
    pub fn check(&self, resource: &Resource) -> Result<(), String> {
        let found = self.meaning(resource);
        let (Some(operation), Ok(found)) = (&self.operation, &found) else {
            return self.check_refusal(found);
        };
        let differs = |what: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
            Err(format!("`{}`: {what} is {found:?}, not {wanted:?}", self.request))
        };
        if found.operation != *operation {
            return differs("the operation", &found.operation, operation);
        }
        match &self.effects {
            Some(effects) if found.effects != *effects => {
                return differs("the set of effects", &found.effects, effects);
            }
            Some(_) => {}
            None => return Err(format!("`{}`: the case does not say which effects it has", self.request)),
        }
        match &self.target {
            Some(target) if found.target != *target => return differs("the target", &found.target, target),
            Some(_) | None => {}
        }
        for (name, wanted) in &self.arguments {
            if found.arguments.get(name) != Some(wanted) {
                return differs(&format!("the argument `{name}`"), &found.arguments.get(name), wanted);
            }
        }
        Ok(())
    }

    fn check_refusal(&self, found: Result<Meaning, Reason>) -> Result<(), String> {
        match (found, &self.operation) {
            (Ok(found), _) => Err(format!("`{}` is not refused: it is `{}`", self.request, found.operation)),
            (Err(reason), Some(_)) => Err(format!("`{}` is refused: {}", self.request, reason.detail)),
            (Err(reason), None) => match &self.refused {
                Some(words) if !reason.detail.contains(words.as_str()) => {
                    Err(format!("`{}` is refused otherwise: {}", self.request, reason.detail))
                }
                Some(_) | None => Ok(()),
            },
        }
    }

    /// What the request means.
    ///
    /// # Errors
    /// Why it is refused before any policy is asked.
    pub fn meaning(&self, resource: &Resource) -> Result<Meaning, Reason> {
        let canonical = self.canonical().map_err(|malformed| malformed.reason())?;
        if !resource.addresses.iter().any(|address| {
            address.scheme == canonical.scheme
                && address.port == canonical.port
                && address.host.matches(&canonical.host)
        }) {
            let detail = format!("`{}` is not an address of `{}`", canonical.address(), resource.name);
            return Err(Malformed::new(detail).reason());
        }
        let canonical = own_authentication(&canonical, resource)?;
        let mut meaning = canonical.view(|view| resource.route(view)).map_err(|refusal| refusal.reason())?;
        supported(&meaning, resource)?;
        let body = self.body.as_deref().unwrap_or_default().as_bytes();
        git::contents::of_file(&mut meaning.arguments, meaning.effects);
        match meaning.body {
            _ if meaning.git == Some(GitService::ReceivePack) && canonical.method == Method::POST => {
                let commands = git::read(body)
                    .and_then(|commands| commands.ok_or_else(|| Malformed::new("the push is not whole")));
                let commands = commands.map_err(|malformed| malformed.reason())?;
                commands.describe(&mut meaning.arguments);
                meaning.effects = commands.effects(meaning.effects);
            }
            BodyRule::Empty if !body.is_empty() => {
                return Err(Malformed::new("the request has a body, where none belongs").reason());
            }
            BodyRule::Empty => {
                if let Some(rules) = meaning.graphql.clone() {
                    graphql::read_query(&canonical.target.pairs, &rules, &mut meaning)?;
                }
            }
            BodyRule::Json { .. } => {
                check_readable(&canonical, &meaning).map_err(|malformed| malformed.reason())?;
                understand(body, &canonical, resource, &mut meaning)?;
            }
            BodyRule::Stream => {}
        }
        let bailiwick_catalogue::RouteMatch { operation, effects, target, arguments, .. } = meaning;
        Ok(Meaning { operation, effects, target, arguments })
    }

    fn canonical(&self) -> Result<Canonical, Malformed> {
        let unreadable = || Malformed::new("a case's request is `METHOD URL`");
        let (method, url) = self.request.split_once(' ').ok_or_else(unreadable)?;
        let (scheme, rest) = match url.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(_) | None => return Err(unreadable()),
        };
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port = port.or(scheme.default_port()).ok_or_else(unreadable)?;
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = method.parse().map_err(|_| unreadable())?;
        parts.uri = target.parse::<Uri>().map_err(|_| Malformed::new("the request target cannot be read"))?;
        self.fill(&mut parts, authority)?;
        let meant = Meant::Name { name: Arc::from(host.to_ascii_lowercase()), port };
        Canonical::read(&parts, scheme, &meant)
    }

    fn fill(&self, parts: &mut request::Parts, authority: &str) -> Result<(), Malformed> {
        let unreadable = |_| Malformed::new("a case's header field cannot be read");
        parts.headers.insert(header::HOST, authority.parse().map_err(unreadable)?);
        for (name, value) in &self.headers {
            let name: header::HeaderName =
                name.parse().map_err(|_| Malformed::new("a case's header field has no name"))?;
            parts.headers.insert(name, value.parse().map_err(unreadable)?);
        }
        let json = self.body.as_ref().is_some_and(|body| body.starts_with(['{', '[']));
        if json && !parts.headers.contains_key(header::CONTENT_TYPE) {
            parts.headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use bailiwick_catalogue::{Definition, TEMPLATES};

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        suite: Vec<Suite>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Suite {
        /// What it shows.
        name: String,
        /// What a person's file says beside `template = …`.
        #[serde(default)]
        definition: String,
        case: Vec<Case>,
    }

    fn table(template: &str) -> Table {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../catalogue/templates");
        let path = directory.join(format!("{template}.cases.toml"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn wrong(template: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for suite in table(template).suite {
            let text = format!("template = '{template}'\n{}", suite.definition);
            let resource = Definition::load(template.parse().unwrap(), "suite", &text)
                .unwrap_or_else(|error| panic!("{template}, {}: {error}", suite.name));
            let failed = suite.case.iter().filter_map(|case| case.check(&resource).err());
            wrong.extend(failed.map(|failed| format!("{template}, {}: {failed}", suite.name)));
        }
        wrong
    }

    #[test]
    fn every_template_means_what_its_table_says() {
        let wrong: Vec<_> = TEMPLATES.iter().flat_map(|template| wrong(template.name)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_table_shows_what_is_let_through_and_what_is_not() {
        for template in TEMPLATES {
            let suites = table(template.name).suite;
            let cases = || suites.iter().flat_map(|suite| &suite.case);
            assert!(cases().any(|case| case.operation.is_some()), "{}", template.name);
            assert!(cases().any(|case| case.operation.is_none()), "{}", template.name);
        }
    }

    #[test]
    fn a_case_that_does_not_hold_is_told() {
        let resource = Definition::load("a".parse().unwrap(), "a", "address = 'https://a.example'").unwrap();
        let case = |text: &str| toml::from_str::<Case>(text).unwrap().check(&resource);
        assert!(
            case("request = 'GET https://a.example/'\noperation = 'http.get'\neffects = ['read']").is_ok()
        );
        for wrong in [
            "request = 'GET https://a.example/'",
            "request = 'GET https://a.example/'\noperation = 'http.get'",
            "request = 'GET https://a.example/'\noperation = 'http.post'\neffects = ['read']",
            "request = 'GET https://a.example/'\noperation = 'http.get'\neffects = ['write']",
            "request = 'GET https://a.example/'\noperation = 'http.get'\neffects = ['read']\ntarget = '/x'",
            "request = 'GET https://a.example/'\noperation = 'http.get'\neffects = ['read']\narguments = { path = '/x' }",
            "request = 'GET https://b.example/'\noperation = 'http.get'\neffects = ['read']",
            "request = 'GET https://a.example//'\nrefused = 'something else'",
        ] {
            assert!(case(wrong).is_err(), "{wrong}");
        }
    }
}
