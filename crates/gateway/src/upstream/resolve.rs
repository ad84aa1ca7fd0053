//! Names to addresses, for the gateway alone. A trait, so that a test can say what a hostile zone says.

use std::{io, net::IpAddr, pin::Pin};

/// What a resolution comes to.
pub type Resolved<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Resolves the names of upstreams.
pub trait Resolve: Send + Sync {
    /// Every address of `name`. Called once for each connection; what it says is dialled, not resolved again.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolved<'a>;
}

/// The host's own resolver (getaddrinfo(3)).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolved<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            addresses.dedup();
            Ok(addresses)
        })
    }
}
