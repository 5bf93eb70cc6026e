//! What the engine makes of the doctor template.

use serde_json::{Map, Value};

use super::{EngineSettings, reports, scalar};

const REPORT: [&str; 35] = [
    "reportID",
    "oldReportID",
    "reportName",
    "status",
    "displayStatus",
    "state",
    "stateNum",
    "accountEmail",
    "accountID",
    "submitterEmail",
    "submitter",
    "submitterUserID",
    "submitterPayrollID",
    "employeeCustomField1",
    "employeeCustomField2",
    "managerEmail",
    "managerID",
    "managerUserID",
    "managerPayrollID",
    "manager",
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
    "customField",
    "tag",
    "approvers",
    "actionList",
    "transactionList",
];
const APPROVER: [&str; 7] =
    ["email", "date", "firstName", "lastName", "fullName", "employeeUserID", "employeePayrollID"];
const ACTION: [&str; 4] = ["action", "accountEmail", "created", "details"];
const EXPENSE: [&str; 45] = [
    "transactionID",
    "reportID",
    "type",
    "isDistance",
    "merchant",
    "modifiedMerchant",
    "amount",
    "modifiedAmount",
    "convertedAmount",
    "currency",
    "currencyConversionRate",
    "created",
    "modifiedCreated",
    "inserted",
    "category",
    "categoryGlCode",
    "categoryPayrollCode",
    "tag",
    "tagGlCode",
    "ntag1",
    "ntag1GlCode",
    "comment",
    "reimbursable",
    "billable",
    "hasTax",
    "taxAmount",
    "modifiedTaxAmount",
    "taxName",
    "taxRate",
    "taxRateName",
    "taxCode",
    "mcc",
    "modifiedMCC",
    "bank",
    "cardID",
    "cardNumber",
    "cardName",
    "externalID",
    "units",
    "attendees",
    "receiptID",
    "receiptFilename",
    "receiptObject",
    "nameValuePairs",
    "details",
];
/// So many keys of a report are named at most.
const KEYS_AT_MOST: usize = 200;

/// The file that the engine writes for `reports` (see [`super::render_reports`]); it shows the first of them.
pub fn render_doctor(reports: &[Value], nonce: &str, engine: &EngineSettings) -> String {
    let mut out = reports::begin(reports.len(), nonce, engine);
    out.push_str("}\n");
    probes(&mut out, engine);
    if let Some(first) = reports.first() {
        keys(&mut out, first);
        kinds(&mut out, "report", first, &REPORT);
        for (list, columns) in [("approvers", &APPROVER[..]), ("actionList", &ACTION), ("transactionList", &EXPENSE)] {
            if let Some(item) = first.get(list).and_then(|items| items.get(0)) {
                kinds(&mut out, list, item, columns);
            }
        }
    }
    out.push_str(&format!("{{\"t\":\"end\",\"nonce\":\"{nonce}\"}}\n"));
    out
}

fn probes(out: &mut String, engine: &EngineSettings) {
    let failed = if engine.blanks_failures { "[]" } else { "ERROR" };
    let number = if engine.groups_numbers { "[1,234,567.5]" } else { "[1234567.5]" };
    for (name, shown) in [("undefined", failed), ("boolean", failed), ("number", number), ("escaping", "[<&]")] {
        out.push_str(&format!("{{\"t\":\"probe\",\"name\":\"{name}\",\"shown\":\"{shown}\"}}\n"));
    }
    out.push_str("{\"t\":\"probe\",\"name\":\"encoding\",\"shown\":");
    match &engine.encoding {
        Some(encoding) => scalar::quoted(out, encoding),
        None => out.push_str("null"),
    }
    out.push_str("}\n");
}

fn keys(out: &mut String, report: &Value) {
    out.push_str("{\"t\":\"keys\",\"of\":\"report\",\"names\":[");
    for (index, key) in report.as_object().into_iter().flat_map(Map::keys).take(KEYS_AT_MOST).enumerate() {
        if index != 0 {
            out.push(',');
        }
        scalar::quoted(out, key);
    }
    out.push_str("]}\n");
}

fn kinds(out: &mut String, of: &str, item: &Value, columns: &[&str]) {
    out.push_str(&format!("{{\"t\":\"kinds\",\"of\":\"{of}\",\"kinds\":["));
    for (index, column) in columns.iter().enumerate() {
        if index != 0 {
            out.push(',');
        }
        let kind = match item.get(column) {
            None | Some(Value::Null) => "missing",
            Some(Value::Bool(_)) => "boolean ",
            Some(Value::Number(_)) => "number ",
            Some(Value::String(_)) => "string ",
            Some(Value::Array(_)) => "sequence ",
            Some(Value::Object(_)) => "hash ",
        };
        out.push_str(&format!("[\"{column}\",\"{kind}\"]"));
    }
    out.push_str("]}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_are_shown_and_values_are_not() {
        let report = json!({"reportID": "R1", "total": 5, "transactionList": [{"merchant": "Secret"}]});
        let file = render_doctor(&[report], "n", &EngineSettings::default());
        for line in file.lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
        assert!(file.contains("[\"total\",\"number \"]"));
        assert!(!file.contains("Secret"));
    }
}
