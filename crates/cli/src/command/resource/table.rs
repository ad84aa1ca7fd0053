//! `resource test`: a table of requests and what they should mean, held against a definition without a network.

use std::{fs, path::Path};

use bailiwick_catalogue::Resource;
use bailiwick_gateway::Case;
use serde::{Deserialize, Serialize};

use crate::output::{Failure, NO, NOT_FOUND, Output};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

/// How a case went.
#[derive(Serialize)]
struct Held<'c> {
    request: &'c str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

pub(super) fn execute(resource: &Resource, file: &Path, output: &Output) -> Result<(), Failure> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(NOT_FOUND, "not_found", format!("cannot read `{shown}`: {error}"))
            .fix("name a table of cases: bailiwick resource test NAME FILE")
    })?;
    let table: Table = toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("`{shown}`: {}", error.to_string().trim_end()))
            .fix("write [[case]] with `request`, and `operation` and `effects`, or `refused`")
    })?;
    let mut wrong = 0;
    for case in &table.case {
        let detail = case.check(resource).err();
        wrong += usize::from(detail.is_some());
        let held = Held { request: &case.request, ok: detail.is_none(), detail };
        output.data(&held, || held.detail.clone().unwrap_or_else(|| format!("ok  {}", held.request)))?;
    }
    let said = format!("{} cases, {wrong} otherwise", table.case.len());
    if wrong > 0 {
        return Err(
            Failure::new(NO, "otherwise", said).fix(format!("bailiwick resource show {}", resource.name))
        );
    }
    output.say(said);
    Ok(())
}
