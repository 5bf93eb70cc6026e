//! Which lines of a report differ between two moments.

use serde_json::{Value, json};

use super::report::Expense;

/// Each line that differs, as `{"transactionID","change"}` with `added`, `updated` or `removed`, in the order of the lists.
pub(crate) fn differences(before: &[Expense], after: &[Expense]) -> Vec<Value> {
    let told = |expense: &Expense, change: &str| json!({ "transactionID": expense.id, "change": change });
    let find = |list: &[Expense], id: &str| list.iter().find(|expense| expense.id == id).cloned();
    let gone = before.iter().filter(|line| find(after, &line.id).is_none()).map(|line| told(line, "removed"));
    let others = after.iter().filter_map(|line| match find(before, &line.id) {
        None => Some(told(line, "added")),
        Some(was) if was != *line => Some(told(line, "updated")),
        Some(_) => None,
    });
    gone.chain(others).collect()
}
