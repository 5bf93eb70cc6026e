//! Events that are known beforehand, to the byte: the truth that whatever a log gives is held against.
//!
//! A story tells the lives of reports, some of them side by side, ten steps each. What happens at each position of it follows
//! from the position alone, so a log can be compared at any point, in any order, without keeping anything. The reports
//! have about the size and the entropy of real ones: ids, amounts and times differ, names and categories come from few.

use event_model::{
    AccountName, Data, Detection, EntityKind, EventDraft, EventHead, EventType, Revision, Sequence, Subject,
    TimestampSource,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Steps in the life of a report.
pub const STEPS: u64 = 10;
/// Sizes of appends, one after the other and over again: alone, a few, and more than a block holds.
const APPENDS: [u64; 12] = [1, 1, 7, 1, 40, 2, 1, 130, 3, 1, 12, 301];
/// A story's number takes the bits of a report's number above these.
const REPORT_BITS: u32 = 48;
/// Odd, so that multiplying by it is one to one: ids then look like chance.
const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits of base 62 that any 64 bits fit in; an upstream's report id has as many.
const ID_DIGITS: usize = 11;

const NAMES: [&str; 8] = ["sam", "lee", "kim", "ana", "tom", "eva", "raj", "zoe"];
const TRIPS: [&str; 6] = ["Trip to Lyon", "Offsite", "Client dinner", "May 2026", "Conference Oslo", "Tools"];
const MERCHANTS: [&str; 7] = ["Gare Hotel", "Taxi Bleu", "Café Zoë", "SNCF", "Delta", "Staples", "Rimi"];
const CATEGORIES: [&str; 5] = ["Lodging", "Travel", "Meals", "Supplies", "Fees"];

/// One teller's events.
#[derive(Clone, Debug)]
pub struct Story {
    account: AccountName,
    number: u64,
    together: u64,
    large_one_in: u64,
}

impl Story {
    /// The story `number`, of which `together` reports live side by side.
    pub fn new(number: u16, together: u64) -> Self {
        let account = "acme".parse().expect("a name of an account");
        Self { account, number: number.into(), together, large_one_in: u64::MAX }
    }

    /// The same with one event in `one_in` larger than the store's records are.
    pub fn with_large(self, one_in: u64) -> Self {
        Self { large_one_in: one_in, ..self }
    }

    /// The account that all of it is told in.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// What happens at position `n`, from 0.
    pub fn draft(&self, n: u64) -> EventDraft {
        let (report, step) = self.at(n);
        let observed = epoch() + SignedDuration::from_secs(n as i64 / 3);
        let happened = observed - SignedDuration::from_secs((mix(n) % 900) as i64);
        let (total, before) = (amount(report, step), amount(report, step.wrapping_sub(1)));
        let (event_type, state) = stage(step);
        let expense = expense_id(report);
        let changed = match step {
            0 => Vec::new(),
            _ => vec![format!("expenses[{expense}].amount"), "state".to_owned(), "total".to_owned()],
        };
        let previous =
            changed.iter().cloned().zip([json!(before / 2), json!(stage(step.saturating_sub(1)).1), json!(before)]);
        EventDraft {
            event_type,
            timestamp: happened,
            account: self.account.clone(),
            subject: Subject::new(EntityKind::Report, self.id(report)),
            revision: Revision(step + 1),
            actor: Some(format!("{}@acme.example", pick(&NAMES, mix(n ^ 7)))),
            data: Data { object: self.object(n, report, state, total), previous: previous.collect(), changed },
            detection: Detection {
                observed_at: observed,
                not_before: Some(observed - SignedDuration::from_secs(60)),
                inferred: false,
                timestamp_source: TimestampSource::History,
            },
        }
    }

    /// The body that the event at position `n` has at `sequence`.
    pub fn body(&self, n: u64, sequence: Sequence) -> Vec<u8> {
        serde_json::to_vec(&self.draft(n).at(sequence)).expect("an event is JSON")
    }

    /// The position of the event with this head; none if it is of another story.
    pub fn position(&self, head: &EventHead) -> Option<u64> {
        let report = self.report(&head.subject.id)?;
        let (step, round) = (head.revision.0.checked_sub(1).filter(|step| *step < STEPS)?, report / self.together);
        Some(round * self.together * STEPS + step * self.together + report % self.together)
    }

    /// Whether the event at position `n` is the last about its report before position `end`.
    pub fn is_last_of_its_report(&self, n: u64, end: u64) -> bool {
        let (_, step) = self.at(n);
        step + 1 == STEPS || n + self.together >= end
    }

    /// How many reports the first `end` events are about.
    pub fn reports(&self, end: u64) -> u64 {
        let (rounds, within) = (end / (self.together * STEPS), end % (self.together * STEPS));
        rounds * self.together + within.min(self.together)
    }

    fn at(&self, n: u64) -> (u64, u64) {
        let (round, within) = (n / (self.together * STEPS), n % (self.together * STEPS));
        (round * self.together + within % self.together, within / self.together)
    }

    fn id(&self, report: u64) -> String {
        let mut number = (self.number << REPORT_BITS | report).wrapping_mul(SCATTER);
        let mut digits = [b'0'; ID_DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS[(number % 62) as usize];
            number /= 62;
        }
        format!("R{}", String::from_utf8_lossy(&digits))
    }

    fn report(&self, id: &str) -> Option<u64> {
        let value = |digit: u8| DIGITS.iter().position(|known| *known == digit);
        let digits = id.strip_prefix('R').filter(|digits| digits.len() == ID_DIGITS)?;
        let number = digits
            .bytes()
            .try_fold(0_u64, |number, digit| Some(number.wrapping_mul(62).wrapping_add(value(digit)? as u64)))?;
        let number = number.wrapping_mul(inverse(SCATTER));
        (number >> REPORT_BITS == self.number).then_some(number & ((1 << REPORT_BITS) - 1))
    }

    fn object(&self, n: u64, report: u64, state: &str, total: u64) -> Value {
        let line = |k: u64, amount: u64| {
            json!({
                "transactionID": expense_id(report + k * self.together),
                "merchant": pick(&MERCHANTS, mix(report + k)),
                "amount": amount,
                "category": pick(&CATEGORIES, mix(report ^ k)),
            })
        };
        let mut object = json!({
            "reportID": self.id(report),
            "reportName": pick(&TRIPS, mix(report)),
            "state": state,
            "policyID": format!("{:016X}", mix(report % 5)),
            "submitter": format!("{}@acme.example", pick(&NAMES, mix(report ^ 3))),
            "currency": "EUR",
            "total": total,
            "expenses": [line(0, total / 2), line(1, total - total / 2)],
        });
        if n % self.large_one_in == self.large_one_in - 1 {
            let words = (0..5_000 + mix(n) % 5_000).map(|k| json!(mix(n ^ k << 20)));
            object["history"] = words.collect();
        }
        object
    }
}

/// Where the append that begins at `start` of a story ends; none if no append begins there.
pub fn append_end(start: u64) -> Option<u64> {
    let cycle: u64 = APPENDS.iter().sum();
    let mut at = start / cycle * cycle;
    for size in APPENDS {
        if at == start {
            return Some(at + size);
        }
        at += size;
    }
    None
}

fn epoch() -> Timestamp {
    Timestamp::new(1_775_000_000, 0).expect("a time")
}

fn stage(step: u64) -> (EventType, &'static str) {
    match step {
        0 => (EventType::ReportCreated, "OPEN"),
        1..=4 => (EventType::ReportUpdated, "OPEN"),
        5 => (EventType::ReportSubmitted, "SUBMITTED"),
        6..=7 => (EventType::ReportUpdated, "SUBMITTED"),
        8 => (EventType::ReportApproved, "APPROVED"),
        _ => (EventType::ReportReimbursed, "REIMBURSED"),
    }
}

fn amount(report: u64, step: u64) -> u64 {
    mix(report << 8 ^ step) % 200_000
}

fn expense_id(report: u64) -> String {
    (4_000_000_000_000_000_000 + mix(report) % 1_000_000_000_000_000_000).to_string()
}

fn pick<'a>(of: &[&'a str], chance: u64) -> &'a str {
    of[(chance % of.len() as u64) as usize]
}

