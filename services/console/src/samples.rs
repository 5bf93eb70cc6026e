//! What happened each minute, for the charts: read from the service's own metrics, in memory, for a day.
//!
//! A counter only grows; what it grew by between two looks belongs to the minute of the later one. What happened before the
//! first look belongs to no minute, so a process that begins has empty charts.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;

use crate::config::SAMPLED_MINUTES;

/// Counts of one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub events: u64,
    pub delivered: u64,
    pub failed: u64,
}

impl Counts {
    /// The totals that the text format of `/metrics` tells.
    pub fn read(metrics: &str) -> Self {
        let attempts = |wanted: bool| {
            let lines = lines_of(metrics, "expensewire_delivery_attempts_total");
            let wanted = lines.filter(|(labels, _)| labels.contains("outcome=\"delivered\"") == wanted);
            whole(wanted.map(|(_, value)| value).sum())
        };
        Self {
            events: whole(sum(metrics, "expensewire_events_appended_total").unwrap_or_default()),
            delivered: attempts(true),
            failed: attempts(false),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            events: self.events.saturating_sub(before.events),
            delivered: self.delivered.saturating_sub(before.delivered),
            failed: self.failed.saturating_sub(before.failed),
        }
    }

    fn add(&mut self, more: Self) {
        self.events += more.events;
        self.delivered += more.delivered;
        self.failed += more.failed;
    }
}

/// The sum of a metric over its labels; `None` where it has no line.
pub(crate) fn sum(metrics: &str, name: &str) -> Option<f64> {
    lines_of(metrics, name).map(|(_, value)| value).reduce(|a, b| a + b)
}

/// Labels and value of each line of the metric `name`.
fn lines_of<'a>(metrics: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    metrics.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        // Another metric may begin with the same letters.
        let is_it = labels.is_empty() || labels.starts_with('{');
        is_it.then(|| value.parse().ok()).flatten().map(|value| (labels, value))
    })
}

/// A counter as it is shown. Ours are far below 2^53.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters are whole and not negative")]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

/// How much of the past a chart shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Span {
    /// Sixty bars of a minute.
    #[default]
    Hour,
    /// 48 bars of half an hour.
    Day,
}

impl Span {
    const fn bars(self) -> (i64, i64) {
        match self {
            Self::Hour => (60, 1),
            Self::Day => (48, 30),
        }
    }
}

/// One bar of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    pub from: Timestamp,
    pub counts: Counts,
}

/// The last day, by minutes.
#[derive(Default)]
pub(crate) struct Samples(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    last: Option<Counts>,
    /// Minutes since 1970 in which anything happened, oldest first.
    minutes: VecDeque<(i64, Counts)>,
}

impl Samples {
    /// Notes that the totals were `totals` at `at`.
    pub fn note(&self, totals: Counts, at: Timestamp) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = kept.last.replace(totals) else { return };
        let minute = at.as_second().div_euclid(60);
        match kept.minutes.back_mut() {
            Some((newest, counts)) if *newest >= minute => counts.add(totals.since(last)),
            _ => kept.minutes.push_back((minute, totals.since(last))),
        }
        if kept.minutes.len() > SAMPLED_MINUTES {
            kept.minutes.pop_front();
        }
    }

    /// The bars of a chart that ends at `now`, oldest first.
    pub fn bars(&self, span: Span, now: Timestamp) -> Vec<Bar> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, minutes) = span.bars();
        // The last bar takes in the present minute.
        let end = now.as_second().div_euclid(60 * minutes) + 1;
        (end - count..end)
            .map(|bar| {
                let begin = bar * minutes;
                let mut counts = Counts::default();
                let inside = kept.minutes.iter().filter(|(minute, _)| (begin..begin + minutes).contains(minute));
                inside.for_each(|(_, more)| counts.add(*more));
                Bar { from: Timestamp::from_second(begin * 60).unwrap_or(now), counts }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "\
# HELP expensewire_events_appended_total Events appended to the log.
expensewire_events_appended_total{account=\"a\",type=\"report.created\"} 5
expensewire_events_appended_total{account=\"b\",type=\"report.created\"} 7
expensewire_events_appended_total_other 100
expensewire_delivery_attempts_total{outcome=\"delivered\"} 9
expensewire_delivery_attempts_total{outcome=\"timeout\"} 2
expensewire_delivery_attempts_total{outcome=\"status\"} 1
expensewire_log_last_sequence 12
";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn counters_are_summed_over_their_labels() {
        assert_eq!(Counts::read(METRICS), Counts { events: 12, delivered: 9, failed: 3 });
        assert_eq!(sum(METRICS, "expensewire_log_last_sequence"), Some(12.0));
        assert_eq!(sum(METRICS, "expensewire_log"), None);
    }

    #[test]
    fn what_a_counter_grew_by_belongs_to_the_minute_of_the_look() {
        let samples = Samples::default();
        let events = |events| Counts { events, ..Counts::default() };
        samples.note(events(100), at("2026-04-02T09:00:10Z"));
        samples.note(events(103), at("2026-04-02T09:00:50Z"));
        samples.note(events(104), at("2026-04-02T09:02:00Z"));
        let bars = samples.bars(Span::Hour, at("2026-04-02T09:02:30Z"));
        let counts: Vec<_> = bars.iter().map(|bar| bar.counts.events).collect();
        assert_eq!(counts.len(), 60);
        assert_eq!(counts[57..], [3, 0, 1], "what was there before the first look is of no minute");
        assert_eq!(bars[59].from, at("2026-04-02T09:02:00Z"));
        let day = samples.bars(Span::Day, at("2026-04-02T09:02:30Z"));
        assert_eq!((day.len(), day[47].counts.events, day[47].from), (48, 4, at("2026-04-02T09:00:00Z")));
    }

    #[test]
    fn a_day_is_kept_and_no_more() {
        let samples = Samples::default();
        for minute in 0..2 * i64::try_from(SAMPLED_MINUTES).expect("few") {
            let at = Timestamp::from_second(minute * 60).expect("a time");
            samples.note(Counts { events: u64::try_from(minute).expect("positive"), ..Counts::default() }, at);
        }
        assert_eq!(samples.0.lock().expect("lock").minutes.len(), SAMPLED_MINUTES);
    }
}
