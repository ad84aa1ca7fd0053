//! What is allowed but probably not meant: the findings of `bailiwick resource lint`.

use bailiwick_core::{EffectClass, Name};

use crate::{Host, Mints, Pattern, Protocol, Resource, Route, Scheme, Unmatched};

/// How much a finding asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth knowing; it may be meant so.
    Note,
    /// Probably a mistake.
    Warning,
    /// It cannot be used.
    Error,
}

/// Something in a resource that deserves a second look.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Warning {
    /// How much it asks for.
    pub level: Level,
    /// A stable code.
    pub code: &'static str,
    /// What is unusual, and what it means.
    pub detail: String,
    /// What to do about it.
    pub fix: String,
}

/// Captures that usually tell whose something is.
const OWNERS: [&str; 6] = ["account", "org", "organisation", "organization", "owner", "project"];
/// Last words of paths behind which tokens are handed out.
const MINTING: [&str; 9] = [
    "access_token",
    "access_tokens",
    "api_keys",
    "credentials",
    "deploy_tokens",
    "login",
    "registration-token",
    "token",
    "tokens",
];

struct Findings<'r> {
    resource: &'r Resource,
    found: Vec<Warning>,
}

/// The findings about `resource`, no warning for an ordinary one.
pub fn lint(resource: &Resource) -> Vec<Warning> {
    let mut findings = Findings { resource, found: Vec::new() };
    findings.credential();
    findings.place();
    findings.tenant();
    findings.parts();
    for (index, route) in resource.routes.iter().enumerate() {
        findings.route(index, route);
    }
    findings.found
}

/// The findings about how `resources` stand to each other, each with the resource that it is about.
pub fn lint_together(resources: &[Resource]) -> Vec<(Name, Warning)> {
    let mut found = Vec::new();
    let addresses = || {
        resources
            .iter()
            .flat_map(|resource| resource.addresses.iter().map(move |address| (resource, address)))
    };
    for (at, (first, address)) in addresses().enumerate() {
        for (second, other) in addresses().skip(at + 1).filter(|(second, _)| second.name != first.name) {
            if address == other {
                let detail =
                    format!("`{}` claims `{address}` as well; no resource is loaded like that", first.name);
                let fix = "remove the address from one of them".to_owned();
                let level = Level::Error;
                found.push((second.name.clone(), Warning { level, code: "same_address", detail, fix }));
            } else if let Some((wide, narrow)) = overlap((first, address), (second, other)) {
                let detail = format!(
                    "requests to some hosts of its wildcard are those of `{narrow}`, which names them"
                );
                let fix = "list the hosts that are meant".to_owned();
                let level = Level::Note;
                found.push((wide, Warning { level, code: "overlap", detail, fix }));
            }
        }
    }
    found
}

/// Which resource's wildcard takes in a host that another one names.
fn overlap(
    (first, a): (&Resource, &crate::Address),
    (second, b): (&Resource, &crate::Address),
) -> Option<(Name, Name)> {
    if a.scheme != b.scheme || a.port != b.port {
        return None;
    }
    match (&a.host, &b.host) {
        (Host::Wildcard(_), Host::Name(name)) if a.host.matches(name) => {
            Some((first.name.clone(), second.name.clone()))
        }
        (Host::Name(name), Host::Wildcard(_)) if b.host.matches(name) => {
            Some((second.name.clone(), first.name.clone()))
        }
        _ => None,
    }
}

