//! What the engine makes of the reports template.

use serde_json::Value;
use std::borrow::Borrow;

use super::{EngineSettings, scalar};

const REPORT: [&str; 19] = [
    "reportID",
    "oldReportID",
    "reportName",
    "status",
    "state",
    "stateNum",
    "accountEmail",
    "accountID",
    "managerEmail",
    "policyID",
    "policyName",
    "currency",
    "total",
    "created",
    "submitted",
    "approved",
    "reimbursed",
    "isACHReimbursed",
    "entryID",
];
/// The lists of a report, with the columns of each.
const LISTS: [(&str, &[&str]); 3] = [
    ("approvers", &["email", "date"]),
    ("actionList", &["action", "accountEmail", "created"]),
    ("transactionList", &EXPENSE),
];
const EXPENSE: [&str; 26] = [
    "transactionID",
    "type",
    "merchant",
    "modifiedMerchant",
    "amount",
    "modifiedAmount",
    "convertedAmount",
    "currency",
    "created",
    "modifiedCreated",
    "inserted",
    "category",
    "categoryGlCode",
    "tag",
    "tagGlCode",
    "comment",
    "reimbursable",
    "billable",
    "taxAmount",
    "modifiedTaxAmount",
    "taxName",
    "taxRate",
    "mcc",
    "modifiedMCC",
    "bank",
    "receiptID",
];
/// A text in which every hazard of the way shows.
const CANARY: &str = "<>&'\"\\/ \u{e9} \u{20ac} \u{1f600} \u{2028} \t  .";

/// The file that the engine writes for `reports`, each the data model of one report (reference §3.4 to §3.6) as JSON.
pub fn render_reports(reports: &[Value], nonce: &str, engine: &EngineSettings) -> String {
    render_each(reports.iter(), nonce, engine)
}

/// The same of models that are made one after the other: of a hundred thousand only one is held at a time.
pub(crate) fn render_each<Model: Borrow<Value>>(
    reports: impl ExactSizeIterator<Item = Model>,
    nonce: &str,
    engine: &EngineSettings,
) -> String {
    let rows = reports.len();
    let mut out = begin(rows, nonce, engine);
    out.push_str(",\"columns\":{\"report\":");
    names(&mut out, &REPORT);
    for (list, columns) in LISTS {
        out.push_str(&format!(",\"{list}\":"));
        names(&mut out, columns);
    }
    out.push_str("}}\n");
    for (index, report) in reports.enumerate() {
        row(&mut out, index, report.borrow(), engine);
    }
    out.push_str(&format!("{{\"t\":\"end\",\"nonce\":\"{nonce}\",\"rows\":{rows},\"faults\":0,\"done\":true}}\n"));
    out
}

/// The part of the begin record that both templates share, not yet closed.
pub(super) fn begin(size: usize, nonce: &str, engine: &EngineSettings) -> String {
    let header = engine.add_header;
    let mut out = format!(
        "{{\"t\":\"begin\",\"v\":1,\"nonce\":\"{nonce}\",\"addHeader\":{header},\"kind\":\"sequence\",\"size\":{size},\"engine\":"
    );
    scalar::quoted(&mut out, &engine.version);
    out.push_str(",\"locale\":");
    scalar::quoted(&mut out, &engine.locale);
    out.push_str(",\"canary\":");
    scalar::quoted(&mut out, CANARY);
    out
}

fn names(out: &mut String, columns: &[&str]) {
    out.push('[');
    for (index, column) in columns.iter().enumerate() {
        separate(out, index);
        scalar::quoted(out, column);
    }
    out.push(']');
}

fn row(out: &mut String, index: usize, report: &Value, engine: &EngineSettings) {
    out.push_str(&format!("{{\"t\":\"row\",\"i\":{index},\"report\":"));
    cells(out, report, &REPORT, engine);
    for (list, columns) in LISTS {
        out.push_str(&format!(",\"{list}\":"));
        match report.get(list) {
            None | Some(Value::Null) => out.push_str("[]"),
            Some(Value::Array(items)) => rows_of(out, items, columns, engine),
            other => scalar::value(out, other, engine),
        }
    }
    out.push_str("}\n");
}

fn rows_of(out: &mut String, items: &[Value], columns: &[&str], engine: &EngineSettings) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        separate(out, index);
        cells(out, item, columns, engine);
    }
    out.push(']');
}

/// `of` need not be an object: the template reads blanks from anything else.
fn cells(out: &mut String, of: &Value, columns: &[&str], engine: &EngineSettings) {
    out.push('[');
    for (index, column) in columns.iter().enumerate() {
        separate(out, index);
        scalar::value(out, of.get(column), engine);
    }
    out.push(']');
}

fn separate(out: &mut String, index: usize) {
    if index != 0 {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_line_is_json_and_the_counts_agree() {
        let reports = [json!({"reportID": "R1", "transactionList": [{"amount": 5}, null]}), json!(null)];
        let file = render_reports(&reports, "n", &EngineSettings::default());
        let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0]["size"], 2);
        assert_eq!(lines[1]["transactionList"][0][4], 5);
        assert_eq!(lines[2]["report"].as_array().map(Vec::len), Some(REPORT.len()));
        assert_eq!(lines[3]["rows"], 2);
    }
}
