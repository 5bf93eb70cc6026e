use super::*;
use jiff::civil::date;

fn described(job: &Job) -> Value {
    serde_json::from_str(&job.with_credentials(&Credentials::new("me", "s3cr3t"))).unwrap()
}

#[test]
fn an_export_says_what_the_reference_wants_said() {
    let export = ReportExport {
        filter: ReportFilter {
            report_ids: vec!["R00A".into(), "R00B".into()],
            policy_ids: vec!["A1".into()],
            start_date: Some(date(2026, 3, 1)),
            end_date: Some(date(2026, 3, 31)),
            approved_after: None,
        },
        states: vec![ReportState::Approved, ReportState::Reimbursed],
        limit: Some(500),
    };
    assert_eq!(
        described(&Job::export(&export, "t".into())),
        json!({
            "type": "file",
            "credentials": { "partnerUserID": "me", "partnerUserSecret": "s3cr3t" },
            "onReceive": { "immediateResponse": ["returnRandomFileName"] },
            "inputSettings": {
                "type": "combinedReportData",
                "reportState": "APPROVED,REIMBURSED",
                "limit": "500",
                "filters": {
                    "reportIDList": "R00A,R00B", "policyIDList": "A1",
                    "startDate": "2026-03-01", "endDate": "2026-03-31",
                },
            },
            "outputSettings": { "fileExtension": "json", "fileBasename": "expensewire" },
        })
    );
}

#[test]
fn what_is_not_asked_is_not_sent() {
    let sent = described(&Job::export(&ReportExport::default(), "t".into()));
    assert_eq!(sent["inputSettings"], json!({ "type": "combinedReportData", "filters": {} }));
    assert!(sent.get("onFinish").is_none(), "a watcher marks nothing");
}

#[test]
fn the_other_jobs_are_described_as_in_the_reference() {
    let export = ReconciliationExport {
        start_date: date(2026, 2, 1),
        end_date: date(2026, 2, 28),
        domain: "acme.example".into(),
        kind: ReconciliationType::All,
        feed: None,
        file_extension: "csv".into(),
        template: "x".into(),
    };
    let cases = [
        (
            Job::download("a.json", FileSystem::IntegrationServer),
            json!({ "type": "download", "fileName": "a.json", "fileSystem": "integrationServer" }),
        ),
        (
            Job::policy_list(true),
            json!({ "type": "get", "inputSettings": { "type": "policyList", "adminOnly": true } }),
        ),
        (
            Job::policies(&["A1", "B2"]),
            json!({ "type": "get", "inputSettings": { "type": "policy", "policyIDList": ["A1", "B2"],
                "fields": ["categories", "reportFields", "tags", "tax", "employees"] } }),
        ),
        (
            Job::domain_cards("acme.example"),
            json!({ "type": "get", "inputSettings": { "type": "domainCardList", "domain": "acme.example" } }),
        ),
        (
            Job::reconciliation(&export),
            json!({ "type": "reconciliation",
                "inputSettings": { "startDate": "2026-02-01", "endDate": "2026-02-28", "domain": "acme.example",
                    "feed": "export_all_feeds", "type": "All", "async": false },
                "outputSettings": { "fileExtension": "csv" } }),
        ),
    ];
    for (job, mut wanted) in cases {
        wanted["credentials"] = json!({ "partnerUserID": "me", "partnerUserSecret": "s3cr3t" });
        assert_eq!(described(&job), wanted);
    }
}

#[test]
fn what_errors_say_was_asked_is_short_and_without_credentials() {
    let ids: Vec<String> = (0..5000).map(|n| format!("R{n:011}")).collect();
    let export = ReportExport { filter: ReportFilter { report_ids: ids, ..Default::default() }, ..Default::default() };
    let asked = Job::export(&export, "t".into()).asked().to_string();
    assert!(asked.starts_with("export {\"filters\":{\"reportIDList\":\"R00000000000,"), "{asked}");
    assert!(asked.chars().count() < 500);
    assert!(!asked.contains("partnerUser"));
}