impl Findings<'_> {
    fn add(&mut self, level: Level, code: &'static str, detail: impl Into<String>, fix: impl Into<String>) {
        self.found.push(Warning { level, code, detail: detail.into(), fix: fix.into() });
    }

    fn credential(&mut self) {
        let Some(credential) = &self.resource.credential else { return };
        let addresses = &self.resource.addresses;
        if let Some(address) = addresses.iter().find(|a| a.scheme == Scheme::Http && !a.host.is_loopback()) {
            let detail = format!("the credential would go to `{address}` in clear text");
            self.add(Level::Warning, "clear_text", detail, "use `https`");
        }
        if let Some(address) = addresses.iter().find(|a| matches!(a.host, Host::Wildcard(_))) {
            let detail = format!("the credential would go to every host that `{address}` covers");
            self.add(Level::Warning, "wildcard_credential", detail, "list the hosts that need it");
        }
        if matches!(credential.pattern, Pattern::Path { .. } | Pattern::Query { .. }) {
            let detail = "a credential in a path or query ends up in the upstream's own logs";
            self.add(Level::Warning, "secret_in_address", detail, "use a header if the upstream takes one");
        }
    }

    fn place(&mut self) {
        let resource = self.resource;
        if resource.credential.is_none()
            && let Some(address) = resource.addresses.iter().find(|a| matches!(a.host, Host::Wildcard(_)))
        {
            let detail = format!("whoever has a name below `{address}` can be reached, and written to");
            self.add(Level::Note, "wildcard_host", detail, "list the hosts that are meant");
        }
        if resource.agent_credentials {
            self.add(
                Level::Warning,
                "agent_credentials",
                "the agent may bring its own credentials, also ones that an attacker gave it",
                "let the gateway hold the credential: remove `credentials` and run `bailiwick secret set`",
            );
        }
        if resource.private && !resource.addresses.iter().all(|a| a.host.is_private()) {
            self.add(
                Level::Warning,
                "private_name",
                "a public name may resolve to private addresses, so whoever controls its DNS can point it inside",
                "declare the private address or name itself",
            );
        }
        if resource.opaque && resource.protocol == Protocol::Http {
            self.add(
                Level::Warning,
                "opaque",
                "streams that nothing looks into may be opened",
                "declare the one stream as a route",
            );
        }
    }

    fn tenant(&mut self) {
        let resource = self.resource;
        if !resource.tenant.is_empty() && resource.unmatched == Unmatched::Method {
            self.add(
                Level::Warning,
                "tenant_needs_routes",
                "requests that no route describes name no tenant and are all refused",
                "write `unmatched = \"refuse\"`, or routes that capture the tenant",
            );
        }
        let owner =
            resource.routes.iter().flat_map(|route| route.path.names()).find(|name| OWNERS.contains(name));
        if let (true, Some(_), Some(owner)) = (resource.tenant.is_empty(), &resource.credential, owner) {
            let detail = "everything that the credential opens is in reach, whoever it belongs to";
            let fix = format!("say what is meant: [tenant] {owner} = [\"…\"]");
            self.add(Level::Note, "no_tenant", detail, fix);
        }
    }

    fn parts(&mut self) {
        let resource = self.resource;
        for part in &resource.parts {
            let reached = part.hosts.iter().any(|own| {
                resource.addresses.iter().any(|address| {
                    address.host == own.host && own.port.is_none_or(|port| port == address.port)
                })
            });
            if !reached {
                let detail = format!("the part `{}` is at none of the resource's addresses", part.name);
                let fix = format!("add its host to `address`, or set `at.{}.host`", part.name);
                self.add(Level::Note, "part_unreached", detail, fix);
            }
        }
        let bare = resource.addresses.iter().find(|address| {
            !resource.parts.is_empty()
                && resource.routes.iter().all(|route| route.at.is_some())
                && !resource.parts.iter().any(|part| part.hosts.iter().any(|own| own.host == address.host))
        });
        if let Some(address) = bare {
            let detail = format!("no part has the host of `{address}`, so no route is for it");
            self.add(Level::Warning, "address_without_part", detail, "set `at.NAME.host` to it");
        }
    }

    fn route(&mut self, index: usize, route: &Route) {
        let shown = format!("{} {}", route.methods.join(","), route.path);
        let destroys = route.methods.iter().any(|method| method == "DELETE");
        let reads = |method: &String| matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS");
        if route.effects.is_read() && destroys {
            let detail = format!("`{shown}` is declared a read and is not made durable before it happens");
            self.add(Level::Warning, "reading_delete", detail, "declare it `destructive`");
        } else if route.effects.is_read() && route.why.is_none() && !route.methods.iter().all(reads) {
            let detail = format!("`{shown}` is declared a read, which its method does not say");
            self.add(
                Level::Warning,
                "reading_write",
                detail,
                "say in `why` what makes it one, or declare it `write`",
            );
        }
        let said = route.effects.contains(EffectClass::Identity) || route.mints != Mints::Nothing;
        let last = route.path.as_str().rsplit('/').next().unwrap_or_default();
        if !said && MINTING.contains(&last) && !route.methods.iter().all(reads) {
            let detail = format!("`{shown}` looks as if it handed out a credential, and nothing captures it");
            self.add(
                Level::Warning,
                "mints_uncaptured",
                detail,
                "write `mints = \"refuse\"`, or say how it is captured",
            );
        }
        if let Mints::Captured(_) = &route.mints
            && self.resource.agent_credentials
        {
            let detail = format!(
                "`{shown}` is captured, and the dummy is exchanged beside whatever else the agent brings"
            );
            self.add(Level::Warning, "mints_and_brings", detail, "leave `credentials = \"agent\"` away");
        }
        if let Some((earlier, method)) = self.shadow(index, route) {
            let detail = format!("`{method} {}` never comes here: `{earlier}` answers first", route.path);
            self.add(Level::Warning, "shadowed", detail, "put the narrower one first, or remove one of them");
        }
        let unnamed = |capture: &&String| !route.path.names().any(|name| name == **capture);
        let resource = self.resource;
        if !route.shared
            && let Some(capture) = resource.tenant.keys().find(unnamed)
            && resource.routes.iter().all(|route| route.at.is_none())
        {
            let detail = format!("`{shown}` names no {capture}, and is always refused");
            self.add(Level::Note, "always_refused", detail, "capture it, or write `shared = true`");
        }
    }

    /// An earlier route that takes every request of `route` with one of its methods.
    fn shadow(&self, index: usize, route: &Route) -> Option<(String, String)> {
        let earlier = self.resource.routes.iter().take(index).filter(|earlier| {
            (earlier.at.is_none() || earlier.at == route.at)
                && earlier.query.iter().all(|(name, value)| route.query.get(name) == Some(value))
                && (earlier.extra_query.is_none() || earlier.extra_query == route.extra_query)
                && (earlier.content_type.is_none() || earlier.content_type == route.content_type)
                && earlier.stream == route.stream
                && earlier.path.covers(&route.path)
        });
        { earlier }.find_map(|earlier| {
            let method = route.methods.iter().find(|method| earlier.methods.contains(method))?;
            Some((earlier.path.to_string(), method.clone()))
        })
    }
}
