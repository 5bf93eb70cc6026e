//! Data models with teeth, as JSON: each a list of reports.

use expensify_client::rows;
use serde_json::{Map, Value, json};

/// A whole, ordinary report.
pub fn report(number: usize) -> Value {
    json!({
        "reportID": format!("R{number:011}"), "oldReportID": number.to_string(), "reportName": format!("Trip {number}"),
        "status": "Approved", "state": "APPROVED", "stateNum": 2, "accountEmail": "sam@acme.example",
        "accountID": "4711", "managerEmail": "lee@acme.example", "policyID": "A1B2C3D4E5F60718",
        "policyName": "Field Ops", "currency": "USD", "total": 1_234_567 + number, "created": "2026-04-01 08:00:00",
        "submitted": "2026-04-02 09:30:00", "approved": "2026-04-03", "reimbursed": "", "isACHReimbursed": false,
        "entryID": "",
        "approvers": [{ "email": "lee@acme.example", "date": "2026-04-03 10:00:00", "firstName": "Lee" }],
        "actionList": [
            { "action": "SUBMITTED", "accountEmail": "sam@acme.example", "created": "2026-04-02 09:30:00", "details": {} },
            { "action": "APPROVED", "accountEmail": "lee@acme.example", "created": "2026-04-03 10:00:00", "details": {} },
        ],
        "transactionList": [expense(number * 2), expense(number * 2 + 1)],
    })
}

fn expense(number: usize) -> Value {
    json!({
        "transactionID": (4_000_000_000_000_000_000_u64 + number as u64).to_string(), "type": "expense",
        "merchant": "Gare Hotel", "modifiedMerchant": "", "amount": 20_400, "modifiedAmount": "",
        "convertedAmount": 22_275, "currency": "EUR", "created": "2026-04-01", "modifiedCreated": "",
        "inserted": "2026-04-01 20:15:00", "category": "Lodging", "categoryGlCode": "6100", "tag": "Ops:Berlin\\: Mitte",
        "tagGlCode": "10", "comment": "two  blanks", "reimbursable": true, "billable": false, "taxAmount": 3400,
        "modifiedTaxAmount": "", "taxName": "VAT", "taxRate": 20, "mcc": 7011, "modifiedMCC": "", "bank": "vcf",
        "receiptID": "99", "receiptObject": {},
    })
}

pub fn ordinary(count: usize) -> Vec<Value> {
    (0..count).map(report).collect()
}

/// Texts that break a careless template: control characters, markup, quotes, line separators, all of Unicode's planes.
pub fn texts() -> Vec<String> {
    let control = (0..0x20).chain(0x7f..0xa0).chain([0x2028, 0x2029, 0xfeff, 0xfffd, 0x1f600, 0x10ffff]);
    let mut texts: Vec<String> = control.filter_map(char::from_u32).map(|c| format!("a{c}b{c}{c}")).collect();
    for text in [
        "\"",
        "\\",
        "\\\"",
        "\\\\\"\\",
        "'",
        "''\"",
        "<",
        ">",
        "</script>",
        "<!-- x -->",
        "]]>",
        "<![CDATA[",
        "<?x?>",
        "&amp;lt;x",
        "& &lt;",
        "/",
        "//x",
        "</",
        "\\/",
        "${1+1}",
        "#{1}",
        "<#if x>",
        "<@xwValue 1/>",
        "[=x]",
        "{",
        "}",
        "[1,2",
        "null",
        "true",
        "0",
        "-1",
        "1e5",
        "1,234",
        "  two  blanks  ",
        "\n",
        "\r\n\t",
        "é€😀",
        "٣",
        "\\u0022",
        "{\"t\":\"end\",\"rows\":1}",
        "x\n{\"t\":\"end\"}\n",
        "line\u{2028}separator",
        "\u{202e}turned",
    ] {
        texts.push(text.to_owned());
    }
    texts
}

/// Each text at every place where a text may stand.
pub fn hostile() -> Vec<Value> {
    let texts = texts();
    let with = |(number, text): (usize, &String)| {
        let mut report = report(number);
        for key in ["reportName", "accountEmail", "managerEmail", "policyName", "currency"] {
            report[key] = json!(text);
        }
        for expense in report["transactionList"].as_array_mut().into_iter().flatten() {
            for key in ["merchant", "comment", "tag", "category", "taxName"] {
                expense[key] = json!(text);
            }
        }
        report["approvers"][0]["email"] = json!(text);
        report["actionList"][0]["action"] = json!(text);
        report
    };
    texts.iter().enumerate().map(with).collect()
}

/// Values of every kind at every key, keys that are missing, elements that are no objects.
pub fn odd() -> Vec<Value> {
    let values = [
        json!(null),
        json!(""),
        json!([]),
        json!({}),
        json!([1]),
        json!([[]]),
        json!([null]),
        json!({"a": 1}),
        json!(true),
        json!(12),
        json!("12"),
        json!("text"),
        json!([null, {}, "x", 3, [], {"email": "e"}]),
    ];
    let mut reports = vec![json!(null), json!({}), json!("text"), json!(7), json!([]), json!([1]), json!(true)];
    for key in rows::REPORT.iter().chain(&["approvers", "actionList", "transactionList"]) {
        for value in &values {
            let mut with = report(reports.len());
            with[*key] = value.clone();
            reports.push(with);
        }
        let mut without = report(reports.len());
        without.as_object_mut().map(|object| object.remove(*key));
        reports.push(without);
    }
    for value in &values {
        let all =
            |columns: &[&str]| columns.iter().map(|key| ((*key).to_owned(), value.clone())).collect::<Map<_, _>>();
        let mut with = report(reports.len());
        with["transactionList"] = json!([all(rows::EXPENSE)]);
        with["approvers"] = json!([all(rows::APPROVER)]);
        with["actionList"] = json!([all(rows::ACTION)]);
        reports.push(with);
    }
    reports
}

/// Numbers of every size, and texts that look like numbers.
pub fn numbers() -> Vec<Value> {
    let numbers = [
        json!(0),
        json!(-1),
        json!(999),
        json!(1000),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(0.1),
        json!(1234.5),
        json!(-0.25),
        json!(1e15),
        json!(1e20),
        json!(1.5e-7),
        json!(100.0),
        json!("1234567"),
        json!("1,234"),
        json!("-5"),
        json!(" 7 "),
        json!("1e3"),
    ];
    let with = |(number, value): (usize, &Value)| {
        let mut report = report(number);
        report["total"] = value.clone();
        report["reportID"] = json!(format!("R{number:011}"));
        report["accountID"] = value.clone();
        report["transactionList"][0]["amount"] = value.clone();
        report["transactionList"][1]["taxRate"] = value.clone();
        report
    };
    numbers.iter().enumerate().map(with).collect()
}

/// The data model of a template.
pub fn root(reports: &[Value]) -> Value {
    json!({ "addHeader": true, "reports": reports, "request": { "requesterEmail": "cfo@acme.example" } })
}
