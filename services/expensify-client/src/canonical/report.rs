//! A row of the export to a report of the model.

use event_model::{
    Expense, Report,
    report::{Approver, HistoryEntry, ObservedReport},
};
use serde_json::Value;

use super::{
    ids, list,
    scalar::{self, Unfit, date, flag, id, integer, text},
    state::{self, Told},
};
use crate::rows::{ACTION, APPROVER, Cells, EXPENSE, REPORT, Row};

/// So many entries of one report's history are kept, the latest: a report that was touched every day for two years.
const MAX_HISTORY: usize = 1000;

/// Why a row is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowFault {
    #[error("{0}")]
    Unfit(#[from] Unfit),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} is not a list of rows of its columns")]
    List(&'static str),
}

/// The report that a row shows, and what is worth a notice about it.
pub(crate) fn observed(row: &Row, notice: &mut dyn FnMut(String)) -> Result<ObservedReport, RowFault> {
    let cells = Cells::new(REPORT, &row.report).ok_or(RowFault::List("report"))?;
    let report = report(&cells, row, notice)?;
    let history = history(&row.action_list, &mut |text| notice(format!("{}: {text}", report.report_id)));
    Ok(ObservedReport { report, history })
}

/// The id in a row or fault, for notices, if it can be read.
pub(crate) fn id_for_notice(value: Option<&Value>) -> String {
    value.and_then(|v| scalar::id("reportID", v).ok().flatten()).unwrap_or_else(|| "a report without id".to_owned())
}

fn report(cells: &Cells<'_>, row: &Row, notice: &mut dyn FnMut(String)) -> Result<Report, RowFault> {
    let (report_id, old_report_id) = report_ids(cells)?;
    let mut notice = |text: String| notice(format!("{report_id}: {text}"));
    let told = |column| text(column, cells.get(column));
    let day = |column| date(column, cells.get(column));
    let (approved, reimbursed) = (day("approved")?, day("reimbursed")?);
    let state_num = integer("stateNum", cells.get("stateNum"))?;
    let (status, state_text) = (told("status")?, told("state")?);
    let said = Told { status: status.as_deref(), state: state_text.as_deref(), state_num, approved, reimbursed };
    let state = state::resolve(&said).ok_or(RowFault::Missing("status"))?;
    if !state::known(&state) {
        notice(format!("unknown state {}", state.as_str()));
    }
    let approvers = approvers(&row.approvers, &mut notice)?;
    let expenses = expenses(&row.transaction_list, &mut notice)?;
    Ok(Report {
        report_name: told("reportName")?,
        state,
        state_num,
        account_email: told("accountEmail")?,
        account_id: id("accountID", cells.get("accountID"))?,
        manager_email: told("managerEmail")?,
        policy_id: id("policyID", cells.get("policyID"))?.map(|id| ids::policy_id(&id)),
        policy_name: told("policyName")?,
        currency: told("currency")?,
        total: integer("total", cells.get("total"))?,
        created: day("created")?,
        submitted: day("submitted")?,
        approved,
        reimbursed,
        is_ach_reimbursed: Some(flag("isACHReimbursed", cells.get("isACHReimbursed"))?.unwrap_or(false)),
        entry_id: id("entryID", cells.get("entryID"))?,
        approvers,
        expenses,
        report_id,
        old_report_id,
    })
}

/// The canonical id, and the decimal one if either key tells it.
fn report_ids(cells: &Cells<'_>) -> Result<(String, Option<String>), RowFault> {
    let given = id("reportID", cells.get("reportID"))?;
    let old = id("oldReportID", cells.get("oldReportID"))?;
    let first = given.as_ref().or(old.as_ref()).ok_or(RowFault::Missing("reportID"))?;
    let canonical = ids::report_id(first);
    let decimal = old.or_else(|| given.filter(|id| ids::decimal(id).is_some()));
    Ok((canonical, decimal))
}

/// The rows of a list. Blank is no rows; whatever else is no array was no list.
fn rows_of<'a>(
    name: &'static str,
    columns: &'static [&'static str],
    value: &'a Value,
) -> Result<Vec<Cells<'a>>, RowFault> {
    let items = match value {
        Value::Array(items) => items,
        Value::Null => return Ok(Vec::new()),
        Value::String(text) if text.trim().is_empty() => return Ok(Vec::new()),
        Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return Err(RowFault::List(name)),
    };
    items
        .iter()
        .map(|item| item.as_array().and_then(|values| Cells::new(columns, values)).ok_or(RowFault::List(name)))
        .collect()
}

