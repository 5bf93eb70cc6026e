//! A world to try a ledger in: a client that sends as fast as it is let, a network that delays and loses, a server that
//! writes down arrivals by its own clock, and restarts at any moment.

use jiff::Timestamp;

use super::{IN_FLIGHT, Ledger, Limits, Record, SlotId, WINDOWS_S, Wait};

/// The start of the world, in milliseconds since 1970.
const EPOCH_MS: i64 = 1_775_000_000_000;

/// What a ledger is to the client of this world, so that wrong ones can be tried too.
pub trait Door {
    fn try_take(&mut self, now: Timestamp) -> Result<SlotId, Wait>;
    fn answered(&mut self, slot: SlotId, now: Timestamp);
    /// Answered with a 429.
    fn limited(&mut self, slot: SlotId, now: Timestamp) {
        self.answered(slot, now);
    }
    /// What is in force.
    fn limits(&self) -> Limits;
    fn closed(&mut self, slot: SlotId, now: Timestamp);
    fn restart(&mut self, now: Timestamp);
}

/// One request: what becomes of it, decided before it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Wanted so long after the one before was sent.
    pub gap_ms: u64,
    /// From send to arrival.
    pub there_ms: u64,
    /// From arrival to answer.
    pub back_ms: u64,
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Answered,
    /// With a 429.
    Limited,
    /// The client gives up so long after the send; the request arrives nevertheless if its time comes soon enough.
    GivenUp {
        after_ms: u64,
        arrives: bool,
    },
}

/// The process is killed and starts again.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    pub after_ms: u64,
    pub down_ms: u64,
    /// What was on the wire arrives.
    pub wire_arrives: bool,
}

#[derive(Clone, Debug)]
pub struct Script {
    pub requests: Vec<Request>,
    pub restarts: Vec<Restart>,
    pub concurrency: usize,
    /// How much faster the server's clock runs, in parts per million.
    pub drift_ppm: i64,
    /// Nothing is done after this.
    pub until_ms: u64,
}

/// A request as the server sees it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Milliseconds of the server's clock.
    pub ms: u64,
    /// Its slot was the so many-th to be taken.
    taken: u64,
    /// What was in force then.
    limits: Limits,
}

struct Flight {
    slot: SlotId,
    arrival: Option<Arrival>,
    ends_ms: u64,
    fate: Fate,
}

/// Runs `script` against `door` and returns the arrivals, ascending.
pub fn arrivals(script: &Script, door: &mut impl Door) -> Vec<Arrival> {
    let mut world = World { arrived: Vec::new(), flights: Vec::new(), now: 0, taken: 0 };
    let mut restarts = script.restarts.iter().copied().peekable();
    let mut restart_at = restarts.peek().map(|first| first.after_ms);
    let mut requests = script.requests.iter().copied().peekable();
    let mut try_at = requests.peek().map(|first| first.gap_ms);
    loop {
        let end = world.flights.iter().map(|flight| flight.ends_ms).min();
        let Some(next) = [try_at, end, restart_at].into_iter().flatten().min() else { break };
        if next > script.until_ms {
            break;
        }
        world.now = world.now.max(next);
        if restart_at.is_some_and(|at| at <= world.now) {
            let restart = restarts.next().expect("there is one: its time is known");
            world.kill(restart, door);
            restart_at = restarts.peek().map(|next| world.now + next.after_ms);
        } else if end.is_some_and(|at| at <= world.now) {
            world.end_flights(door);
            try_at = requests.peek().map(|_| try_at.unwrap_or(0).max(world.now));
        } else if world.flights.len() >= script.concurrency {
            try_at = None;
        } else {
            match door.try_take(world.time()) {
                Ok(slot) => {
                    world.send(slot, door.limits(), requests.next().expect("there is one: it was tried"));
                    try_at = requests.peek().map(|next| world.now + next.gap_ms);
                }
                Err(Wait::Until(at)) => try_at = Some(millis(at).max(world.now + 1)),
                Err(Wait::ForAnswer { .. }) => try_at = None,
            }
        }
    }
    world.arrived.extend(world.flights.iter().filter_map(|flight| flight.arrival));
    world.arrived.sort_unstable_by_key(|arrival| arrival.ms);
    let drift = |ms: u64| (i128::from(ms) * (1_000_000 + i128::from(script.drift_ppm)) / 1_000_000) as u64;
    world.arrived.into_iter().map(|arrival| Arrival { ms: drift(arrival.ms), ..arrival }).collect()
}