/// SplitMix64: chance that is the same every time.
pub fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(SCATTER);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// What `odd` must be multiplied by to give 1 in 64 bits: each step of Newton's doubles the bits that are right.
fn inverse(odd: u64) -> u64 {
    (0..6).fold(odd, |inverse, _| inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse))))
}

/// Nothing of an event but what the truth needs to be found.
pub fn parse_head(body: &[u8]) -> serde_json::Result<EventHead> {
    serde_json::from_slice(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_found_again_from_its_event_and_from_no_other_story() {
        let (story, other) = (Story::new(3, 20).with_large(50), Story::new(4, 20));
        let mut bytes = 0;
        for n in 0..1000 {
            let body = story.body(n, Sequence(n + 9));
            let head = parse_head(&body).expect("a head");
            assert_eq!((story.position(&head), other.position(&head)), (Some(n), None));
            bytes += if n % 50 == 49 { 0 } else { body.len() };
        }
        assert!((700..1100).contains(&(bytes / 980)), "{}", bytes / 980);
    }

    #[test]
    fn the_last_event_of_a_report_is_known() {
        let story = Story::new(0, 20);
        let last = |end: u64| (0..end).filter(|n| story.is_last_of_its_report(*n, end)).count();
        assert_eq!((last(1), last(20), last(21), last(200), last(201), last(230)), (1, 20, 20, 20, 21, 40));
    }

    #[test]
    fn appends_follow_each_other() {
        let mut at = 0;
        for _ in 0..100 {
            let end = append_end(at).expect("an append begins where one ends");
            assert!((at + 1..end).all(|within| append_end(within).is_none()));
            at = end;
        }
    }
}
