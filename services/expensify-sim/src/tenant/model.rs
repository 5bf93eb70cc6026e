//! The FreeMarker data model of one report (reference §3.4 to §3.6), as JSON.
//!
//! Blank is the empty string, as the live server prints nothing for it; amounts are numbers in minor units; keys that
//! only some expenses have (tax, multi-level tags) are absent from the others.

use serde_json::{Map, Value, json};

use super::dates::{date_time, optional_date_time};
use super::person::Person;
use super::report::{Action, Approver, Expense, Payment, Report, State};

/// What a template sees of a report.
pub(crate) fn report(report: &Report) -> Value {
    let id = report.id();
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    put("reportID", json!(id));
    put("oldReportID", json!(report.number.to_string()));
    put("reportName", json!(report.title));
    put("accountEmail", json!(report.submitter.email));
    put("accountID", json!(report.submitter.account_id.to_string()));
    put("submitterEmail", json!(report.submitter.email));
    put("submitterUserID", json!(report.submitter.employee_id));
    put("submitterPayrollID", json!(report.submitter.payroll_id));
    put("employeeCustomField1", json!(report.submitter.employee_id));
    put("employeeCustomField2", json!(report.submitter.payroll_id));
    put("submitter", names(&report.submitter));
    put("managerEmail", json!(report.manager.email));
    put("managerID", json!(report.manager.account_id.to_string()));
    put("managerUserID", json!(report.manager.employee_id));
    put("managerPayrollID", json!(report.manager.payroll_id));
    put("manager", names(&report.manager));
    put("policyID", json!(report.policy_id));
    put("policyName", json!(report.policy_name));
    put("currency", json!(report.currency));
    put("total", json!(report.total()));
    put("status", json!(report.strange_status.as_deref().unwrap_or_else(|| report.state.status())));
    put("state", json!(state_text(report)));
    put("stateNum", json!(state_num(report)));
    put("created", json!(date_time(report.created)));
    put("submitted", json!(optional_date_time(report.submitted)));
    put("approved", json!(optional_date_time(report.approved)));
    put("reimbursed", json!(optional_date_time(report.reimbursed)));
    put("isACHReimbursed", json!(matches!(report.payment, Some(Payment::Ach { .. }))));
    put("entryID", json!(entry_id(report)));
    put("approvers", report.approvers.iter().map(approver).collect());
    put("actionList", report.actions.iter().map(action).collect());
    put("customField", json!(report.custom_fields));
    put("transactionList", report.expenses.iter().map(|line| expense(line, &id)).collect());
    Value::Object(out)
}

fn names(person: &Person) -> Value {
    json!({ "firstName": person.first, "lastName": person.last, "fullName": person.full() })
}

fn entry_id(report: &Report) -> &str {
    match &report.payment {
        Some(Payment::Ach { entry_id, .. }) => entry_id,
        Some(Payment::Manual { .. }) | None => "",
    }
}

/// The older `state` text. The reference knows none for a closed report, so it is blank there.
fn state_text(report: &Report) -> String {
    if let Some(strange) = &report.strange_status {
        return strange.to_uppercase();
    }
    let known = match (report.state, &report.payment) {
        (State::Open, _) => "OPEN",
        (State::Submitted, _) => "SUBMITTED",
        (State::Approved, _) => "APPROVED",
        (State::Reimbursed, Some(Payment::Ach { withdrawing: true, .. })) => "BILLING",
        (State::Reimbursed, Some(Payment::Ach { .. })) => "AUTOREIMBURSED",
        (State::Reimbursed, _) => "MANUALREIMBURSED",
        (State::Archived, _) => "",
    };
    known.to_owned()
}

/// A number that the reference does not know.
const STRANGE_STATE_NUM: u8 = 9;

fn state_num(report: &Report) -> u8 {
    if report.strange_status.is_some() {
        return STRANGE_STATE_NUM;
    }
    match (report.state, &report.payment) {
        (State::Open, _) => 0,
        (State::Submitted, _) => 1,
        (State::Reimbursed, Some(Payment::Ach { withdrawing: true, .. })) => 3,
        (State::Reimbursed, Some(Payment::Ach { .. })) => 6,
        (State::Approved | State::Reimbursed | State::Archived, _) => 2,
    }
}

