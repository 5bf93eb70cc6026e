use serde_json::{Value, json};

use super::{
    run,
    server::{self, Answer},
};

fn account() -> Value {
    json!({
        "name": "acme", "freshness_s": 4.2, "confirming": 1, "clock_offset_s": -0.6,
        "budget": {
            "windows": [{"window_s": 10, "used": 2, "limit": 5}, {"window_s": 60, "used": 7, "limit": 20}],
            "share": 0.5, "configured_share": 1.0, "last_limited_at": "2026-04-02T09:00:00Z",
        },
        "watches": [
            {
                "name": "reports", "why": "due", "cost_requests": 2, "read_s": 1.5, "changes_per_hour": 12.34,
                "period_s": 8.4, "age_s": 4.2, "expected_delay_s": 5.7, "entities": 210, "failures": 0,
                "withheld": {"missing": 40, "of": 250, "since": "2026-04-02T08:00:00Z"}, "set_aside": ["expenses[].mcc"],
            },
            {
                "name": "report/R00AbCdEf123", "why": "hurried", "cost_requests": 2, "read_s": null,
                "changes_per_hour": 0.0, "period_s": null, "age_s": null, "expected_delay_s": null, "entities": null,
                "failures": 0, "withheld": null, "set_aside": [],
            },
        ],
        "lost": [{"scope": "policy/A1", "reason": "role", "since": "2026-04-01T00:00:00Z"}],
        "notices": [{"at": "2026-04-02T07:00:00Z", "watch": "reports", "message": "a state nobody knew: ESCALATED"}],
        "last_error": {"at": "2026-04-02T06:00:00Z", "watch": "policies", "message": "no answer"},
    })
}

fn answer(body: Value) -> Answer {
    let text = body.to_string();
    Box::new(move |_, _| server::json(&text))
}

#[test]
fn an_account_is_shown_with_what_is_planned_and_why() {
    let (code, out, told, server) = run(answer(account()), &["accounts", "show", "acme", "-o", "table"]);
    assert_eq!(code, 0, "{told}");
    assert!(server.requests()[0].line.starts_with("GET /v1/accounts/acme "));
    let expected = "\
account     acme
age         4.2 s
budget      2 of 5 in 10 s,7 of 20 in 60 s
share       0.5 of 1.0 after a 429 at 2026-04-02T09:00:00Z
clock       -0.6 s, Expensify's against ours
confirming  1

WATCH                WHY      COST  RATE/H  PERIOD  AGE    DELAY  READ   ENTITIES  FAILURES
reports              due      2     12.3    8.4 s   4.2 s  5.7 s  1.5 s  210       0
report/R00AbCdEf123  hurried  2     0.0     -       -      -      -      -         0

withheld    reports: 40 of 250 are missing since 2026-04-02T08:00:00Z; if they are gone indeed: \
`expensewire accounts release acme --scope reports --ceiling 40`
lost        policy/A1: role, since 2026-04-01T00:00:00Z
set aside   reports: expenses[].mcc
notice      2026-04-02T07:00:00Z reports: a state nobody knew: ESCALATED
error       2026-04-02T06:00:00Z policies: no answer
";
    assert_eq!(out, expected);
    let (_, out, _, _) = run(answer(account()), &["accounts", "show", "acme"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), account());
}

#[test]
fn accounts_are_listed_with_what_is_amiss() {
    let all = json!({ "accounts": [account()] });
    let (code, out, told, _) = run(answer(all.clone()), &["accounts", "list", "-o", "table"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(
        out,
        "NAME  AGE    WATCHES  SHARE  CONFIRMING  WITHHELD  LOST  ERROR\n\
         acme  4.2 s  2        0.5    1           40        1     no answer\n"
    );
    let (_, out, _, _) = run(answer(all.clone()), &["accounts", "list"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), all["accounts"]);
}

#[test]
fn a_refresh_and_a_release_are_asked_for_as_typed() {
    let queued = json!({"account": "acme", "queued": "report/R00AbCdEf123"});
    for (args, body) in [(&[][..], ""), (&["--report", "R00AbCdEf123"], r#"{"report":"R00AbCdEf123"}"#)] {
        let (code, _, told, server) = run(answer(queued.clone()), &[&["accounts", "refresh", "acme"], args].concat());
        assert_eq!(code, 0, "{told}");
        let request = &server.requests()[0];
        assert!(request.line.starts_with("POST /v1/accounts/acme/refresh "), "{}", request.line);
        assert_eq!(request.body, body);
    }
    let released = json!({"account": "acme", "scope": "reports", "removed": 0, "confirming": 20});
    let args = ["accounts", "release", "acme", "--scope", "reports", "--ceiling", "25"];
    let (code, out, told, server) = run(answer(released.clone()), &args);
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()), (0, released), "{told}");
    assert!(server.requests()[0].line.starts_with("POST /v1/accounts/acme/release "));
    assert_eq!(server.requests()[0].body, r#"{"ceiling":25,"scope":"reports"}"#);
}

#[test]
fn what_is_not_released_is_told_with_where_to_look() {
    let refused: Answer = Box::new(|_, _| {
        let body = r#"{"title":"Not in this state","detail":"no disappearance is withheld in \"policies\""}"#;
        server::answer("409 Conflict", "application/problem+json", body)
    });
    let args = ["accounts", "release", "acme", "--scope", "policies", "--ceiling", "1"];
    let (code, _, told, _) = run(refused, &args);
    assert_eq!(code, 7, "{told}");
    assert!(
        told.contains("no disappearance is withheld") && told.contains("hint: `expensewire accounts show`"),
        "{told}"
    );
}
