//! The domain cards getter (reference §2.10, §4.3).

use serde_json::{Value, json};

use super::Call;
use crate::answer::{Answer, JSON, JobResult, Refusal};
use crate::distort;
use crate::fields;

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &["type", "domain"]);
    let domain = fields::filled(call.input, "domain").filter(|domain| domain.contains('.'));
    let domain = domain.ok_or_else(|| Refusal::invalid("Domain name is missing or malformed"))?;
    let mut lines: Vec<Value> = {
        let world = call.sim.world();
        if domain != world.tenant.domain {
            return Err(Refusal::new(403, format!("Not an admin of domain '{domain}'")));
        }
        world.tenant.cards.values().map(|card| card.line(call.moment.at)).collect()
    };
    distort::rows(&mut call.sim.fault_state(), &mut lines);
    Ok(Answer::json(JSON, &json!({ "responseCode": 200, "domainCardList": lines })))
}
