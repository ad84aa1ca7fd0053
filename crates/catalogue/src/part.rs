//! The parts of a resource: one service that is several things at several hosts, such as an interface beside a git server.

use serde::Serialize;

use crate::{Host, PartCredentials, Pattern};

/// Some of a resource's hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What routes call it.
    pub name: String,
    /// Its hosts, each with the port where only one is meant.
    pub hosts: Vec<PartHost>,
    /// What its paths start with; empty where with anything.
    pub prefix: String,
    /// Whose credentials go there.
    pub credentials: PartCredentials,
    /// Where the credential goes there, if not where it goes elsewhere.
    pub pattern: Option<Pattern>,
}

/// A host of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartHost {
    /// The host, as in an address.
    #[serde(serialize_with = "written")]
    pub host: Host,
    /// The port; `None`: any.
    pub port: Option<u16>,
}

fn written<S: serde::Serializer>(host: &Host, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(host)
}

impl Part {
    /// Whether `host` and `port` are of this part.
    pub fn has(&self, host: &str, port: u16) -> bool {
        self.hosts.iter().any(|own| own.host.matches(host) && own.port.is_none_or(|own| own == port))
    }

    /// Whether `path` lies below its prefix.
    pub fn covers(&self, path: &str) -> bool {
        path.strip_prefix(&self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl PartHost {
    /// Parses `host` or `host:port`.
    ///
    /// # Errors
    /// If it is neither.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !text.ends_with(']') => {
                let port = port.parse().map_err(|_| format!("`{}` has no port", text.escape_debug()))?;
                (host, Some(port))
            }
            _ => (text, None),
        };
        Ok(Self { host: host.parse().map_err(|error| format!("{error}"))?, port })
    }
}
