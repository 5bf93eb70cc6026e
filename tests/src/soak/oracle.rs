//! What arrived against what was made.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::Value;

use super::receiver::Arrival;

/// How many examples of a fault are kept for the reader.
const EXAMPLES: usize = 10;

/// The comparison. All the counts of faults must be 0.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// Changes that the simulator made.
    pub changes: usize,
    /// Different events that arrived.
    pub events: usize,
    /// Changes that no event told.
    pub missing: usize,
    /// Events that no change made.
    pub invented: usize,
    /// Entities whose events did not first arrive in the order of their revisions.
    pub out_of_order: usize,
    /// Deliveries beyond the first of an id.
    pub duplicates: usize,
    /// Of these, those whose body differed from the first.
    pub duplicates_that_differ: usize,
    /// Deliveries whose signature the official library refused.
    pub unverified: usize,
    /// Times that the service was killed.
    pub kills: u32,
    /// Requests that the simulator counted over a window, on its own clock.
    pub rate_violations: u64,
    /// Answers with 429.
    pub answers_429: u64,
    /// Requests that the simulator got.
    pub requests: u64,
    /// Times that a fault of the upstream struck.
    pub faults: u64,
    /// Mean time from change to arrival, in seconds.
    pub mean_delay_s: f64,
    /// The longest but one in a hundred.
    pub p99_delay_s: f64,
    /// Some of what is wrong, in words.
    pub examples: Vec<String>,
}

impl Verdict {
    /// Every change was told.
    pub fn nothing_missing(&self) -> bool {
        self.missing == 0
    }

    /// Everything is as it must be.
    pub fn holds(&self) -> bool {
        let faults = self.missing + self.invented + self.out_of_order + self.duplicates_that_differ + self.unverified;
        faults == 0 && self.rate_violations == 0 && self.answers_429 == 0 && self.changes > 0
    }
}

/// Compares the simulator's journal with the arrivals, entity by entity, event by event, in order.
pub fn compare(journal: &[Value], arrivals: &[Arrival]) -> Verdict {
    let mut verdict = Verdict { changes: journal.len(), ..Verdict::default() };
    let firsts = first_arrivals(arrivals, &mut verdict);
    verdict.events = firsts.len();
    let mut made: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for record in journal {
        made.entry(text(&record["entity"])).or_default().push(record);
    }
    let mut told: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
    for arrival in firsts {
        told.entry(text(&arrival.event["subject"])).or_default().push(arrival);
    }
    let mut delays = Vec::new();
    let entities: std::collections::BTreeSet<&str> = made.keys().chain(told.keys()).copied().collect();
    for entity in entities {
        let records = made.remove(entity).unwrap_or_default();
        let events = told.remove(entity).unwrap_or_default();
        compare_entity(entity, &records, &events, &mut delays, &mut verdict);
    }
    sum_up(delays, &mut verdict);
    verdict
}

fn first_arrivals<'a>(arrivals: &'a [Arrival], verdict: &mut Verdict) -> Vec<&'a Arrival> {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let mut firsts = Vec::new();
    for arrival in arrivals {
        verdict.unverified += usize::from(!arrival.verified);
        match seen.insert(&arrival.id, &arrival.body_hash) {
            None => firsts.push(arrival),
            Some(hash) => {
                verdict.duplicates += 1;
                verdict.duplicates_that_differ += usize::from(hash != arrival.body_hash);
            }
        }
    }
    firsts
}

fn compare_entity(entity: &str, records: &[&Value], events: &[&Arrival], delays: &mut Vec<f64>, verdict: &mut Verdict) {
    let revisions: Vec<u64> = events.iter().map(|a| a.event["revision"].as_u64().unwrap_or(0)).collect();
    if !revisions.is_sorted() {
        verdict.out_of_order += 1;
        note(verdict, format!("{entity}: revisions arrived as {revisions:?}"));
    }
    let mut waiting = events.iter().peekable();
    for record in records {
        let expected = format!("{}.{}", entity.split('/').next().unwrap_or_default(), text(&record["change"]));
        if let Some(arrival) = waiting.next_if(|arrival| text(&arrival.event["type"]) == expected) {
            if let Ok(made_at) = text(&record["at"]).parse::<jiff::Timestamp>() {
                delays.push(arrival.at.duration_since(made_at).as_secs_f64());
            }
        } else {
            verdict.missing += 1;
            let next = waiting.peek().map_or("nothing", |arrival| text(&arrival.event["type"]));
            note(verdict, format!("{entity}: {expected} of {} is missing; {next} is next", record["at"]));
        }
    }
    for arrival in waiting {
        verdict.invented += 1;
        let kind = text(&arrival.event["type"]);
        note(verdict, format!("{entity}: {kind} {} at {}", arrival.event["data"]["changed"], arrival.at));
    }
}

fn note(verdict: &mut Verdict, example: String) {
    if verdict.examples.len() < EXAMPLES {
        verdict.examples.push(example);
    }
}

fn sum_up(mut delays: Vec<f64>, verdict: &mut Verdict) {
    delays.sort_by(f64::total_cmp);
    if let Some(last) = delays.len().checked_sub(1) {
        verdict.mean_delay_s = delays.iter().sum::<f64>() / delays.len() as f64;
        verdict.p99_delay_s = delays[last * 99 / 100];
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(entity: &str, change: &str) -> Value {
        json!({"n": 1, "at": "2026-04-02T09:14:00Z", "entity": entity, "change": change})
    }

    fn told(id: &str, subject: &str, event_type: &str, revision: u64) -> Arrival {
        Arrival {
            at: "2026-04-02T09:14:05Z".parse().expect("a time"),
            id: id.into(),
            verified: true,
            body_hash: id.into(),
            event: json!({"subject": subject, "type": event_type, "revision": revision, "data": {"changed": []}}),
        }
    }

    #[test]
    fn the_same_changes_told_in_order_hold() {
        let journal = [made("report/R1", "submitted"), made("report/R1", "approved"), made("card/7", "added")];
        let arrivals = [
            told("a", "report/R1", "report.submitted", 2),
            told("b", "card/7", "card.added", 1),
            told("a", "report/R1", "report.submitted", 2),
            told("c", "report/R1", "report.approved", 3),
        ];
        let verdict = compare(&journal, &arrivals);
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!((verdict.duplicates, verdict.events, verdict.mean_delay_s), (1, 3, 5.0));
    }

    #[test]
    fn each_kind_of_fault_is_found() {
        let journal = [made("report/R1", "submitted"), made("report/R1", "approved")];
        let submitted = told("a", "report/R1", "report.submitted", 2);
        let approved = told("b", "report/R1", "report.approved", 3);
        assert_eq!(compare(&journal, std::slice::from_ref(&submitted)).missing, 1);
        assert_eq!(compare(&journal[..1], &[submitted.clone(), approved.clone()]).invented, 1);
        assert_eq!(compare(&journal, &[approved.clone(), submitted.clone()]).out_of_order, 1);
        let forged = Arrival { verified: false, ..approved.clone() };
        assert_eq!(compare(&journal, &[submitted.clone(), forged]).unverified, 1);
        let other = Arrival { body_hash: "x".into(), ..submitted.clone() };
        assert_eq!(compare(&journal, &[submitted, approved, other]).duplicates_that_differ, 1);
    }
}