/// An approver without email cannot be told from another and is left out.
fn approvers(value: &Value, notice: &mut dyn FnMut(String)) -> Result<Vec<Approver>, RowFault> {
    let mut approvers = Vec::new();
    for cells in rows_of("approvers", APPROVER, value)? {
        match text("email", cells.get("email"))? {
            Some(email) => approvers.push(Approver { date: date("date", cells.get("date"))?, email }),
            None => notice("an approver without email is left out".to_owned()),
        }
    }
    approvers.sort();
    approvers.dedup();
    Ok(approvers)
}

fn expenses(value: &Value, notice: &mut dyn FnMut(String)) -> Result<Vec<Expense>, RowFault> {
    let rows = rows_of("transactionList", EXPENSE, value)?;
    let read: Vec<Expense> = rows.iter().map(expense).collect::<Result<_, _>>()?;
    let (expenses, twice) = list::by_key(read, |expense| expense.transaction_id.clone());
    for id in twice {
        notice(format!("expense {id} stands twice and differs; the last is taken"));
    }
    Ok(expenses)
}

fn expense(cells: &Cells<'_>) -> Result<Expense, RowFault> {
    let told = |column| text(column, cells.get(column));
    let cents = |column| integer(column, cells.get(column));
    let day = |column| date(column, cells.get(column));
    let yes = |column| flag(column, cells.get(column));
    Ok(Expense {
        transaction_id: id("transactionID", cells.get("transactionID"))?.ok_or(RowFault::Missing("transactionID"))?,
        expense_type: told("type")?,
        merchant: told("merchant")?,
        modified_merchant: told("modifiedMerchant")?,
        amount: cents("amount")?,
        modified_amount: cents("modifiedAmount")?,
        converted_amount: cents("convertedAmount")?,
        currency: told("currency")?,
        created: day("created")?,
        modified_created: day("modifiedCreated")?,
        inserted: day("inserted")?,
        category: told("category")?,
        category_gl_code: told("categoryGlCode")?,
        tag: told("tag")?,
        tag_gl_code: told("tagGlCode")?,
        comment: told("comment")?,
        reimbursable: yes("reimbursable")?,
        billable: yes("billable")?,
        tax_amount: cents("modifiedTaxAmount")?.or(cents("taxAmount")?),
        tax_name: told("taxName")?,
        tax_rate: told("taxRate")?,
        mcc: mcc(cells)?,
        bank: told("bank")?,
        receipt_id: id("receiptID", cells.get("receiptID"))?,
    })
}

/// The corrected code, else the first one; 0 is the upstream's "unknown".
fn mcc(cells: &Cells<'_>) -> Result<Option<String>, RowFault> {
    let code =
        |column| Ok::<_, RowFault>(id(column, cells.get(column))?.filter(|code| code.bytes().any(|b| b != b'0')));
    Ok(code("modifiedMCC")?.or(code("mcc")?))
}

/// The history, sorted by time. Nothing may depend on it, so what cannot be read in it is left out.
fn history(value: &Value, notice: &mut dyn FnMut(String)) -> Vec<HistoryEntry> {
    let Ok(rows) = rows_of("actionList", ACTION, value) else {
        notice("the history is no list and is left out".to_owned());
        return Vec::new();
    };
    let mut history: Vec<HistoryEntry> = rows.iter().filter_map(entry).collect();
    if history.len() < rows.len() {
        notice(format!("{} entries of the history cannot be read", rows.len() - history.len()));
    }
    history.sort();
    history.dedup();
    if history.len() > MAX_HISTORY {
        notice(format!("{} early entries of the history are left out", history.len() - MAX_HISTORY));
        history.drain(..history.len() - MAX_HISTORY);
    }
    history
}

fn entry(cells: &Cells<'_>) -> Option<HistoryEntry> {
    Some(HistoryEntry {
        created: date("created", cells.get("created")).ok()?,
        action: text("action", cells.get("action")).ok()??.trim().to_uppercase(),
        actor: text("accountEmail", cells.get("accountEmail")).ok()?,
    })
}

#[cfg(test)]
mod tests;
