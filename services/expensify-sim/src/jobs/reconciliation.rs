//! Reconciliation (reference §2.2): card transactions of a domain.
//!
//! Its templates have a data model of their own. Nothing of Expensewire's needs one, so any template that is not empty
//! gets the same CSV, with the columns below.

use bytes::Bytes;
use rand::RngExt;
use serde_json::json;

use super::Call;
use super::csv;
use crate::access::DomainAccess;
use crate::answer::{Answer, JobResult, Refusal, TEXT};
use crate::fields;
use crate::files::FileSystem;
use crate::tenant::Tenant;
use jiff::civil::Date;

const HEADER: &str = "cardName,cardOwner,bank,reportID,transactionID,posted,merchant,amount,currency,category,state\n";
const KEYS: [&str; 6] = ["type", "startDate", "endDate", "domain", "feed", "async"];

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &KEYS);
    let day = |key: &str| fields::day(call.input, key)?.ok_or_else(|| Refusal::parameter(key));
    let (start, end) = (day("startDate")?, day("endDate")?);
    let everything = match fields::text(call.input, "type").as_deref() {
        Some("All") => true,
        Some("Unreported") => false,
        _ => return Err(Refusal::invalid("Argument 'type' is missing or malformed")),
    };
    if fields::flag(call.input, "async") != Some(false) {
        return Err(Refusal::parameter("async"));
    }
    let extension = extension(call)?;
    call.params
        .value("template")
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refusal::invalid("No Template Submitted"))?;
    let name = keep(call, start, end, everything, &extension)?;
    Ok(Answer::json(TEXT, &json!({ "filename": name, "responseMessage": "OK", "responseCode": 200 })))
}

fn extension(call: &Call<'_>) -> Result<String, Refusal> {
    let output = fields::object(call.job, "outputSettings");
    let extension =
        output.and_then(|output| fields::filled(output, "fileExtension")).unwrap_or_else(|| "csv".to_owned());
    match extension.as_str() {
        "csv" | "txt" | "json" | "xml" => Ok(extension),
        _ => Err(Refusal::parameter("fileExtension")),
    }
}

fn keep(call: &Call<'_>, start: Date, end: Date, everything: bool, extension: &str) -> Result<String, Refusal> {
    let domain =
        fields::filled(call.input, "domain").ok_or_else(|| Refusal::invalid("Domain name is missing or malformed"))?;
    let (number, content) = {
        let mut world = call.sim.world();
        if domain != world.tenant.domain || world.domain_access != DomainAccess::Held {
            return Err(Refusal::new(403, format!("Not an admin of domain '{domain}'")));
        }
        (world.rng.random_range(1_000_000_000_000_000_000..i64::MAX), table(&world.tenant, start, end, everything))
    };
    let name = format!("is_reconciliation_{number}.{extension}");
    call.sim.files().keep(FileSystem::Reconciliation, name.clone(), Bytes::from(content));
    Ok(name)
}

/// Unreported purchases first, then, when everything is asked for, card expenses on reports. Purchases are negative here.
fn table(tenant: &Tenant, start: Date, end: Date, everything: bool) -> String {
    let mut out = HEADER.to_owned();
    for card in tenant.cards.values() {
        for purchase in card.unreported.iter().filter(|purchase| (start..=end).contains(&purchase.posted)) {
            let amount = (-purchase.amount).to_string();
            let posted = purchase.posted.to_string();
            let cells = [
                &card.name,
                &card.email,
                &card.bank,
                "0",
                &purchase.id,
                &posted,
                &purchase.merchant,
                &amount,
                "USD",
                "",
                "",
            ];
            csv::write_row(&mut out, &cells);
        }
    }
    for report in tenant.reports.values().filter(|_| everything) {
        let on_card = report.expenses.iter().filter(|expense| !expense.bank.is_empty());
        for expense in on_card.filter(|expense| (start..=end).contains(&expense.created)) {
            let (id, day, amount) = (report.id(), expense.created.to_string(), (-expense.amount).to_string());
            let cells = [
                &expense.card_number,
                &report.submitter.email,
                &expense.bank,
                &id,
                &expense.id,
                &day,
                &expense.merchant,
                &amount,
                &expense.currency,
                &expense.category,
                report.state.status(),
            ];
            csv::write_row(&mut out, &cells);
        }
    }
    out
}
