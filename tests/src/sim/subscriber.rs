//! A model of a subscriber: it fails, it is slow, its answers get lost, and it checks what it is given.
//!
//! It holds the service to what the design promises: each event that it asked for arrives at least once; those of one entity
//! first arrive in their order and never two at a time; what arrives again has the id and the bytes of the first time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use event_model::{Event, EventFilter, delivery::Outcome};

use super::{
    chance::Chance,
    clock::{Moment, SECOND},
    reference::broken::{Check, broken, hold},
    trace::Trace,
};

/// So often in a row one event is refused at most, so that none is given up.
const MOST_FAILURES: u32 = 4;

/// How the subscriber's answer to one delivery came out.
pub struct Answer {
    pub outcome: Outcome,
    pub retry_after: Option<Duration>,
    /// From being sent to the answer's arrival.
    pub took: Moment,
    /// Whether the delivery arrived at all.
    pub arrived: bool,
}

/// The subscriber.
pub struct Subscriber {
    /// What it asked for.
    globs: &'static [&'static str],
    /// Bodies by id, as they first arrived.
    received: BTreeMap<String, Vec<u8>>,
    /// Of each entity, the sequences that arrived.
    arrived: BTreeMap<String, BTreeSet<u64>>,
    /// Entities of which something is under way, with the process that sent it.
    in_flight: BTreeSet<(u32, String)>,
    failures: BTreeMap<String, u32>,
    /// It is down until then.
    down_until: Moment,
}

impl Subscriber {
    /// One that asks for something.
    pub fn new(chance: &mut Chance) -> Self {
        let globs: &[&str] = match chance.below(4) {
            0 => &["*", "*.snapshot"],
            1 => &["report.*", "expense.*"],
            _ => &["*"],
        };
        Self {
            globs,
            received: BTreeMap::new(),
            arrived: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            failures: BTreeMap::new(),
            down_until: 0,
        }
    }

    /// Its filter, as the service is told of it.
    pub fn filter(&self) -> EventFilter {
        let events = self.globs.iter().map(|glob| glob.parse().expect("a pattern that matches something")).collect();
        EventFilter { events, ..EventFilter::default() }
    }

    /// Whether it asked for events of this type.
    pub fn wants(&self, event_type: &str) -> bool {
        wanted(self.globs, event_type)
    }

    /// It breaks down and comes back at `until`.
    pub fn go_down(&mut self, until: Moment) {
        self.down_until = until;
    }

    /// The event `id` is sent to it at `now`: what will become of that. When all is `calm`, it arrives.
    pub fn answer(&mut self, chance: &mut Chance, trace: &mut Trace, id: &str, now: Moment, calm: bool) -> Answer {
        let failures = self.failures.entry(id.to_owned()).or_default();
        let may_fail = !calm && *failures < MOST_FAILURES;
        let fate = if may_fail && now < self.down_until { 0 } else { chance.between(0, 99) };
        let took = chance.between(5, 900);
        let refused = |status| Outcome::Status { status };
        let (outcome, arrived, kind) = match fate {
            0..=3 if may_fail => (Outcome::Refused, false, "subscriber unreachable"),
            4..=8 if may_fail => (refused(500), false, "subscriber refuses"),
            9..=13 if may_fail => (Outcome::Timeout, true, "subscriber's answer lost"),
            14..=15 if may_fail => (refused(429), false, "subscriber asks to wait"),
            _ => (Outcome::Delivered { status: 204 }, true, "delivered"),
        };
        if outcome == (Outcome::Delivered { status: 204 }) {
            *failures = 0;
        } else {
            *failures += 1;
        }
        trace.count(kind);
        let retry_after = (outcome == refused(429)).then(|| Duration::from_secs(chance.between(1, 40)));
        let took = if outcome == Outcome::Timeout { 15 * SECOND } else { took };
        Answer { outcome, retry_after, took, arrived }
    }

    /// The process `sender` starts to send something of `subject`.
    pub fn sent(&mut self, sender: u32, subject: &str) -> Check {
        let alone = self.in_flight.insert((sender, subject.to_owned()));
        hold(alone, "of one entity one event is under way", "one", subject)
    }

    /// The process `sender` knows how it ended.
    pub fn ended(&mut self, sender: u32, subject: &str) {
        self.in_flight.remove(&(sender, subject.to_owned()));
    }

    /// `body` arrives. `log` are all events of the entity, in order.
    pub fn take(&mut self, body: &[u8], log: &[Event]) -> Check {
        let event: Event = serde_json::from_slice(body)
            .map_err(|error| broken("a delivery carries an event", "an event", error.to_string()))?;
        let id = event.id.to_string();
        if let Some(first) = self.received.get(&id) {
            let same = first == body;
            return hold(same, "what arrives again is what arrived", "the same bytes", id);
        }
        let known = log.contains(&event);
        hold(known, "what arrives is in the log", "an event of the log", &event.id)?;
        hold(self.wants(event.event_type.as_str()), "what arrives was asked for", self.globs, event.event_type)?;
        let arrived = self.arrived.entry(event.subject.to_string()).or_default();
        let earlier = log.iter().filter(|logged| logged.sequence < event.sequence);
        let kinds = self.globs;
        let missing: Vec<u64> = earlier
            .filter(|logged| wanted(kinds, logged.event_type.as_str()) && !arrived.contains(&logged.sequence.0))
            .map(|logged| logged.sequence.0)
            .collect();
        hold(missing.is_empty(), "events of one entity arrive in their order", &missing, event.sequence.0)?;
        arrived.insert(event.sequence.0);
        self.received.insert(id, body.to_vec());
        Ok(())
    }

    /// Whether everything in `log` that it asked for has arrived.
    pub fn check_complete<'a>(&self, log: impl Iterator<Item = &'a Event>) -> Check {
        for event in log.filter(|event| self.wants(event.event_type.as_str())) {
            let arrived = self.received.contains_key(event.id.as_str());
            hold(arrived, "everything that was asked for arrives", event.sequence.0, event.event_type)?;
        }
        Ok(())
    }
}

fn wanted(globs: &[&str], event_type: &str) -> bool {
    let snapshot = event_type.ends_with(".snapshot");
    globs.iter().any(|glob| match *glob {
        "*.snapshot" => snapshot,
        "*" => !snapshot,
        glob => !snapshot && glob.strip_suffix(".*") == event_type.split('.').next(),
    })
}
