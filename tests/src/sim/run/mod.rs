//! One run: a list of what is to happen when, and everything that it happens to.
//!
//! There is one thread and one clock, which jumps from one thing to the next. Every call of the store is awaited before
//! anything else happens, so the run depends on nothing but its seed. A call that fails because the run let a commit fail
//! kills the process at that point; what its disk holds then is what the next process starts on.

mod agenda;
mod answers;
mod calm;
mod deliveries;
mod faults;
mod files;
mod life;
mod reads;

use std::collections::BTreeMap;

use event_model::Event;
use event_store::{MemoryDisk, StoreError};
use jiff::Timestamp;

use self::{
    agenda::{Agenda, Task},
    calm::Calm,
    deliveries::Posts,
    faults::{Faults, Temper},
};
use super::{
    alarms,
    chance::Chance,
    clock::{HOUR, LocalClock, MINUTE, Moment, START},
    reference::{
        Glitches, Reference, Scene,
        broken::{Broken, broken},
    },
    service::Service,
    subscriber::Subscriber,
    trace::Trace,
    upstream::{World, traffic::Traffic},
};

/// A run that has not come to rest by then never does.
const LONGEST: Moment = 30 * 24 * HOUR;

/// Why a task did not end well.
enum Halt {
    /// A rule does not hold: the run has failed.
    Broken(Broken),
    /// The store failed: the process dies.
    Store(StoreError),
}

impl From<Broken> for Halt {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Everything of one run.
pub(super) struct Run {
    dice: Chance,
    pub(super) trace: Trace,
    pub(super) now: Moment,
    agenda: Agenda,
    world: World,
    temper: Temper,
    faults: Faults,
    traffic: Traffic,
    clock: LocalClock,
    disk: MemoryDisk,
    service: Option<Service>,
    /// How many processes there were.
    process: u32,
    /// When the plan is next asked.
    next_tick: Moment,
    /// Deliveries on their way.
    posts: Posts,
    /// When the courier is next woken without cause.
    courier_wakes: Option<(u32, Moment)>,
    subscriber: Subscriber,
    reference: Reference,
    glitches: Glitches,
    /// The log as it was read back, by subject.
    log: BTreeMap<String, Vec<Event>>,
    /// Bodies in the order of the log: none of them ever changes or goes.
    bodies: Vec<[u8; 32]>,
    /// When each was first read back.
    logged_at: Vec<Moment>,
    calm: Option<Calm>,
}

impl Run {
    pub(super) fn new(seed: u64, echo: bool) -> Self {
        let mut dice = Chance::of(seed);
        let world = World::new(&mut dice);
        let temper = Temper::of(&mut dice);
        let subscriber = Subscriber::new(&mut dice);
        let mut trace = Trace::new(echo);
        let (reports, policies, cards) = (world.reports.len(), world.policies.len(), world.cards.len());
        let zone = world.zone_h;
        trace.note(
            START,
            format_args!("{reports} reports, {policies} policies, {cards} cards, zone {zone}, {temper:?}"),
        );
        trace.count(if reports + policies + cards == 0 { "account with nothing in it" } else { "account" });
        let mut run = Self {
            dice,
            trace,
            now: START,
            agenda: Agenda::default(),
            world,
            temper,
            faults: Faults::default(),
            traffic: Traffic::default(),
            clock: LocalClock::default(),
            disk: MemoryDisk::default(),
            service: None,
            process: 0,
            next_tick: 0,
            posts: Posts::default(),
            courier_wakes: None,
            subscriber,
            reference: Reference::default(),
            glitches: Glitches::default(),
            log: BTreeMap::new(),
            bodies: Vec::new(),
            logged_at: Vec::new(),
            calm: None,
        };
        run.agenda.put(START, Task::Restart);
        run.agenda.put(START + MINUTE, Task::Mutate);
        run.agenda.put(START + run.temper.trouble_every, Task::Trouble);
        run.agenda.put(START + run.temper.active, Task::Calm);
        run.schedule_kill();
        run
    }