/// The first span within a window of length W that holds more arrivals than was allowed when the last of their slots was
/// taken, as (length of the window in s, start in ms).
pub fn violation(arrivals: &[Arrival]) -> Option<(u32, u64)> {
    for (window, window_s) in WINDOWS_S.into_iter().enumerate() {
        for (at, first) in arrivals.iter().enumerate() {
            let mut last_taken = *first;
            for (before, arrival) in arrivals[at..].iter().enumerate() {
                if arrival.ms - first.ms >= u64::from(window_s) * 1_000 {
                    break;
                }
                if arrival.taken > last_taken.taken {
                    last_taken = *arrival;
                }
                if before + 1 > last_taken.limits.slots[window] as usize {
                    return Some((window_s, first.ms));
                }
            }
        }
    }
    None
}

struct World {
    arrived: Vec<Arrival>,
    flights: Vec<Flight>,
    now: u64,
    taken: u64,
}

impl World {
    fn time(&self) -> Timestamp {
        at(self.now)
    }

    fn send(&mut self, slot: SlotId, limits: Limits, request: Request) {
        let lands = self.now + request.there_ms;
        let (arrives_ms, ends_ms) = match request.fate {
            Fate::Answered | Fate::Limited => (Some(lands), lands + request.back_ms),
            Fate::GivenUp { after_ms, arrives } => {
                let ends = self.now + after_ms;
                (arrives.then_some(lands.min(ends + wire_ms())), ends)
            }
        };
        self.taken += 1;
        let arrival = arrives_ms.map(|ms| Arrival { ms, taken: self.taken, limits });
        self.flights.push(Flight { slot, arrival, ends_ms, fate: request.fate });
    }

    fn end_flights(&mut self, door: &mut impl Door) {
        let now = self.now;
        for flight in self.flights.extract_if(.., |flight| flight.ends_ms <= now) {
            match flight.fate {
                Fate::Answered => door.answered(flight.slot, at(now)),
                Fate::Limited => door.limited(flight.slot, at(now)),
                Fate::GivenUp { .. } => door.closed(flight.slot, at(now)),
            }
            self.arrived.extend(flight.arrival);
        }
    }

    fn kill(&mut self, restart: Restart, door: &mut impl Door) {
        let killed = self.now;
        for flight in self.flights.drain(..) {
            match flight.arrival {
                Some(arrival) if arrival.ms <= killed => self.arrived.push(arrival),
                Some(arrival) if restart.wire_arrives => {
                    self.arrived.push(Arrival { ms: arrival.ms.min(killed + wire_ms()), ..arrival });
                }
                _ => {}
            }
        }
        self.now += restart.down_ms;
        door.restart(self.time());
    }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millisecond(EPOCH_MS + ms as i64).expect("a time of this century")
}

fn millis(at: Timestamp) -> u64 {
    // Rounded up: asking a moment too early would be refused again.
    ((at.as_nanosecond() + 999_999) / 1_000_000 - i128::from(EPOCH_MS)) as u64
}

fn wire_ms() -> u64 {
    IN_FLIGHT.as_millis() as u64
}

/// The real ledger with its disk: takes are durable, what else happened may be lost by a kill.
pub struct Persisted {
    pub ledger: Ledger,
    pub disk: String,
    /// Answers reach the disk at once (else only with the next take).
    pub answers_durable: bool,
    configured: Limits,
}

impl Persisted {
    pub fn new(limits: Limits, answers_durable: bool) -> Self {
        let ledger = Ledger::new(limits);
        let disk = serde_json::to_string(ledger.record()).expect("json");
        Self { ledger, disk, answers_durable, configured: limits }
    }

    fn write(&mut self) {
        self.disk = serde_json::to_string(self.ledger.record()).expect("json");
    }
}

impl Door for Persisted {
    fn try_take(&mut self, now: Timestamp) -> Result<SlotId, Wait> {
        let slot = self.ledger.try_take(now)?;
        self.write();
        Ok(slot)
    }

    fn answered(&mut self, slot: SlotId, now: Timestamp) {
        self.ledger.answered(slot, now);
        if self.answers_durable {
            self.write();
        }
    }

    fn limited(&mut self, slot: SlotId, now: Timestamp) {
        self.ledger.limited(slot, now);
        if self.answers_durable {
            self.write();
        }
    }

    fn limits(&self) -> Limits {
        self.ledger.limits()
    }

    fn closed(&mut self, slot: SlotId, now: Timestamp) {
        self.ledger.closed_without_answer(slot, now);
        if self.answers_durable {
            self.write();
        }
    }

    fn restart(&mut self, now: Timestamp) {
        let record: Record = serde_json::from_str(&self.disk).expect("what was written");
        assert!(record.slots.len() <= self.configured.per_60s() as usize, "the record is bounded");
        self.ledger = Ledger::restarted(self.configured, record, now);
    }
}