fn approver(approver: &Approver) -> Value {
    json!({
        "email": approver.person.email,
        "date": date_time(approver.at),
        "firstName": approver.person.first,
        "lastName": approver.person.last,
        "fullName": approver.person.full(),
        "employeeUserID": approver.person.employee_id,
        "employeePayrollID": approver.person.payroll_id,
    })
}

fn action(action: &Action) -> Value {
    json!({
        "action": action.action,
        "accountEmail": action.email,
        "created": date_time(action.at),
        "details": action.details,
    })
}

fn expense(expense: &Expense, report_id: &str) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    put("transactionID", json!(expense.id));
    put("reportID", json!(report_id));
    put("type", json!("expense"));
    put("isDistance", json!(false));
    put("merchant", json!(expense.merchant));
    put("modifiedMerchant", json!(expense.modified_merchant.as_deref().unwrap_or("")));
    put("amount", json!(expense.amount));
    put("modifiedAmount", expense.modified_amount.map_or_else(|| json!(""), |amount| json!(amount)));
    put("convertedAmount", json!(expense.converted()));
    put("currency", json!(expense.currency));
    put("currencyConversionRate", json!(rate(expense.rate_millionths)));
    put("created", json!(expense.created.to_string()));
    put("modifiedCreated", json!(""));
    put("inserted", json!(date_time(expense.inserted)));
    put("category", json!(expense.category));
    put("categoryGlCode", json!(expense.category_gl_code));
    put("categoryPayrollCode", json!(""));
    put("tag", json!(expense.tag));
    put("tagGlCode", json!(expense.tag_gl_code));
    put("comment", json!(expense.comment));
    put("reimbursable", json!(expense.reimbursable));
    put("billable", json!(expense.billable));
    put("hasTax", json!(expense.tax.is_some()));
    put("mcc", json!(expense.mcc));
    put("modifiedMCC", json!(""));
    put("bank", json!(expense.bank));
    put("cardNumber", json!(expense.card_number));
    put("externalID", json!(expense.external_id));
    put("attendees", json!([]));
    put("receiptID", json!(expense.receipt_id));
    put("receiptFilename", json!(expense.receipt_filename));
    put("receiptObject", receipt(expense));
    if let Some(tax) = &expense.tax {
        put("taxAmount", json!(tax.amount));
        put("modifiedTaxAmount", json!(""));
        put("taxName", json!(tax.name));
        put("taxRateName", json!(tax.name));
        put("taxRate", json!(tax.rate));
        put("taxCode", json!(tax.rate_id));
    }
    for (level, name) in tag_levels(&expense.tag).into_iter().enumerate() {
        put(&format!("ntag{}", level + 1), json!(name));
    }
    Value::Object(out)
}

/// Empty when there is no receipt, as the reference warns.
fn receipt(expense: &Expense) -> Value {
    if expense.receipt_id.is_empty() {
        return json!({});
    }
    json!({
        "url": format!("https://www.expensify.com/receipts/w_{:0>40}.jpg", expense.receipt_id),
        "transactionID": expense.id,
        "type": "jpg",
    })
}

/// The levels of a multi-level tag: joined by `:`, a colon inside a level written `\:`. One level has no `ntag` keys.
fn tag_levels(tag: &str) -> Vec<String> {
    let mut levels = vec![String::new()];
    let mut rest = tag.chars().peekable();
    while let Some(next) = rest.next() {
        let literal = match (next, rest.peek()) {
            ('\\', Some(':')) => rest.next(),
            (':', _) => None,
            (other, _) => Some(other),
        };
        match (literal, levels.last_mut()) {
            (Some(literal), Some(level)) => level.push(literal),
            _ => levels.push(String::new()),
        }
    }
    if levels.len() < 2 { Vec::new() } else { levels }
}

fn rate(millionths: i64) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_splits_at_bare_colons_only() {
        assert_eq!(tag_levels("Ops"), Vec::<String>::new());
        assert_eq!(tag_levels(r"Ops:Berlin\: Mitte:3"), ["Ops", "Berlin: Mitte", "3"]);
    }

    #[test]
    fn a_rate_is_written_without_trailing_zeros() {
        assert_eq!(rate(1_000_000), "1");
        assert_eq!(rate(1_085_000), "1.085");
    }
}
