//! The expense creator (reference §2.4).
//!
//! Observed quirks: `employeeEmail` is required although the manual says otherwise; expenses that name no report open a
//! new one, which all of the call share.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{Call, granted, no_policy};
use crate::answer::{Answer, JobResult, Refusal, TEXT};
use crate::fields::{self, Object};
use crate::tenant::Tenant;
use crate::tenant::ids;
use crate::tenant::report::{Expense, ExpenseTax, Report, State};
use crate::world::World;

const KEYS: [&str; 13] = [
    "merchant",
    "created",
    "amount",
    "currency",
    "externalID",
    "category",
    "tag",
    "comment",
    "billable",
    "reimbursable",
    "reportID",
    "policyID",
    "tax",
];

/// One expense of the request, found good.
struct Wanted {
    expense: Expense,
    report: Option<u64>,
}

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &["type", "employeeEmail", "transactionList"]);
    let email = fields::filled(call.input, "employeeEmail").ok_or_else(|| Refusal::parameter("employeeEmail"))?;
    let list = fields::list(call.input, "transactionList").filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Refusal::parameter("transactionList"))?;
    let mut world = call.sim.world();
    granted(&world.tenant, &email)?;
    let wanted = list.iter().map(|item| read(call, &mut world, item)).collect::<Result<Vec<_>, _>>()?;
    let made = place(call, &mut world, &email, wanted)?;
    Ok(Answer::json(TEXT, &json!({ "transactionList": made, "responseCode": 200 })))
}

fn read(call: &Call<'_>, world: &mut World, item: &Value) -> Result<Wanted, Refusal> {
    let item = item.as_object().ok_or_else(|| Refusal::parameter("transactionList"))?;
    fields::note_unknown(item, "transactionList", &KEYS);
    let mut expense = plain(call, world, item, "created")?;
    let optional = |key: &str| fields::text(item, key).unwrap_or_default();
    expense.external_id = optional("externalID");
    expense.comment = optional("comment");
    expense.tag = optional("tag");
    expense.category = fields::filled(item, "category").unwrap_or(expense.category);
    expense.billable = fields::flag(item, "billable").unwrap_or(false);
    expense.reimbursable = fields::flag(item, "reimbursable").unwrap_or(true);
    expense.tax = tax(&world.tenant, item, expense.amount)?;
    let report = match fields::filled(item, "reportID") {
        None => None,
        Some(id) => Some(open_report(&world.tenant, &id)?),
    };
    Ok(Wanted { expense, report })
}

/// The four fields that both creators require; the date has a different key in each.
pub(super) fn plain(call: &Call<'_>, world: &mut World, item: &Object, date_key: &str) -> Result<Expense, Refusal> {
    let required = |key: &str| fields::filled(item, key).ok_or_else(|| Refusal::parameter(key));
    let created: Date = fields::day(item, date_key)?.ok_or_else(|| Refusal::parameter(date_key))?;
    let currency = required("currency").and_then(|text| match text.len() {
        3 => Ok(text),
        _ => Err(Refusal::parameter("currency")),
    })?;
    let amount = item.get("amount").and_then(Value::as_i64).ok_or_else(|| Refusal::parameter("amount"))?;
    Ok(Expense {
        id: ids::new_transaction_id(&mut world.rng),
        merchant: required("merchant")?,
        modified_merchant: None,
        amount,
        modified_amount: None,
        currency,
        rate_millionths: 1_000_000,
        created,
        inserted: call.moment.server,
        category: "Uncategorized".to_owned(),
        category_gl_code: String::new(),
        tag: String::new(),
        tag_gl_code: String::new(),
        comment: String::new(),
        reimbursable: true,
        billable: false,
        tax: None,
        mcc: 0,
        bank: String::new(),
        card_number: String::new(),
        external_id: String::new(),
        receipt_id: String::new(),
        receipt_filename: String::new(),
    })
}

