//! A row of the export to a report of the model.

use event_model::{
    Approver, Expense, HistoryEntry, Report,
    history::{MAX_HISTORY, step_of},
};
use serde_json::Value;

use super::{
    ids, list,
    scalar::{self, Unfit, date, flag, integer, text},
    state::{self, Told},
};
use crate::rows::{ACTION, APPROVER, Cells, EXPENSE, REPORT, Row};

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

/// The canonical id of the report that a row shows.
pub(crate) fn id(row: &Row) -> Result<String, RowFault> {
    Ok(report_ids(&Cells::new(REPORT, &row.report).ok_or(RowFault::List("report"))?)?.0)
}

/// The id in a row or fault, for notices, if it can be read.
pub(crate) fn id_for_notice(value: Option<&Value>) -> String {
    value.and_then(|v| scalar::id("reportID", v).ok().flatten()).unwrap_or_else(|| "a report without id".to_owned())
}

/// The canonical id that a cell holds, if it holds one.
pub(crate) fn id_of(value: &Value) -> Option<String> {
    let id = scalar::id("reportID", value).ok().flatten()?;
    Some(ids::report_id(&id))
}

/// The report that a row shows, and what is worth a notice about it.
pub(crate) fn report(row: &Row, notice: &mut dyn FnMut(String)) -> Result<Report, RowFault> {
    let cells = &Cells::new(REPORT, &row.report).ok_or(RowFault::List("report"))?;
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
    let history = history(&row.action_list, &mut notice);
    Ok(Report {
        report_name: told("reportName")?,
        state,
        state_num,
        account_email: told("accountEmail")?,
        account_id: scalar::id("accountID", cells.get("accountID"))?,
        manager_email: told("managerEmail")?,
        policy_id: scalar::id("policyID", cells.get("policyID"))?.map(|id| ids::policy_id(&id)),
        policy_name: told("policyName")?,
        currency: told("currency")?,
        total: integer("total", cells.get("total"))?,
        created: day("created")?,
        submitted: day("submitted")?,
        approved,
        reimbursed,
        is_ach_reimbursed: Some(flag("isACHReimbursed", cells.get("isACHReimbursed"))?.unwrap_or(false)),
        entry_id: scalar::id("entryID", cells.get("entryID"))?,
        approvers,
        expenses,
        history,
        history_behind: false,
        report_id,
        old_report_id,
    })
}

/// The canonical id, and the decimal one if either key tells it.
fn report_ids(cells: &Cells<'_>) -> Result<(String, Option<String>), RowFault> {
    let given = scalar::id("reportID", cells.get("reportID"))?;
    let old = scalar::id("oldReportID", cells.get("oldReportID"))?;
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
        transaction_id: scalar::id("transactionID", cells.get("transactionID"))?
            .ok_or(RowFault::Missing("transactionID"))?,
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
        receipt_id: scalar::id("receiptID", cells.get("receiptID"))?,
    })
}

/// The corrected code, else the first one; 0 is the upstream's "unknown".
fn mcc(cells: &Cells<'_>) -> Result<Option<String>, RowFault> {
    let code = |column| {
        Ok::<_, RowFault>(scalar::id(column, cells.get(column))?.filter(|code| code.bytes().any(|b| b != b'0')))
    };
    Ok(code("modifiedMCC")?.or(code("mcc")?))
}

/// The steps of the history, sorted by time, each as often as it stands there: two of one day may be equal. Nothing may
/// depend on it, so what cannot be read in it is left out.
fn history(value: &Value, notice: &mut dyn FnMut(String)) -> Vec<HistoryEntry> {
    let Ok(rows) = rows_of("actionList", ACTION, value) else {
        notice("the history is no list and is left out".to_owned());
        return Vec::new();
    };
    let read: Vec<HistoryEntry> = rows.iter().filter_map(entry).collect();
    if read.len() < rows.len() {
        notice(format!("{} entries of the history cannot be read", rows.len() - read.len()));
    }
    let mut steps: Vec<HistoryEntry> = read.into_iter().filter(|entry| step_of(&entry.action).is_some()).collect();
    steps.sort();
    if steps.len() > MAX_HISTORY {
        notice(format!("{} early steps of the history are left out", steps.len() - MAX_HISTORY));
        steps.drain(..steps.len() - MAX_HISTORY);
    }
    steps
}

fn entry(cells: &Cells<'_>) -> Option<HistoryEntry> {
    Some(HistoryEntry {
        at: date("created", cells.get("created")).ok()?,
        action: text("action", cells.get("action")).ok()??.trim().to_uppercase(),
        actor: text("accountEmail", cells.get("accountEmail")).ok()?,
    })
}

#[cfg(test)]
mod tests;
