//! The domain cards getter (reference §2.10, §4.3).

use serde_json::{Value, json};

use super::Call;
use crate::access::DomainAccess;
use crate::answer::{Answer, JSON, JobResult, Refusal};
use crate::distort;
use crate::fields;
use crate::form::ListForm;

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &["type", "domain"]);
    let domain = fields::filled(call.input, "domain").filter(|domain| domain.contains('.'));
    let domain = domain.ok_or_else(|| Refusal::invalid("Domain name is missing or malformed"))?;
    let mut lines = lines(call, &domain)?;
    let read = call.read_number();
    let mut faults = call.sim.fault_state();
    let form = ListForm::draw(&mut faults, read);
    lines.iter_mut().for_each(|line| form.card(line));
    distort::rows(&mut faults, &mut lines);
    Ok(Answer::json(JSON, &json!({ "responseCode": 200, "domainCardList": lines })))
}

fn lines(call: &Call<'_>, domain: &str) -> Result<Vec<Value>, Refusal> {
    let world = call.sim.world();
    if domain != world.tenant.domain || world.domain_access == DomainAccess::Refused {
        return Err(Refusal::new(403, format!("Not an admin of domain '{domain}'")));
    }
    if world.domain_access == DomainAccess::Empty {
        return Ok(Vec::new());
    }
    let shown = world.tenant.cards.values().filter(|card| !world.hidden.cards.contains(&card.id));
    Ok(shown.map(|card| card.line(call.moment.server)).collect())
}
