//! What nobody declared, as an observed session may read it: as it would be declared, and opened by nobody.
//!
//! It must never carry a credential, never let one of the agent's pass, and never stand for an address or for a name of this machine.

use std::sync::LazyLock;

use crate::{
    Address, Attributes, Definition, Host, PartCredentials, Protocol, Resource, Scheme, TEMPLATES, Template,
    Unmatched,
};

/// What a resource is called that nobody named.
const NAME: &str = "unlisted";

/// The templates that say where their service is, each as a resource.
static KNOWN: LazyLock<Vec<(&'static Template, Resource)>> = LazyLock::new(|| {
    let load = |template: &'static Template| {
        let text = format!("template = '{}'\n", template.name);
        let resource = Definition::load(template.name.parse().ok()?, template.name, &text).ok()?;
        Some((template, resource.unopened()))
    };
    TEMPLATES.iter().filter_map(load).collect()
});

impl Template {
    /// The template that knows the service at `scheme://host:port`, and that service as it describes it, opened by nobody.
    pub fn at(scheme: Scheme, host: &str, port: u16) -> Option<(&'static Self, &'static Resource)> {
        let here = |address: &Address| {
            address.scheme == scheme && address.port == port && address.host.matches(host)
        };
        let known = KNOWN.iter().find(|(_, resource)| resource.addresses.iter().any(here));
        known.map(|(template, resource)| (*template, resource))
    }
}

impl Resource {
    /// What nobody declared at `scheme://host:port`: what a shipped template says of it, else whatever the method says. `None` for an
    /// address literal, a name of this machine and a name without a dot, which may be of the network that the machine is in.
    pub fn undeclared(scheme: Scheme, host: &str, port: u16) -> Option<Self> {
        if let Some((_, resource)) = Template::at(scheme, host, port) {
            return Some(resource.clone());
        }
        let host: Host = host.parse().ok()?;
        let outside = matches!(&host, Host::Name(name) if name.contains('.'))
            && !host.is_private()
            && !host.is_reserved()
            && scheme != Scheme::Tcp;
        outside.then(|| {
            Some(Self {
                name: NAME.parse().ok()?,
                addresses: vec![Address { scheme, host, port }],
                protocol: Protocol::Http,
                attributes: Attributes::default(),
                parts: Vec::new(),
                credential: None,
                agent_credentials: false,
                routes: Vec::new(),
                unmatched: Unmatched::Method,
                tenant: std::collections::BTreeMap::new(),
                ca: None,
                dial: None,
                private: false,
                opaque: false,
            })
        })?
    }

    /// The same, opened by nobody: nothing is injected, and what the agent brings is refused.
    #[must_use]
    pub fn unopened(&self) -> Self {
        let mut resource = self.clone();
        resource.credential = None;
        resource.agent_credentials = false;
        for part in &mut resource.parts {
            part.credentials = PartCredentials::None;
            part.pattern = None;
        }
        resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_service_is_what_its_template_says_and_anything_else_goes_by_method() {
        let pypi = Resource::undeclared(Scheme::Https, "pypi.org", 443).unwrap();
        assert_eq!((pypi.name.as_str(), pypi.unmatched), ("pypi", Unmatched::Refuse));
        let other = Resource::undeclared(Scheme::Https, "pypi.org.evil.example", 443).unwrap();
        assert_eq!((other.name.as_str(), other.unmatched), ("unlisted", Unmatched::Method));
    }

    #[test]
    fn nothing_opens_it() {
        for template in TEMPLATES {
            let text = format!("template = '{}'\naddress = 'https://a.example'\n", template.name);
            let resource = Definition::load("a".parse().unwrap(), "a", &text).unwrap().unopened();
            assert!(resource.credential.is_none() && !resource.agent_credentials, "{}", template.name);
            for part in &resource.parts {
                let host = &part.hosts[0].host.to_string();
                assert!(resource.credential_at(host, 443, "/").is_none(), "{}", template.name);
                assert!(!resource.agent_credentials_at(host, 443, "/"), "{}", template.name);
            }
        }
    }

    #[test]
    fn addresses_and_names_of_this_machine_are_not_outside() {
        for host in [
            "127.0.0.1",
            "[::1]",
            "1.1.1.1",
            "169.254.169.254",
            "localhost",
            "a.localhost",
            "wiki",
            "hook.bailiwick.internal",
            "*.example.com",
            "A.example",
            "",
        ] {
            let found = Resource::undeclared(Scheme::Http, host, 80);
            assert!(found.is_none_or(|found| found.addresses[0].host.to_string() != host), "{host}");
        }
        assert!(Resource::undeclared(Scheme::Http, "169.254.169.254", 80).is_none());
        assert!(Resource::undeclared(Scheme::Tcp, "db.example.com", 443).is_none());
    }
}
