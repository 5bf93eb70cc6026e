//! Policies by id: what a refusal of many means for each.

use crate::support::{Reply, Seen, Upstream, client, config};
use axum::{body::Body, http::Response};
use expensify_client::{MAX_POLICY_REQUESTS, PolicyOutcome, PolicySummary};
use serde_json::{Value, json};

/// An upstream of `count` policies that answers with the refusal of the first asked one that has one, else with the details
/// of those that it knows.
async fn upstream(count: usize, refusals: &'static [(&'static str, Option<i64>)]) -> (Upstream, String) {
    let answer = move |seen: &Seen| {
        let asked = seen.description()["inputSettings"]["policyIDList"].clone();
        let asked: Vec<&str> = asked.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let refusal = refusals.iter().find(|(id, _)| asked.contains(id));
        let body = match refusal {
            Some((_, Some(code))) => json!({ "responseCode": code, "responseMessage": "no" }),
            Some((id, None)) => json!({ "responseCode": 200, "policyInfo": { *id: { "tags": "nonsense" } } }),
            None => {
                let known = asked.into_iter().filter(|id| !id.starts_with("FF")).map(|id| (id.to_owned(), json!({})));
                json!({ "responseCode": 200, "policyInfo": known.collect::<serde_json::Map<_, _>>() })
            }
        };
        Response::new(Body::from(body.to_string()))
    };
    Upstream::start((0..count).map(|_| -> Reply { Box::new(answer) }).collect()).await
}

fn ids(ids: &[&str]) -> Vec<PolicySummary> {
    let summary = |id: &&str| PolicySummary { policy_id: (*id).to_owned(), ..PolicySummary::default() };
    ids.iter().map(summary).collect()
}

#[tokio::test]
async fn each_policy_has_an_outcome_of_its_own_and_many_share_a_request() {
    let (upstream, url) = upstream(30, &[("B2", Some(403)), ("C3", Some(404)), ("D4", None)]).await;
    let (client, _) = client(config(&url));
    let read = client.policies_by_id(&ids(&["A1", "FF"])).await.unwrap();
    assert_eq!((read.requests, upstream.seen().len(), read.refusal.is_none()), (1, 1, true));
    assert!(matches!(&read.outcomes["A1"], PolicyOutcome::Details(policy) if policy.policy_id == "A1"));
    assert_eq!(read.outcomes["FF"], PolicyOutcome::Absent, "left out of an answer");

    let read = client.policies_by_id(&ids(&["A1", "B2", "C3", "D4", "E5", "FF"])).await.unwrap();
    assert_eq!(read.outcomes.len(), 6);
    for id in ["A1", "E5"] {
        assert!(matches!(read.outcomes[id], PolicyOutcome::Details(_)), "{id}");
    }
    assert_eq!((&read.outcomes["B2"], &read.outcomes["C3"]), (&PolicyOutcome::Denied, &PolicyOutcome::Absent));
    assert_eq!(read.outcomes["FF"], PolicyOutcome::Absent);
    assert!(matches!(&read.outcomes["D4"], PolicyOutcome::Unreadable(why) if why.contains("policy D4")));
    assert_eq!((read.requests, read.refusal.unwrap().code()), (9, Some(403)));
    let empty = client.policies_by_id(&[]).await.unwrap();
    assert_eq!((empty.requests, empty.outcomes.len()), (0, 0), "nothing is asked for nothing");
}

#[tokio::test]
async fn one_that_is_asked_for_alone_is_told_by_its_refusal() {
    for (code, outcome) in [(403, PolicyOutcome::Denied), (404, PolicyOutcome::Absent)] {
        let refusals: &'static _ = if code == 403 { &[("B2", Some(403))] } else { &[("B2", Some(404))] };
        let (_upstream, url) = upstream(1, refusals).await;
        let read = client(config(&url)).0.policies_by_id(&ids(&["B2"])).await.unwrap();
        assert_eq!((read.outcomes["B2"].clone(), read.requests), (outcome, 1));
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_about_a_policy_fails_the_read() {
    for (refusal, code) in [(Some(500), 500), (Some(429), 429), (Some(410), 410)] {
        let refusals: &'static [_] = vec![("B2", refusal)].leak();
        let (upstream, url) = upstream(3, refusals).await;
        let error = client(config(&url)).0.policies_by_id(&ids(&["A1", "B2"])).await.unwrap_err();
        assert_eq!((error.code(), upstream.seen().len()), (Some(code), 1));
    }
}

#[tokio::test]
async fn looking_for_culprits_is_bounded_and_the_rest_is_not_read() {
    let many: Vec<String> = (0..64).map(|n| format!("A{n:03}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refusals: &'static [_] = many.iter().map(|id| (&*id.to_string().leak(), Some(403))).collect::<Vec<_>>().leak();
    let (upstream, url) = upstream(99, refusals).await;
    let read = client(config(&url)).0.policies_by_id(&ids(&many)).await.unwrap();
    assert_eq!((read.requests, upstream.seen().len()), (MAX_POLICY_REQUESTS, MAX_POLICY_REQUESTS as usize));
    let count = |outcome| read.outcomes.values().filter(|told| **told == outcome).count();
    let (denied, not_read) = (count(PolicyOutcome::Denied), count(PolicyOutcome::NotRead));
    assert!(denied > 0 && denied + not_read == 64, "{denied} denied, {not_read} not read");
}
