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

struct Flight {
    slot: SlotId,
    arrives_ms: Option<u64>,
    ends_ms: u64,
    answered: bool,
}

/// Runs `script` against `door` and returns the arrivals in milliseconds of the server's clock, ascending.
pub fn arrivals(script: &Script, door: &mut impl Door) -> Vec<u64> {
    let mut world = World { arrived: Vec::new(), flights: Vec::new(), now: 0 };
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
                    world.send(slot, requests.next().expect("there is one: it was tried"));
                    try_at = requests.peek().map(|next| world.now + next.gap_ms);
                }
                Err(Wait::Until(at)) => try_at = Some(millis(at).max(world.now + 1)),
                Err(Wait::ForAnswer { .. }) => try_at = None,
            }
        }
    }
    world.arrived.extend(world.flights.iter().filter_map(|flight| flight.arrives_ms));
    world.arrived.sort_unstable();
    let drift = |ms: u64| (i128::from(ms) * (1_000_000 + i128::from(script.drift_ppm)) / 1_000_000) as u64;
    world.arrived.into_iter().map(drift).collect()
}

/// The first window of length W that holds more arrivals than `limits` allow, as (length in s, start in ms).
pub fn violation(arrivals: &[u64], limits: Limits) -> Option<(u32, u64)> {
    let windows = WINDOWS_S.into_iter().zip([limits.per_10s(), limits.per_60s()]);
    windows.into_iter().find_map(|(window_s, limit)| {
        let crowded = |pair: &&[u64]| pair[limit as usize] - pair[0] < u64::from(window_s) * 1_000;
        arrivals.windows(limit as usize + 1).find(crowded).map(|pair| (window_s, pair[0]))
    })
}

struct World {
    arrived: Vec<u64>,
    flights: Vec<Flight>,
    now: u64,
}

impl World {
    fn time(&self) -> Timestamp {
        at(self.now)
    }

    fn send(&mut self, slot: SlotId, request: Request) {
        let lands = self.now + request.there_ms;
        let (arrives_ms, ends_ms) = match request.fate {
            Fate::Answered => (Some(lands), lands + request.back_ms),
            Fate::GivenUp { after_ms, arrives } => {
                let ends = self.now + after_ms;
                (arrives.then_some(lands.min(ends + wire_ms())), ends)
            }
        };
        self.flights.push(Flight { slot, arrives_ms, ends_ms, answered: request.fate == Fate::Answered });
    }

    fn end_flights(&mut self, door: &mut impl Door) {
        let now = self.now;
        for flight in self.flights.extract_if(.., |flight| flight.ends_ms <= now) {
            match flight.answered {
                true => door.answered(flight.slot, at(now)),
                false => door.closed(flight.slot, at(now)),
            }
            self.arrived.extend(flight.arrives_ms);
        }
    }

    fn kill(&mut self, restart: Restart, door: &mut impl Door) {
        let killed = self.now;
        for flight in self.flights.drain(..) {
            match flight.arrives_ms {
                Some(ms) if ms <= killed => self.arrived.push(ms),
                Some(ms) if restart.wire_arrives => self.arrived.push(ms.min(killed + wire_ms())),
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
}

impl Persisted {
    pub fn new(limits: Limits, answers_durable: bool) -> Self {
        let ledger = Ledger::new(limits);
        let disk = serde_json::to_string(ledger.record()).expect("json");
        Self { ledger, disk, answers_durable }
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

    fn closed(&mut self, slot: SlotId, now: Timestamp) {
        self.ledger.closed_without_answer(slot, now);
        if self.answers_durable {
            self.write();
        }
    }

    fn restart(&mut self, now: Timestamp) {
        let record: Record = serde_json::from_str(&self.disk).expect("what was written");
        assert!(record.slots.len() <= self.ledger.limits().per_60s() as usize, "the record is bounded");
        self.ledger = Ledger::restarted(self.ledger.limits(), record, now);
    }
}
