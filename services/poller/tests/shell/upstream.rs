//! A scripted upstream: answers the jobs that the poller asks for from a world that the test changes, and writes down what
//! arrived. It knows our template by its head and renders what the template would.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{Router, extract::State, routing::post};
use event_store::{EventStore, TableName};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

const REPORT_COLUMNS: [&str; 19] = [
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

const EXPENSE_COLUMNS: [&str; 26] = [
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

pub const FIRST: &str = "R00AbCdEf123";
pub const SECOND: &str = "R00AbCdEf456";
pub const POLICY: &str = "A1B2C3D4E5F60718";
pub const OTHER_POLICY: &str = "18F60E5D4C3B2A10";

/// Events of [`World::small`] at first sight: two reports, two policies, a card, three scopes.
pub const BASELINE: usize = 8;

/// What the upstream shows and how it misbehaves.
#[derive(Default)]
pub struct World {
    /// By id: state and total.
    pub reports: Vec<(&'static str, &'static str, i64)>,
    pub policies: Vec<(&'static str, &'static str)>,
    pub cards: Vec<(i64, &'static str)>,
    /// Policies whose details are refused, and with them the whole batch.
    pub refused_policies: BTreeSet<&'static str>,
    /// Policies whose details have a shape that nobody knows.
    pub garbled_policies: BTreeSet<&'static str>,
    /// Exports break off in the middle of their list.
    pub broken_off: bool,
    /// Every request is answered 429.
    pub rate_limited: bool,
    /// Every request is answered with a wrong-credential error.
    pub locked_out: bool,
    /// No request is answered at all.
    pub silent: bool,
    /// The jobs that arrived, in order.
    pub arrived: Vec<String>,
    /// For each arrival, the open slots that the stored budget showed.
    pub open_slots: Vec<usize>,
    /// Exports that were asked for by another template than that of the reports.
    pub probes: u32,
    /// Of the last export that was asked for.
    pub nonce: String,
    /// The ids that the last export was for, if it was for some.
    pub asked_ids: Option<Vec<String>>,
}

#[derive(Clone)]
pub struct Upstream {
    pub url: Url,
    world: Arc<Mutex<World>>,
    /// Whose budget to look at when something arrives.
    watched: Arc<Mutex<Option<EventStore>>>,
}

impl Upstream {
    pub async fn start(world: World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let upstream = Self { url, world: Arc::new(Mutex::new(world)), watched: Arc::default() };
        let app = Router::new().route("/", post(answer)).with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        upstream
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub fn watch_budget(&self, store: &EventStore) {
        *self.watched.lock().unwrap() = Some(store.clone());
    }

    pub fn forget_store(&self) {
        *self.watched.lock().unwrap() = None;
    }

    async fn note_budget(&self) {
        let store = self.watched.lock().unwrap().clone();
        let Some(store) = store else { return };
        let (open, _) = slots(&store).await;
        self.world().open_slots.push(open);
    }
}

/// How many slots the only stored budget has, open and closed.
pub async fn slots(store: &EventStore) -> (usize, usize) {
    let records = store.table::<Value>(TableName::Budgets).list("").await.unwrap();
    let [(_, record)] = &records[..] else { panic!("one budget is stored, not {records:?}") };
    let slots = record["slots"].as_array().unwrap();
    let open = slots.iter().filter(|slot| slot["arrived_by"].is_null()).count();
    (open, slots.len() - open)
}

async fn answer(State(upstream): State<Upstream>, body: String) -> String {
    let form = |wanted: &str| {
        form_urlencoded::parse(body.as_bytes()).find(|(key, _)| key == wanted).map(|(_, value)| value.into_owned())
    };
    let job: Value = serde_json::from_str(&form("requestJobDescription").expect("a job")).unwrap();
    upstream.world().arrived.push(kind(&job));
    upstream.note_budget().await;
    let silent = upstream.world().silent;
    if silent {
        std::future::pending::<()>().await;
    }
    upstream.world().answer(&job, form("template"))
}

fn kind(job: &Value) -> String {
    job["inputSettings"]["type"].as_str().unwrap_or("download").to_owned()
}

fn refusal(code: i64, message: &str) -> String {
    json!({ "responseMessage": message, "responseCode": code }).to_string()
}

impl World {
    pub fn small() -> Self {
        Self {
            reports: vec![(FIRST, "OPEN", 1_000), (SECOND, "APPROVED", 2_000)],
            policies: vec![(POLICY, "Field Ops"), (OTHER_POLICY, "France")],
            cards: vec![(5_190_011, "Visa - 4004")],
            ..Self::default()
        }
    }

    fn answer(&mut self, job: &Value, template: Option<String>) -> String {
        if self.rate_limited {
            return refusal(429, "You have been rate-limited.");
        }
        if self.locked_out {
            return refusal(404, "Authentication error");
        }
        match kind(job).as_str() {
            "combinedReportData" => {
                let template = template.expect("a template");
                let Some(head) = template.strip_prefix("<#-- expensewire:reports:v1 ") else {
                    self.probes += 1;
                    return refusal(410, "this upstream renders reports and answers no probe");
                };
                self.nonce = head.split(' ').next().unwrap().to_owned();
                let ids = job["inputSettings"]["filters"]["reportIDList"].as_str();
                self.asked_ids = ids.map(|ids| ids.split(',').map(str::to_owned).collect());
                "expensewire0fd99e06-a636-4974-b6bc-3ceb12163386.json".to_owned()
            }
            "download" => self.export(),
            "policyList" => {
                let policy = |(id, name): &(&str, &str)| {
                    json!({ "id": id, "name": name, "owner": "o@acme.example", "role": "admin", "type": "team",
                            "outputCurrency": "USD" })
                };
                json!({ "policyList": self.policies.iter().map(policy).collect::<Vec<_>>(), "responseCode": 200 })
                    .to_string()
            }
            "policy" => self.details(&job["inputSettings"]["policyIDList"]),
            "domainCardList" => {
                let card = |(id, name): &(i64, &str)| {
                    json!({ "bank": "vcf", "cardID": id, "cardName": name, "cardNumber": "XXXX4004",
                            "created": "2024-05-02 08:11:40", "email": "sam@acme.example", "externalEmployeeID": "",
                            "lastImport": "", "lastImportResult": 200, "reimbursable": false,
                            "scrapeMinDate": "2024-05-01" })
                };
                json!({ "domainCardList": self.cards.iter().map(card).collect::<Vec<_>>(), "responseCode": 200 })
                    .to_string()
            }
            other => panic!("the poller asks for {other}"),
        }
    }

    fn details(&self, ids: &Value) -> String {
        let ids: Vec<&str> = ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        if ids.iter().any(|id| self.refused_policies.contains(id)) {
            return refusal(404, "Policy not found");
        }
        let empty = json!({ "categories": [], "reportFields": [], "tags": [], "tax": {}, "employees": [] });
        let garbled = |id: &str| self.garbled_policies.contains(id).then(|| json!({ "categories": 7 }));
        let of = |id: &&str| ((*id).to_owned(), garbled(id).unwrap_or_else(|| empty.clone()));
        let there = |id: &&&str| self.policies.iter().any(|(known, _)| known == *id);
        let details: serde_json::Map<_, _> = ids.iter().filter(there).map(of).collect();
        json!({ "policyInfo": details, "responseCode": 200 }).to_string()
    }

    fn export(&self) -> String {
        let columns = json!({ "report": REPORT_COLUMNS, "approvers": ["email", "date"],
            "actionList": ["action", "accountEmail", "created"], "transactionList": EXPENSE_COLUMNS });
        let asked = |id: &str| self.asked_ids.as_ref().is_none_or(|ids| ids.iter().any(|asked| asked == id));
        let reports: Vec<_> = self.reports.iter().filter(|(id, ..)| asked(id)).copied().collect();
        let begin = record(
            "begin",
            &json!({ "v": 1, "nonce": self.nonce, "addHeader": true, "kind": "sequence",
            "size": reports.len(), "engine": "2.3.31", "locale": "en_US",
            "canary": "<>&'\"\\/ \u{e9} \u{20ac} \u{1f600} \u{2028} \t  .", "columns": columns }),
        );
        let end = record(
            "end",
            &json!({ "nonce": self.nonce, "rows": reports.len(), "faults": 0, "done": !self.broken_off }),
        );
        let mut lines = vec![begin];
        lines.extend(reports.iter().enumerate().map(|(at, report)| row(at, *report)));
        lines.push(end);
        lines.join("\n") + "\n"
    }
}

fn row(at: usize, (id, state, total): (&str, &str, i64)) -> String {
    let cell = |column: &&str| match *column {
        "reportID" => json!(id),
        "reportName" => json!("Trip"),
        "status" | "state" => json!(state),
        "accountEmail" => json!("sam@acme.example"),
        "policyID" => json!("A1B2C3D4E5F60718"),
        "currency" => json!("USD"),
        "total" => json!(total),
        "created" => json!("2026-03-01"),
        "submitted" if state != "OPEN" => json!("2026-03-02 10:00:00"),
        "approved" if matches!(state, "APPROVED" | "REIMBURSED") => json!("2026-03-03 10:00:00"),
        _ => Value::Null,
    };
    let cells: Vec<Value> = REPORT_COLUMNS.iter().map(cell).collect();
    record("row", &json!({ "i": at, "report": cells, "approvers": [], "actionList": [], "transactionList": [] }))
}

/// A line of the file: an object whose first key is `t`.
fn record(kind: &str, rest: &Value) -> String {
    format!(r#"{{"t":"{kind}",{}"#, &rest.to_string()[1..])
}