fn tax(tenant: &Tenant, item: &Object, amount: i64) -> Result<Option<ExpenseTax>, Refusal> {
    let Some(tax) = fields::object(item, "tax") else { return Ok(None) };
    let rate_id = fields::filled(tax, "rateID").ok_or_else(|| Refusal::parameter("rateID"))?;
    let policy = fields::filled(item, "policyID").ok_or_else(|| Refusal::parameter("policyID"))?;
    let policy = tenant.policies.get(&policy).ok_or_else(|| no_policy(&policy))?;
    let mut rates = policy.tax.iter().flat_map(|tax| &tax.rates);
    let rate = rates.find(|rate| rate.id == rate_id).ok_or_else(|| Refusal::parameter("rateID"))?;
    let tenths = i64::from(rate.rate_tenths);
    Ok(Some(ExpenseTax {
        amount: fields::integer(tax, "amount").unwrap_or(amount.saturating_mul(tenths) / (1_000 + tenths)),
        rate_id,
        name: rate.name.clone(),
        rate: format!("{}.{}%", tenths / 10, tenths % 10),
    }))
}

fn open_report(tenant: &Tenant, id: &str) -> Result<u64, Refusal> {
    let report = ids::report_number(id).and_then(|number| tenant.reports.get(&number));
    let report = report.ok_or_else(|| Refusal::new(404, format!("Report '{id}' not found")))?;
    match report.state {
        State::Open | State::Submitted => Ok(report.number),
        state => Err(Refusal::invalid(format!("Report is in status '{}'", state.status()))),
    }
}

/// Puts the expenses where they belong: one change for each report touched, in the order of the request.
fn place(call: &Call<'_>, world: &mut World, email: &str, wanted: Vec<Wanted>) -> Result<Vec<Value>, Refusal> {
    let mut by_report: Vec<(Option<u64>, Vec<Expense>)> = Vec::new();
    let mut made = Vec::new();
    for Wanted { expense, report } in wanted {
        made.push((report, echo(&expense)));
        match by_report.iter_mut().find(|(known, _)| *known == report) {
            Some((_, expenses)) => expenses.push(expense),
            None => by_report.push((report, vec![expense])),
        }
    }
    let mut opened = None;
    for (report, expenses) in by_report {
        match report {
            Some(number) => attach(call, world, number, expenses),
            None => opened = Some(open_new(call, world, email, expenses)?),
        }
    }
    let with_report = |(report, mut echo): (Option<u64>, Value)| {
        echo["reportID"] = json!(report.or(opened).map(ids::report_id).unwrap_or_default());
        echo
    };
    Ok(made.into_iter().map(with_report).collect())
}

fn attach(call: &Call<'_>, world: &mut World, number: u64, expenses: Vec<Expense>) {
    let added: Vec<String> = expenses.iter().map(|expense| expense.id.clone()).collect();
    let detail = json!({ "field": "transactionList", "added": added });
    // The report was found in a fitting state under this same lock.
    let done =
        world.edit_report(number, detail, "MODIFIEDEXPENSE", call.moment, |report| report.expenses.extend(expenses));
    debug_assert!(done.is_ok(), "an added expense is visible");
}

fn open_new(call: &Call<'_>, world: &mut World, email: &str, expenses: Vec<Expense>) -> Result<u64, Refusal> {
    let policy = world.tenant.policy_of(email).ok_or_else(|| Refusal::new(500, "No policy to open a report on"))?;
    let title = format!("Expense Report {}", call.moment.server.strftime("%Y-%m-%d"));
    let report = Report::draft(&world.tenant, policy, email, title, call.moment.server);
    add(call, world, report, expenses)
}

/// Gives a draft a number and its expenses and puts it into the tenant.
pub(super) fn add(
    call: &Call<'_>,
    world: &mut World,
    mut report: Report,
    expenses: Vec<Expense>,
) -> Result<u64, Refusal> {
    report.number = ids::new_report_number(&mut world.rng);
    report.expenses = expenses;
    let number = report.number;
    world.add_report(report, json!({}), call.moment).map_err(|_| Refusal::new(500, "Internal error"))?;
    Ok(number)
}

fn echo(expense: &Expense) -> Value {
    json!({
        "amount": expense.amount, "created": expense.created.to_string(), "merchant": expense.merchant,
        "currency": expense.currency, "comment": expense.comment, "tag": expense.tag, "mcc": 0,
        "category": expense.category, "transactionID": expense.id,
    })
}
