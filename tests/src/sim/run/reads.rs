//! Reads: the plan, the slots, and the requests on their way.

use poller::Asked;

use super::{Halt, Run, Task, answers::query_of};
use crate::sim::{
    clock::{Moment, SECOND},
    service::flight::{Fate, Flight, Job, Sent},
};
use change_engine::{
    budget::Wait,
    plan::{Decision, Ended},
};

/// The plan is asked again after so long, whatever it said.
const LONGEST_WAIT: Moment = 60 * SECOND;

impl Run {
    /// Asks the plan what to do, and does it; with `anew`, what is wanted is asked first.
    pub(super) async fn tick(&mut self, anew: bool) -> Result<(), Halt> {
        if !anew && self.now < self.next_tick {
            return Ok(());
        }
        let now = self.local_now();
        let Some(service) = &mut self.service else { return Ok(()) };
        service.plan_anew(now);
        self.next_tick = self.now + LONGEST_WAIT;
        loop {
            let Some(service) = &mut self.service else { return Ok(()) };
            match service.plan.decide(now) {
                Decision::Start(key) => {
                    self.start(&key);
                    continue;
                }
                Decision::WaitUntil(at) => self.next_tick = self.next_tick.min(self.moment_at(at)),
                Decision::WaitForEnd => {}
            }
            break;
        }
        self.agenda.put(self.next_tick, Task::Tick(self.process));
        self.pump_gate().await
    }

    fn start(&mut self, key: &str) {
        let now = self.local_now();
        let Some(service) = &mut self.service else { return };
        let asked = service.watches.get(key).cloned().and_then(|watch| Some((service.scribe.ask(&watch, now)?, watch)));
        let Some((asked, watch)) = asked else { return service.plan.remove(&key.to_owned()) };
        service.plan.started(&key.to_owned(), now);
        let text = describe(&asked);
        let id = service.fresh();
        service.flights.insert(id, Flight::new(key.to_owned(), watch, asked));
        service.gate.waiting.push_back(id);
        self.trace.note(self.now, format_args!("read {id} of {key} {text}"));
        self.trace.count(read_kind(key));
    }

    /// Gives slots to who waits for them, first come, first served.
    pub(super) async fn pump_gate(&mut self) -> Result<(), Halt> {
        loop {
            let now = self.local_now();
            let Some(service) = &mut self.service else { return Ok(()) };
            let Some(id) = service.gate.waiting.front().copied() else { return Ok(()) };
            match service.gate.take(now).await? {
                Ok(slot) => {
                    service.gate.waiting.pop_front();
                    self.send(id, slot);
                }
                Err(Wait::Until(at)) => {
                    let at = self.moment_at(at);
                    self.agenda.put(at, Task::Gate(self.process));
                    return Ok(());
                }
                Err(Wait::ForAnswer { .. }) => return Ok(()),
            }
        }
    }

    fn send(&mut self, id: u64, slot: change_engine::budget::SlotId) {
        let stamp = self.clock.stamp(self.now);
        let Some(service) = &mut self.service else { return };
        let Some(flight) = service.flights.get_mut(&id) else { return };
        let Some(job) = flight.jobs.pop_front() else { return };
        flight.started.get_or_insert((stamp, self.now));
        flight.requests += 1;
        let fate = self.fate(job);
        let arrived = self.now + self.dice.between(5, 400);
        let worked = arrived + self.work(id, job, fate);
        let answered = worked + self.dice.between(5, 400);
        // A connection that breaks may do so before the request has arrived.
        if fate != Fate::NoAnswer || self.dice.percent(60) {
            self.traffic.arrive(arrived);
        }
        if let Some(flight) = self.service.as_mut().and_then(|service| service.flights.get_mut(&id)) {
            flight.sent = Some(Sent { slot, job, fate, arrived });
        }
        self.agenda.put(answered, Task::Answer(self.process, id));
    }

    /// How long the upstream works on a request.
    fn work(&mut self, id: u64, job: Job, fate: Fate) -> Moment {
        let render = self.rendering(id);
        match (job, fate) {
            (_, Fate::Limited) => 5,
            (Job::Export, Fate::NoAnswer) => self.dice.between(100, 3 * render),
            (Job::Export, _) => self.dice.between(render / 2, render * 2),
            (Job::Download, _) => self.dice.between(20, SECOND),
            (Job::List | Job::Details | Job::Cards, _) => self.dice.between(50, 2 * SECOND),
        }
    }

    /// How long an export of these reports takes on average: a part of what all of them take, and a little.
    fn rendering(&self, id: u64) -> Moment {
        let flight = self.service.as_ref().and_then(|service| service.flights.get(&id));
        let Some(Asked::Reports(asked)) = flight.and_then(|flight| flight.asked.as_ref()) else { return 0 };
        let (rows, of) = self.world.count(&query_of(&asked.export), self.now);
        300 + self.temper.render * rows / of.max(1)
    }

    /// The read `id` is over.
    pub(super) async fn end(&mut self, id: u64, ended: Ended) -> Result<(), Halt> {
        let (now, chance) = (self.local_now(), self.dice.unit());
        let Some(service) = &mut self.service else { return Ok(()) };
        let Some(flight) = service.flights.remove(&id) else { return Ok(()) };
        service.gate.waiting.retain(|waiting| *waiting != id);
        service.ended(&flight.key, ended, now, chance);
        self.trace.note(self.now, format_args!("read {id} of {} ended: {ended:?}", flight.key));
        if let (Ended::Complete { .. }, Some((_, began))) = (ended, flight.started) {
            self.note_fresh(&flight.key, began);
        }
        self.tick(true).await
    }
}

fn describe(asked: &Asked) -> String {
    match asked {
        Asked::Reports(asked) => {
            let filter = &asked.export.filter;
            let states: Vec<&str> = asked.export.states.iter().map(|state| state.as_str()).collect();
            format!("{:?} {:?}..{:?} {states:?}", filter.report_ids, filter.start_date, filter.end_date)
        }
        Asked::Policies => String::new(),
        Asked::PoliciesById(ids) => format!("{ids:?}"),
        Asked::Cards(domain) => domain.clone(),
    }
}

fn read_kind(key: &str) -> &'static str {
    match key {
        "reports" => "read of all reports",
        "reports:active" => "read of active reports",
        "reports:recent" => "read of recent reports",
        "reports:by-id" => "follow-up by id",
        "reports:aged" => "read of aged reports",
        "policies" => "read of policies",
        "policies:by-id" => "confirmation of policies",
        _ if key.starts_with("cards:") => "read of cards",
        _ if key.starts_with("report/") => "refresh of one report",
        _ => "read of a window",
    }
}
