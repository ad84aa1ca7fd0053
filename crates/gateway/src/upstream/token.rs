//! Asking token endpoints: one request on a connection of its own, dialled, guarded and verified as the resource whose tokens it is about.

use std::{sync::Arc, time::Duration};

use bailiwick_authority::{TokenAnswer, TokenEndpoint};
use bailiwick_broker::Refresh;
use bailiwick_catalogue::Resource;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{
    Resolve, Trust,
    dial::{Destination, Dialled, dial},
};

/// The longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Asks token endpoints.
pub(crate) struct Issuers {
    resolver: Arc<dyn Resolve>,
    trust: Arc<Trust>,
    limit: Duration,
}

impl Issuers {
    /// With this resolver and these roots; each step takes at most `limit`.
    pub(crate) fn new(resolver: Arc<dyn Resolve>, trust: Arc<Trust>, limit: Duration) -> Self {
        Self { resolver, trust, limit }
    }

    async fn exchange(&self, resource: &Resource, refresh: &Refresh) -> Result<(u16, Vec<u8>), String> {
        let (address, path) = refresh.oauth().endpoint().map_err(|error| error.to_string())?;
        let to = Destination {
            scheme: address.scheme,
            host: address.host.clone(),
            port: address.port,
            private: resource.private,
            at: None,
            anchor: resource.ca.clone(),
            http1: true,
        };
        let dialled = dial(&to, self.resolver.as_ref(), &self.trust, self.limit).await;
        let stream = match dialled.map_err(|error| error.to_string())? {
            Dialled::Tls(stream, _) => stream,
            Dialled::Plain(_) => return Err("a token endpoint is asked over TLS only".to_owned()),
        };
        let broken = |_: hyper::Error| "the token endpoint broke off".to_owned();
        let (mut sender, connection) = http1::handshake(TokioIo::new(*stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let host = match address.port {
            443 => address.host.to_string(),
            port => format!("{}:{port}", address.host),
        };
        let request = Request::post(path)
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, refresh.content_type())
            .body(Full::new(refresh.body()))
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let body: Bytes = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|_| "the token endpoint's answer is too long or broke off".to_owned())?
            .to_bytes();
        Ok((status, body.to_vec()))
    }
}

impl TokenEndpoint for Issuers {
    fn ask<'a>(&'a self, resource: &'a Resource, refresh: &'a Refresh) -> TokenAnswer<'a> {
        Box::pin(async move {
            let answered = timeout(self.limit * 2, self.exchange(resource, refresh)).await;
            answered.unwrap_or_else(|_| Err("the token endpoint did not answer in time".to_owned()))
        })
    }
}

impl std::fmt::Debug for Issuers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuers").finish_non_exhaustive()
    }
}
