//! The same content in another form: what the reference leaves open, or says differently in two places.
//!
//! The switches are drawn once for a read, so that a file is of one piece. A watcher that compares meaning and not text
//! sees no difference, except where a fact is withheld or false: the history.

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Map, Value, json};

use crate::faults::{FaultKind, FaultState};
use crate::tenant::dates;
use crate::tenant::model;
use crate::tenant::report::{Report, State};

/// The dates of a report and of its approvals.
const REPORT_DATES: [&str; 4] = ["created", "submitted", "approved", "reimbursed"];
/// How far ahead of everything else an approval is dated that was none: ten years.
const FAR_AHEAD_S: i64 = 3_652 * 86_400;
/// How long `yyyy-MM-dd` is.
const DAY_CHARS: usize = 10;

/// What one export of reports looks like.
#[derive(Debug)]
pub(crate) struct ReportForm {
    now: Timestamp,
    /// Seconds east of UTC.
    zone_s: i32,
    days: bool,
    moments: bool,
    old_ids: bool,
    numbers_as_text: bool,
    blank_missing: bool,
    shuffled_lists: bool,
    shuffled_history: bool,
    no_history: bool,
    contradicts: bool,
    /// Entries younger than this are missing.
    lag_s: Option<i64>,
    chance: StdRng,
}

impl ReportForm {
    /// Draws it for a read at `now` by a server that writes its dates so many seconds east of UTC.
    pub(crate) fn draw(state: &mut FaultState, now: Timestamp, zone_s: i32) -> Self {
        let lag = state.strikes(FaultKind::HistoryLag).then(|| state.faults().history_lag_s);
        Self {
            now,
            zone_s,
            days: state.strikes(FaultKind::DatesAsDays),
            moments: state.strikes(FaultKind::DatesAsMoments),
            old_ids: state.strikes(FaultKind::OldIds),
            numbers_as_text: state.strikes(FaultKind::NumbersAsText),
            blank_missing: state.strikes(FaultKind::BlankMissing),
            shuffled_lists: state.strikes(FaultKind::ShuffledLists),
            shuffled_history: state.strikes(FaultKind::ShuffledHistory),
            no_history: state.strikes(FaultKind::NoHistory),
            contradicts: state.strikes(FaultKind::HistoryContradicts),
            lag_s: lag.map(|lag_s| if lag_s == 0 { i64::MAX } else { i64::from(lag_s) }),
            chance: StdRng::from_rng(state.rng()),
        }
    }

    /// What a template sees of the report.
    pub(crate) fn model(&mut self, report: &Report) -> Value {
        let mut model = model::report(report);
        if let Some(fields) = model.as_object_mut() {
            self.history(fields, report);
            self.zone(fields);
            self.dates(fields);
            self.ids(fields, report);
            if self.shuffled_lists {
                ["approvers", "transactionList"].into_iter().for_each(|list| self.shuffle(fields, list));
            }
            if self.shuffled_history {
                self.shuffle(fields, "actionList");
            }
        }
        self.scalars(&mut model);
        model
    }

    fn history(&self, fields: &mut Map<String, Value>, report: &Report) {
        let Some(Value::Array(entries)) = fields.get_mut("actionList") else { return };
        let newest = report.actions.last().map(|action| self.now.duration_since(action.at).as_secs());
        if self.lag_s.zip(newest).is_some_and(|(lag_s, age_s)| age_s < lag_s) {
            entries.pop();
        }
        if self.contradicts {
            entries.push(contradiction(report));
        }
        if self.no_history {
            entries.clear();
        }
    }

    fn zone(&self, fields: &mut Map<String, Value>) {
        if self.zone_s == 0 {
            return;
        }
        let shift = |date: &mut Value| shift(date, self.zone_s);
        fields.iter_mut().filter(|(key, _)| REPORT_DATES.contains(&key.as_str())).for_each(|(_, date)| shift(date));
        items(fields, "approvers").filter_map(|approver| approver.get_mut("date")).for_each(shift);
        items(fields, "actionList").filter_map(|entry| entry.get_mut("created")).for_each(shift);
    }

    fn dates(&self, fields: &mut Map<String, Value>) {
        if self.days {
            fields
                .iter_mut()
                .filter(|(key, _)| REPORT_DATES.contains(&key.as_str()))
                .for_each(|(_, date)| to_day(date));
            items(fields, "approvers").filter_map(|approver| approver.get_mut("date")).for_each(to_day);
        }
        if self.moments {
            for line in items(fields, "transactionList") {
                line.get_mut("created").into_iter().for_each(to_moment);
            }
        }
    }

    fn ids(&self, fields: &mut Map<String, Value>, report: &Report) {
        if self.old_ids {
            let old = json!(report.number.to_string());
            fields.insert("reportID".to_owned(), old.clone());
            items(fields, "transactionList").for_each(|line| line["reportID"] = old.clone());
        }
    }

    fn shuffle(&mut self, fields: &mut Map<String, Value>, list: &str) {
        if let Some(Value::Array(items)) = fields.get_mut(list) {
            items.shuffle(&mut self.chance);
        }
    }

    fn scalars(&self, model: &mut Value) {
        if self.numbers_as_text {
            numbers_to_text(model);
        }
        if self.blank_missing {
            drop_blanks(model);
        }
    }
}

