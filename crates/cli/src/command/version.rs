//! `version`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Failure, Output};

/// The build of this binary: its version, and what tells two builds of one version apart.
pub(crate) fn build() -> String {
    let stamp = option_env!("BAILIWICK_BUILD").unwrap_or("dev");
    format!("{}+{stamp}", env!("CARGO_PKG_VERSION"))
}

/// `version --json`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Version {
    version: &'static str,
    build: String,
}

pub(crate) fn execute(output: &Output) -> Result<(), Failure> {
    let version = Version { version: env!("CARGO_PKG_VERSION"), build: build() };
    Ok(output.data(&version, || format!("bailiwick {}", version.build))?)
}
