//! The records of an export file, as the reports template writes them: one JSON object a line, told apart by `t`.
//! Strict: a key that is missing, unknown or there twice is no record.

use serde::Deserialize;
use serde_json::Value;

/// Version of the records; grows when the template changes what it writes.
pub(crate) const VERSION: u32 = 1;

/// A text in which every hazard of the way shows: markup, quotes, two-, three- and four-byte characters, a line
/// separator, a tab, blanks side by side.
pub(crate) const CANARY: &str = "<>&'\"\\/ \u{e9} \u{20ac} \u{1f600} \u{2028} \t  .";

/// Columns of a row's `report`, in the template's order.
pub const REPORT: &[&str] = &[
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
/// Columns of a row's `approvers`.
pub const APPROVER: &[&str] = &["email", "date"];
/// Columns of a row's `actionList`.
pub const ACTION: &[&str] = &["action", "accountEmail", "created"];
/// Columns of a row's `transactionList`.
pub const EXPENSE: &[&str] = &[
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

/// First record of a block.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Begin {
    #[serde(rename = "t")]
    _t: String,
    pub(crate) v: u32,
    pub(crate) nonce: String,
    pub(crate) add_header: Value,
    pub(crate) kind: String,
    pub(crate) size: Option<u64>,
    pub(crate) engine: Value,
    pub(crate) locale: Value,
    pub(crate) canary: String,
    pub(crate) columns: Columns,
}

/// What the rows' arrays hold.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Columns {
    report: Vec<String>,
    approvers: Vec<String>,
    action_list: Vec<String>,
    transaction_list: Vec<String>,
}

impl Columns {
    /// They are those that this version reads.
    pub(crate) fn are_ours(&self) -> bool {
        self.report == REPORT
            && self.approvers == APPROVER
            && self.action_list == ACTION
            && self.transaction_list == EXPENSE
    }
}

/// One report.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Row {
    t: String,
    pub(crate) i: u64,
    pub(crate) report: Vec<Value>,
    pub(crate) approvers: Value,
    pub(crate) action_list: Value,
    pub(crate) transaction_list: Value,
}

/// A report that the engine could not render.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Fault {
    #[serde(rename = "t")]
    _t: String,
    pub(crate) i: u64,
    #[serde(rename = "reportID")]
    pub(crate) report_id: Value,
    pub(crate) message: String,
}

/// Last record of a block.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct End {
    #[serde(rename = "t")]
    _t: String,
    pub(crate) nonce: String,
    pub(crate) rows: u64,
    pub(crate) faults: u64,
    pub(crate) done: bool,
}

/// A line of the file.
#[derive(Debug)]
pub(crate) enum Record {
    Begin(Box<Begin>),
    /// To be read by [`row`].
    Row,
    Fault(Fault),
    End(End),
}

/// The record that a line holds, if it holds exactly one; of a row only that it calls itself one.
pub(crate) fn record(line: &str) -> Option<Record> {
    let kind = line.strip_prefix("{\"t\":\"")?.split('"').next()?;
    match kind {
        "begin" => serde_json::from_str(line).ok().map(|begin| Record::Begin(Box::new(begin))),
        "row" => Some(Record::Row),
        "fault" => serde_json::from_str(line).ok().map(Record::Fault),
        "end" => serde_json::from_str(line).ok().map(Record::End),
        _ => None,
    }
}

/// The row that a line holds, if it holds exactly one.
pub(crate) fn row(line: &[u8]) -> Option<Row> {
    serde_json::from_slice(line).ok().filter(|row: &Row| row.t == "row")
}

/// The values of one array of a row, by the names of their columns.
pub(crate) struct Cells<'a> {
    columns: &'static [&'static str],
    values: &'a [Value],
}

impl<'a> Cells<'a> {
    /// `None` when there are not as many values as columns.
    pub(crate) fn new(columns: &'static [&'static str], values: &'a [Value]) -> Option<Self> {
        (columns.len() == values.len()).then_some(Self { columns, values })
    }

    /// The value of one column; null for a name that is no column.
    pub(crate) fn get(&self, column: &str) -> &'a Value {
        let at = self.columns.iter().position(|name| *name == column);
        at.and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_a_key_twice_missing_or_unknown_is_none() {
        let good = r#"{"t":"end","nonce":"n","rows":1,"faults":0,"done":true}"#;
        assert!(matches!(record(good), Some(Record::End(End { rows: 1, .. }))));
        for bad in [
            r#"{"t":"end","nonce":"n","rows":1,"rows":2,"faults":0,"done":true}"#,
            r#"{"t":"end","t":"end","nonce":"n","rows":1,"faults":0,"done":true}"#,
            r#"{"t":"end","nonce":"n","rows":1,"done":true}"#,
            r#"{"t":"end","nonce":"n","rows":1,"faults":0,"done":true,"more":1}"#,
            r#"{"t":"end","nonce":"n","rows":1,"faults":0,"done":true} "x""#,
            r#"{"t":"end","nonce":"n","rows":1,"faults":0,"done":true"#,
            r#"{"t":"else"}"#,
            "",
        ] {
            assert!(record(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_row_is_read_strictly() {
        let good = r#"{"t":"row","i":5,"report":["R1"],"approvers":[],"actionList":[],"transactionList":[]}"#;
        assert_eq!(row(good.as_bytes()).map(|row| row.i), Some(5));
        for (from, to) in [
            ("[\"R1\"]", "[,1]"),
            ("\"row\"", "\"end\""),
            ("\"i\":5", "\"i\":05"),
            ("\"i\":5", "\"i\":5,\"i\":5"),
            ("]}", "],\"report\":[]}"),
            ("]}", "],\"more\":[]}"),
            ("]}", "]"),
            ("]}", "]} 1"),
        ] {
            assert!(row(good.replace(from, to).as_bytes()).is_none(), "{from} {to}");
        }
        let garbled: Vec<u8> = good.bytes().map(|b| if b == b'R' { 0xe9 } else { b }).collect();
        assert!(row(&garbled).is_none(), "not UTF-8");
    }
}