/// What one answer about policies or cards looks like.
#[derive(Debug)]
pub(crate) struct ListForm {
    days: bool,
    moments: bool,
    numbers_as_text: bool,
    blank_missing: bool,
    shuffled_lists: bool,
    extra_field: bool,
    /// What the volatile field says this time.
    volatile: Option<u64>,
    tags_levelled: bool,
    tags_flat: bool,
    chance: StdRng,
}

impl ListForm {
    /// Draws it for the read with this number.
    pub(crate) fn draw(state: &mut FaultState, read: u64) -> Self {
        Self {
            days: state.strikes(FaultKind::DatesAsDays),
            moments: state.strikes(FaultKind::DatesAsMoments),
            numbers_as_text: state.strikes(FaultKind::NumbersAsText),
            blank_missing: state.strikes(FaultKind::BlankMissing),
            shuffled_lists: state.strikes(FaultKind::ShuffledLists),
            extra_field: state.strikes(FaultKind::ExtraField),
            volatile: state.strikes(FaultKind::VolatileField).then_some(read),
            tags_levelled: state.strikes(FaultKind::TagsLevelled),
            tags_flat: state.strikes(FaultKind::TagsFlat),
            chance: StdRng::from_rng(state.rng()),
        }
    }

    /// A line of the policy list, or a policy's details.
    pub(crate) fn policy(&mut self, policy: &mut Value) {
        if let Some(tags) = policy.get_mut("tags") {
            self.tags(tags);
        }
        if self.shuffled_lists {
            self.shuffle_within(policy);
        }
        self.extend(policy, "autoReporting", "preferredPlan");
    }

    /// A line of the card list.
    pub(crate) fn card(&self, card: &mut Value) {
        if self.days {
            card.get_mut("created").into_iter().for_each(to_day);
        }
        if self.moments {
            card.get_mut("scrapeMinDate").into_iter().for_each(to_moment);
        }
        self.extend(card, "cardProgram", "lastSeen");
    }

    fn tags(&self, tags: &mut Value) {
        let Some(list) = tags.as_array() else { return };
        let levels = list.iter().filter(|element| element.get("tags").is_some()).count();
        if self.tags_levelled && levels == 0 && !list.is_empty() {
            *tags = json!([{ "name": "", "tags": list }]);
        } else if self.tags_flat && levels == 1 && list.len() == 1 {
            *tags = list[0]["tags"].clone();
        }
    }

    /// Shuffles every list but that of the levels of tags.
    fn shuffle_within(&mut self, policy: &mut Value) {
        let sections = policy.as_object_mut().into_iter().flatten();
        for (_, section) in sections {
            let levelled = section[0].get("tags").is_some();
            if let (false, Value::Array(items)) = (levelled, &mut *section) {
                items.shuffle(&mut self.chance);
            }
            for inner in section.as_array_mut().into_iter().flatten() {
                ["values", "tags"].into_iter().for_each(|key| self.shuffle_at(inner, key));
            }
            self.shuffle_at(section, "rates");
        }
    }

    fn shuffle_at(&mut self, of: &mut Value, key: &str) {
        if let Some(Value::Array(items)) = of.get_mut(key) {
            items.shuffle(&mut self.chance);
        }
    }

    fn extend(&self, line: &mut Value, constant: &str, volatile: &str) {
        if self.numbers_as_text {
            numbers_to_text(line);
        }
        if self.blank_missing {
            drop_blanks(line);
        }
        if self.extra_field {
            line[constant] = json!("as always");
        }
        if let Some(read) = self.volatile {
            line[volatile] = json!(format!("read {read}"));
        }
    }
}

/// One entry that is not true of the report. Kind and time depend on the report alone: every read tells the same untruth.
fn contradiction(report: &Report) -> Value {
    let after = report.actions.last().map_or(report.created, |action| dates::earlier(action.at, -1));
    let (action, at) = match (report.number % 3, report.state) {
        (0, State::Submitted | State::Approved | State::Reimbursed | State::Archived) => ("REJECTED", after),
        (1, State::Open | State::Submitted | State::Approved | State::Archived) => ("REIMBURSED", after),
        _ => ("APPROVED", dates::earlier(after, -FAR_AHEAD_S)),
    };
    json!({ "action": action, "accountEmail": report.manager.email, "created": dates::date_time(at), "details": {} })
}

fn items<'a>(fields: &'a mut Map<String, Value>, list: &str) -> impl Iterator<Item = &'a mut Value> {
    fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

/// A moment on a clock so many seconds ahead; what is blank stays so.
fn shift(date: &mut Value, by_s: i32) {
    let moment = date.as_str().and_then(dates::parse_date_time);
    if let Some(moment) = moment {
        *date = json!(dates::date_time(dates::earlier(moment, -i64::from(by_s))));
    }
}

fn to_day(date: &mut Value) {
    if let Some(day) = date.as_str().and_then(|text| text.get(..DAY_CHARS)) {
        *date = json!(day);
    }
}

fn to_moment(date: &mut Value) {
    if let Some(day) = date.as_str().filter(|text| text.len() == DAY_CHARS) {
        *date = json!(format!("{day} 00:00:00"));
    }
}

fn numbers_to_text(value: &mut Value) {
    match value {
        Value::Number(number) => *value = json!(number.to_string()),
        Value::Array(items) => items.iter_mut().for_each(numbers_to_text),
        Value::Object(fields) => fields.values_mut().for_each(numbers_to_text),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn drop_blanks(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| field != "");
            fields.values_mut().for_each(drop_blanks);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_blanks),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
