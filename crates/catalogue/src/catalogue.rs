//! The catalogue: all resources of one moment, indexed by address and by name. Immutable; a change makes another one.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use bailiwick_core::{Digest, Effects, Name, Operation};

use crate::{Address, Host, Resource, Scheme};

/// Every resource, at one moment.
#[derive(Clone, Debug)]
pub struct Catalogue {
    resources: Vec<Arc<Resource>>,
    names: HashMap<Name, Arc<Resource>>,
    hosts: HashMap<Box<str>, Vec<Entry>>,
    /// By what follows the first label.
    wildcards: HashMap<Box<str>, Vec<Entry>>,
    ips: HashMap<IpAddr, Vec<Entry>>,
    digest: Digest,
}

type Entry = (Scheme, u16, Arc<Resource>);

/// Resources contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Two have one name.
    #[error("two resources are called `{name}`; rename one")]
    Name {
        /// The name.
        name: Name,
    },
    /// Two have one address.
    #[error("`{first}` and `{second}` both claim `{address}`; remove it from one of them")]
    Address {
        /// The address.
        address: Address,
        /// The resource that has it.
        first: Name,
        /// The resource that claims it as well.
        second: Name,
    },
}

impl Default for Catalogue {
    /// The catalogue that knows nothing.
    fn default() -> Self {
        Self {
            resources: Vec::new(),
            names: HashMap::new(),
            hosts: HashMap::new(),
            wildcards: HashMap::new(),
            ips: HashMap::new(),
            digest: Digest::of(b"[]"),
        }
    }
}

impl Catalogue {
    /// The catalogue of `resources`.
    ///
    /// # Errors
    /// If two have the same name, or claim the same address.
    pub fn new(mut resources: Vec<Resource>) -> Result<Self, CatalogueError> {
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        // Every field writes itself without fail and in order, so these bytes are canonical.
        let digest = Digest::of(&serde_json::to_vec(&resources).unwrap_or_default());
        let mut catalogue = Self { digest, ..Self::default() };
        for resource in resources {
            let resource = Arc::new(resource);
            if catalogue.names.insert(resource.name.clone(), Arc::clone(&resource)).is_some() {
                return Err(CatalogueError::Name { name: resource.name.clone() });
            }
            for address in &resource.addresses {
                catalogue.claim(address, &resource)?;
            }
            catalogue.resources.push(resource);
        }
        Ok(catalogue)
    }

    fn claim(&mut self, address: &Address, resource: &Arc<Resource>) -> Result<(), CatalogueError> {
        let entries = match &address.host {
            Host::Ip(ip) => self.ips.entry(*ip).or_default(),
            Host::Name(name) => self.hosts.entry(name.clone()).or_default(),
            Host::Wildcard(parent) => self.wildcards.entry(parent.clone()).or_default(),
        };
        if let Some((_, _, first)) =
            entries.iter().find(|entry| entry.0 == address.scheme && entry.1 == address.port)
        {
            return Err(CatalogueError::Address {
                address: address.clone(),
                first: first.name.clone(),
                second: resource.name.clone(),
            });
        }
        entries.push((address.scheme, address.port, Arc::clone(resource)));
        Ok(())
    }

    /// The resource at `scheme://host:port`. `host` must be canonical: a name lower-case and ASCII without a final dot, an address
    /// literal as [`std::net::IpAddr`] prints it, with or without brackets. An exact name goes before a wildcard; an address literal
    /// only matches resources declared by it. Any other spelling is not known.
    pub fn lookup(&self, scheme: Scheme, host: &str, port: u16) -> Option<&Arc<Resource>> {
        let fits =
            |entries: &'_ [Entry]| entries.iter().position(|entry| entry.0 == scheme && entry.1 == port);
        self.entries(host)
            .find_map(|entries| fits(entries).and_then(|at| entries.get(at)).map(|entry| &entry.2))
    }

    /// The resource that speaks on `host` and `port`, whatever scheme it declares: what a connection can be about before its first
    /// byte. More than one where a port carries clear text and TLS.
    pub fn at(&self, host: &str, port: u16) -> Vec<(Scheme, &Arc<Resource>)> {
        let mut found: Vec<(Scheme, &Arc<Resource>)> = Vec::new();
        for (scheme, at, resource) in self.entries(host).flatten() {
            if *at == port && !found.iter().any(|(known, _)| known == scheme) {
                found.push((*scheme, resource));
            }
        }
        found
    }

    /// Whether any resource is on `host`, at whatever port.
    pub fn knows_host(&self, host: &str) -> bool {
        self.entries(host).next().is_some()
    }

    fn entries<'a>(&'a self, host: &str) -> impl Iterator<Item = &'a Vec<Entry>> {
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let ip = literal.parse::<IpAddr>().ok();
        let exact = match ip {
            Some(ip) => self.ips.get(&ip),
            None => self.hosts.get(host),
        };
        let wildcard = match (ip, host.split_once('.')) {
            (None, Some((label, parent))) if !label.is_empty() => self.wildcards.get(parent),
            (None | Some(_), _) => None,
        };
        exact.into_iter().chain(wildcard)
    }

    /// The resource called `name`.
    pub fn by_name(&self, name: &Name) -> Option<&Arc<Resource>> {
        self.names.get(name)
    }

    /// Every resource, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.iter()
    }

    /// The ports of resources on this machine's own loopback: connections to them leave the sandbox, through the gateway.
    pub fn loopback_ports(&self) -> BTreeSet<u16> {
        let addresses = self.resources.iter().flat_map(|resource| &resource.addresses);
        addresses.filter(|address| address.host.is_loopback()).map(|address| address.port).collect()
    }

    /// The operations that can be asked of any resource, with the effects it declares for them.
    pub fn operations(&self) -> impl Iterator<Item = (Operation, Effects)> {
        self.resources.iter().flat_map(|resource| resource.operations())
    }

    /// The digest of everything in it: equal catalogues have equal digests.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}
