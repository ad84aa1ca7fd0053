//! `explain`: the five answers for one action.

use bailiwick_client::Client;
use bailiwick_wire::Explanation;

use crate::{
    args::Explain,
    command::{log::line, reference},
    output::{Failure, Output},
};

pub(crate) fn execute(options: &Explain, client: &Client, output: &Output) -> Result<(), Failure> {
    let action = reference("action", &options.action, "bailiwick log")?;
    let explanation: Explanation = client.get(&format!("/v1/actions/{action}"))?;
    Ok(output.data(&explanation, || describe(&explanation))?)
}

fn describe(explanation: &Explanation) -> String {
    let Explanation { initiator, agent, resource, permission, approval, action, records } = explanation;
    let records: Vec<_> = records.iter().map(u64::to_string).collect();
    format!(
        "{}\ninitiator   {initiator}\nagent       {agent}\nresource    {resource}\npermission  {permission}\napproval    {approval}\nrecords     {}",
        line(action),
        records.join(", ")
    )
}