    /// Runs to the end.
    pub(super) async fn play(&mut self) -> Result<(), Broken> {
        while let Some((at, task)) = self.agenda.next() {
            self.now = self.now.max(at);
            if self.now > START + LONGEST {
                return Err(broken("a run comes to rest", "rest", "none"));
            }
            match self.perform(task).await {
                Ok(true) => return self.close(),
                Ok(false) => {}
                Err(Halt::Store(error)) => self.die(&error)?,
                Err(Halt::Broken(broken)) => return Err(broken),
            }
            if let Err(halt) = self.listen().await {
                match halt {
                    Halt::Store(error) => self.die(&error)?,
                    Halt::Broken(broken) => return Err(broken),
                }
            }
        }
        Err(broken("a run comes to rest", "rest", "nothing left to do"))
    }

    /// Does one thing; whether the run is over.
    async fn perform(&mut self, task: Task) -> Result<bool, Halt> {
        match task {
            Task::Mutate => self.mutate(),
            Task::Trouble => self.trouble(),
            Task::Restart => self.restart().await?,
            Task::Kill => self.kill(),
            Task::Sabotage => self.sabotage(),
            Task::Calm => self.begin_calm(),
            Task::Rest => return self.look_for_rest().await,
            Task::Tick(process) if process == self.process => self.tick(false).await?,
            Task::Gate(process) if process == self.process => self.pump_gate().await?,
            Task::Answer(process, flight) if process == self.process => self.answered(flight).await?,
            Task::Rows(process, flight) if process == self.process => self.rows(flight).await?,
            Task::Courier(process) if process == self.process => self.courier_turn().await?,
            Task::Arrive(process, post) => self.arrive(process, post)?,
            Task::Posted(process, post) if process == self.process => self.posted(post).await?,
            // Of a process that is gone.
            Task::Tick(_) | Task::Gate(_) | Task::Answer(..) | Task::Rows(..) | Task::Courier(_) | Task::Posted(..) => {
            }
        }
        Ok(false)
    }

    /// Hears what was logged as an ERROR and reads what was appended.
    async fn listen(&mut self) -> Result<(), Halt> {
        self.hear_alarms()?;
        let Some(service) = &self.service else { return Ok(()) };
        let last = service.store.last_sequence();
        if last.0 as usize <= self.bodies.len() {
            return Ok(());
        }
        let mut stored = Vec::new();
        while (self.bodies.len() + stored.len()) < last.0 as usize {
            let after = event_model::Sequence((self.bodies.len() + stored.len()) as u64);
            stored.extend(service.store.read_after(after, 10_000).await?);
        }
        let mut events = Vec::new();
        for stored in &stored {
            let event: Event = serde_json::from_slice(&stored.body)
                .map_err(|error| broken("the log holds events", "an event", error.to_string()))?;
            self.trace.hash(&stored.body);
            self.trace.count(event.event_type.as_str());
            self.trace.note(self.now, format_args!("  said: {}", super::reference::broken::line(&event)));
            self.logged_at.push(self.now);
            self.bodies.push(*blake3::hash(&stored.body).as_bytes());
            self.log.entry(event.subject.to_string()).or_default().push(event.clone());
            events.push(event);
        }
        let scene = Scene { world: &self.world, clock: &self.clock, glitches: &self.glitches, now: self.now };
        self.reference.take(&scene, &events)?;
        self.wake_courier();
        Ok(())
    }

    fn hear_alarms(&mut self) -> Result<(), Broken> {
        for alarm in alarms::take() {
            if !(self.faults.commit_fails && alarm.says_that_the_store_stopped()) {
                return Err(broken("nothing is logged as an ERROR", "silence", (alarm.target, alarm.text)));
            }
        }
        Ok(())
    }

    /// What holds of the whole.
    fn close(&mut self) -> Result<(), Broken> {
        if let Some((at, window, arrivals)) = self.traffic.violation() {
            let said = format!("{arrivals} arrivals in {window} ms from {at}");
            return Err(broken("no window holds more requests than it may", "fewer", said));
        }
        Ok(())
    }

    fn local_now(&self) -> Timestamp {
        self.clock.now(self.now)
    }

    /// The moment at which our clock will show `at`; not before the next millisecond.
    fn moment_at(&self, at: Timestamp) -> Moment {
        let ahead = at.duration_since(self.local_now()).as_millis().clamp(1, 1 << 40);
        self.now + ahead as Moment
    }
}
