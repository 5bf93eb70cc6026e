//! What was told against what was made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::tail::Arrival;

/// How many examples of a fault are kept for the reader.
const EXAMPLES: usize = 10;

/// The comparison.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Changes, of reports and of their lines, that no event told.
    pub missed: usize,
    /// Events that no change made.
    pub invented: usize,
    /// Mean time from a change of a report to its event, in seconds.
    pub mean_s: f64,
    /// The longest but one in a hundred.
    pub p99_s: f64,
    /// Some of what is wrong, in words.
    pub examples: Vec<String>,
    /// When each change was made, and the seconds to its event.
    delays: Vec<(Timestamp, f64)>,
    over: bool,
}

impl Verdict {
    /// Everything is as it must be.
    pub fn holds(&self) -> bool {
        self.missed == 0 && self.invented == 0 && !self.over
    }

    /// Holds the mean against the floor.
    pub fn judge(&mut self, floor_s: f64, most: f64) {
        let ratio = self.mean_s / floor_s;
        // A ratio that is no number holds nothing either.
        if ratio.is_nan() || ratio > most {
            self.over = true;
            self.examples.push(format!("the mean is {ratio:.3} times the floor, over {most}"));
        }
    }

    /// The mean over those changes that were made in one of these spans.
    pub fn mean_within(&self, spans: &[(Timestamp, Timestamp)]) -> Option<f64> {
        let within = |at: Timestamp| spans.iter().any(|(from, to)| *from <= at && at < *to);
        let delays: Vec<f64> = self.delays.iter().filter(|(at, _)| within(*at)).map(|(_, delay)| *delay).collect();
        (!delays.is_empty()).then(|| delays.iter().sum::<f64>() / delays.len() as f64)
    }

    /// Takes any of these for a failure.
    pub fn forbid(&mut self, count: u64, what: &str) {
        if count > 0 {
            self.over = true;
            self.examples.push(format!("{count} {what}"));
        }
    }

    fn note(&mut self, example: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(example);
        }
    }
}

/// Something that must be told of an entity.
struct Made {
    event_type: String,
    at: Option<Timestamp>,
    /// Lines are told with their report: only its own event counts for the delay.
    timed: bool,
}

/// Compares the journal with the events, entity by entity, event by event, in order. Snapshots are no changes.
pub fn compare(journal: &[Value], arrivals: &[Arrival]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut made = made_by_entity(journal);
    let mut told: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
    for arrival in arrivals.iter().filter(|arrival| !text(&arrival.event["type"]).ends_with(".snapshot")) {
        told.entry(text(&arrival.event["subject"])).or_default().push(arrival);
    }
    let entities: BTreeSet<String> = made.keys().cloned().chain(told.keys().map(|name| (*name).to_owned())).collect();
    for entity in entities {
        let made = made.remove(&entity).unwrap_or_default();
        let told = told.remove(entity.as_str()).unwrap_or_default();
        compare_entity(&entity, &made, &told, &mut verdict);
    }
    sum_up(&mut verdict);
    verdict
}

fn made_by_entity(journal: &[Value]) -> BTreeMap<String, Vec<Made>> {
    let mut made: BTreeMap<String, Vec<Made>> = BTreeMap::new();
    for record in journal {
        let (entity, at) = (text(&record["entity"]), text(&record["at"]).parse().ok());
        let kind = entity.split('/').next().unwrap_or_default();
        let event_type = format!("{kind}.{}", text(&record["change"]));
        made.entry(entity.to_owned()).or_default().push(Made { event_type, at, timed: true });
        for line in record["detail"]["lines"].as_array().into_iter().flatten() {
            let event_type = format!("expense.{}", text(&line["change"]));
            let subject = format!("expense/{}", text(&line["transactionID"]));
            made.entry(subject).or_default().push(Made { event_type, at, timed: false });
        }
    }
    made
}

fn compare_entity(entity: &str, made: &[Made], told: &[&Arrival], verdict: &mut Verdict) {
    let mut waiting = told.iter().peekable();
    for made in made {
        let Some(arrival) = waiting.next_if(|arrival| text(&arrival.event["type"]) == made.event_type) else {
            verdict.missed += 1;
            let next = waiting.peek().map_or("nothing", |arrival| text(&arrival.event["type"]));
            verdict.note(format!("{entity}: {} of {:?} is missing; {next} is next", made.event_type, made.at));
            continue;
        };
        if let Some(at) = made.at.filter(|_| made.timed) {
            verdict.delays.push((at, arrival.at.duration_since(at).as_secs_f64()));
        }
    }
    for arrival in waiting {
        verdict.invented += 1;
        let (event_type, changed) = (text(&arrival.event["type"]), &arrival.event["data"]["changed"]);
        verdict.note(format!("{entity}: {event_type} {changed} at {} was not made", arrival.at));
    }
}

fn sum_up(verdict: &mut Verdict) {
    let mut delays: Vec<f64> = verdict.delays.iter().map(|(_, delay)| *delay).collect();
    delays.sort_by(f64::total_cmp);
    if let Some(last) = delays.len().checked_sub(1) {
        verdict.mean_s = delays.iter().sum::<f64>() / delays.len() as f64;
        verdict.p99_s = delays[last * 99 / 100];
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(change: &str, lines: Value) -> Value {
        let detail = json!({ "lines": lines });
        json!({ "at": "2026-04-02T09:14:00Z", "entity": "report/R1", "change": change, "detail": detail })
    }

    fn told(subject: &str, event_type: &str) -> Arrival {
        let event = json!({ "subject": subject, "type": event_type, "data": { "changed": [] } });
        Arrival { at: "2026-04-02T09:14:03Z".parse().expect("a time"), event }
    }

    #[test]
    fn what_is_told_as_it_was_made_holds_and_only_the_reports_event_is_timed() {
        let journal =
            [made("submitted", json!(null)), made("updated", json!([{"transactionID": "7", "change": "added"}]))];
        let mut late = told("expense/7", "expense.added");
        late.at = "2026-04-02T09:15:00Z".parse().expect("a time");
        let arrivals = [
            told("report/R1", "report.submitted"),
            told("report/R1", "report.updated"),
            late,
            told("report/R2", "report.snapshot"),
        ];
        let mut verdict = compare(&journal, &arrivals);
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!((verdict.mean_s, verdict.p99_s), (3.0, 3.0));
        let day = |text: &str| text.parse().expect("a time");
        let (at, after) = (day("2026-04-02T09:14:00Z"), day("2026-04-02T09:14:01Z"));
        assert_eq!((verdict.mean_within(&[(at, after)]), verdict.mean_within(&[(after, at)])), (Some(3.0), None));
        verdict.judge(3.0, 1.15);
        assert!(verdict.holds());
        verdict.judge(2.5, 1.15);
        assert!(!verdict.holds());
    }

    #[test]
    fn what_is_missing_or_invented_is_counted() {
        let journal = [made("updated", json!([{"transactionID": "7", "change": "updated"}]))];
        let report = told("report/R1", "report.updated");
        let verdict = compare(&journal, std::slice::from_ref(&report));
        assert_eq!((verdict.missed, verdict.invented), (1, 0), "the line was not told");
        let line = told("expense/7", "expense.updated");
        let verdict = compare(&journal, &[report, line, told("account/acme", "account.access_changed")]);
        assert_eq!((verdict.missed, verdict.invented), (0, 1));
        assert!(!verdict.holds());
    }

    #[test]
    fn nothing_told_holds_nothing_against_the_floor() {
        let mut verdict = compare(&[], &[]);
        verdict.judge(0.0, 1.15);
        assert!(!verdict.holds());
    }
}
