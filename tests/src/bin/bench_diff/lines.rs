//! Export files made cheaply: one row as our template writes it, of which the places that differ from report to report are
//! overwritten, in pieces as a network would deliver them.

use bytes::{BufMut, Bytes, BytesMut};
use expensify_client::{rows, template::Nonce};
use serde_json::{Value, json};

/// Expenses of a report.
const EXPENSES: usize = 7;
/// Of so many reports one changes in a round.
pub const CHANGES_ONE_IN: u64 = 1000;
/// Bytes of a piece; a line in some fifty spans two of them.
const PIECE_BYTES: usize = 64 * 1024;
/// Stand in the row for what is overwritten: a report's number, an expense's, an amount.
const REPORT: &str = "NNNNNNNNNNN";
const EXPENSE: &str = "EEEEEEEEEEEEEEEEEEE";
const AMOUNT: &str = "AAAAAAA";

/// The text of rows, and where in it numbers are to be written: the report's, the expenses', and the amounts of the report and
/// of its first expense.
pub struct Rows {
    text: String,
    report: usize,
    expenses: Vec<usize>,
    amounts: Vec<usize>,
}

impl Rows {
    pub fn new() -> Self {
        let expense = |amount: &str| {
            format!(
                r#"["{EXPENSE}","expense","Gare Hotel","",{amount},"",22275,"EUR","2026-04-01","","","Lodging","6100","Ops","","",true,false,"","","","","","","",""]"#
            )
        };
        let mut expenses = vec![expense("20400"); EXPENSES];
        expenses[0] = expense(AMOUNT);
        let text = format!(
            r#""report":["R{REPORT}","2080715894610667","Trip to Lyon","Processing","SUBMITTED",1,"sam@acme.example","4711","lee@acme.example","A1B2C3D4E5F60718","Field Ops","EUR",{AMOUNT},"2026-04-01 08:00:00","2026-04-02 09:30:00","","",false,""],"approvers":[],"actionList":[["SUBMITTED","sam@acme.example","2026-04-02 09:30:00"]],"transactionList":[{}]}}"#,
            expenses.join(",")
        );
        let places = |mark: &str| text.match_indices(mark).map(|(at, _)| at).collect::<Vec<_>>();
        let (report, expenses, amounts) = (places(REPORT)[0], places(EXPENSE), places(AMOUNT));
        Self { text, report, expenses, amounts }
    }

    /// Appends the row of report `n` at place `i`. A version is an amount that is larger by so much.
    fn put(&self, out: &mut BytesMut, i: u64, n: u64, version: u64) {
        out.put_slice(br#"{"t":"row","i":"#);
        let mut digits = [0; 20];
        let number = decimal(i, &mut digits);
        out.put_slice(number);
        out.put_u8(b',');
        let row = out.len();
        out.put_slice(self.text.as_bytes());
        let row = &mut out[row..];
        write(&mut row[self.report..self.report + REPORT.len()], n);
        for (at, expense) in self.expenses.iter().zip(0..) {
            write(&mut row[*at..at + EXPENSE.len()], 4_000_000_000_000_000_000 + n * EXPENSES as u64 + expense);
        }
        for at in &self.amounts {
            write(&mut row[*at..at + AMOUNT.len()], 1_000_000 + n % 1_000_000 + version);
        }
        out.put_u8(b'\n');
    }

    /// Bytes of a row, but for its number.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }
}

/// The version of report `n` in round `round`: one in [`CHANGES_ONE_IN`] changes, each round others.
fn version(n: u64, round: u64) -> u64 {
    u64::from(n % CHANGES_ONE_IN < round)
}

/// One export of `reports` reports.
pub struct File<'a> {
    rows: &'a Rows,
    nonce: Nonce,
    reports: u64,
    round: u64,
    next: u64,
    ended: bool,
    made: BytesMut,
}

impl<'a> File<'a> {
    pub fn new(rows: &'a Rows, nonce: Nonce, reports: u64, round: u64) -> Self {
        let mut made = BytesMut::new();
        made.put_slice(begin(&nonce, reports).as_bytes());
        Self { rows, nonce, reports, round, next: 0, ended: false, made }
    }

    /// The next piece, cut where it is full.
    pub fn piece(&mut self) -> Option<Bytes> {
        self.made.reserve(PIECE_BYTES + 2 * self.rows.text.len());
        while self.made.len() < PIECE_BYTES && self.next < self.reports {
            self.rows.put(&mut self.made, self.next, self.next, version(self.next, self.round));
            self.next += 1;
        }
        if self.next == self.reports && !self.ended {
            self.made.put_slice(end(&self.nonce, self.reports).as_bytes());
            self.ended = true;
        }
        let piece = self.made.split_to(self.made.len().min(PIECE_BYTES)).freeze();
        (!piece.is_empty()).then_some(piece)
    }
}

fn begin(nonce: &Nonce, reports: u64) -> String {
    let columns = json!({ "report": rows::REPORT, "approvers": rows::APPROVER, "actionList": rows::ACTION,
        "transactionList": rows::EXPENSE });
    let canary = Value::from("<>&'\"\\/ \u{e9} \u{20ac} \u{1f600} \u{2028} \t  .");
    format!(
        "{{\"t\":\"begin\",\"v\":1,\"nonce\":\"{nonce}\",\"addHeader\":true,\"kind\":\"sequence\",\"size\":{reports},\
         \"engine\":\"2.3.31\",\"locale\":\"en_US\",\"canary\":{canary},\"columns\":{columns}}}\n"
    )
}

fn end(nonce: &Nonce, reports: u64) -> String {
    format!("{{\"t\":\"end\",\"nonce\":\"{nonce}\",\"rows\":{reports},\"faults\":0,\"done\":true}}\n")
}

/// Writes `number` in decimal over all of `place`.
fn write(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// `number` in decimal, without zeros before it.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}
