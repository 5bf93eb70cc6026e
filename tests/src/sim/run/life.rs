//! What happens beside reads and deliveries: changes at the upstream, and the deaths and births of processes.

use event_store::StoreError;

use super::{Halt, Run, Task};
use crate::sim::{
    alarms::{self, Alarm},
    clock::{HOUR, MINUTE, SECOND},
    reference::broken::{Broken, broken, hold},
    service::Service,
};

impl Run {
    pub(super) fn mutate(&mut self) {
        if self.calm.is_some() {
            return;
        }
        if self.dice.percent(3) {
            self.refresh_some_report();
        }
        let (dice, trace, now) = (&mut self.dice, &mut self.trace, self.now);
        match dice.below(100) {
            0..=73 => self.world.mutate_reports(dice, trace, now),
            74..=87 => self.world.mutate_policies(dice, trace, now),
            _ => self.world.mutate_cards(dice, trace, now),
        }
        // While nobody looks for days there need not be as much to see.
        let every =
            if self.service.is_some() { self.temper.mutate_every } else { self.temper.mutate_every.max(5 * MINUTE) };
        let next = now + dice.between(every / 10, every * 2);
        self.agenda.put(next, Task::Mutate);
    }

    /// Somebody wrote to a report and wants to hear of it.
    fn refresh_some_report(&mut self) {
        let (now, Some(service)) = (self.clock.now(self.now), &mut self.service) else { return };
        let ids: Vec<String> = self.world.reports.keys().cloned().collect();
        if let Some(id) = self.dice.pick(&ids) {
            service.refresh(id, now);
            self.agenda.put(self.now, Task::Tick(self.process));
            self.next_tick = self.now;
        }
    }

    pub(super) fn trouble(&mut self) {
        if self.calm.is_some() {
            return;
        }
        let every = self.temper.trouble_every;
        if self.dice.percent(10) {
            let down = self.dice.between(10 * SECOND, 5 * MINUTE);
            self.subscriber.go_down(self.now + down);
            self.trace.count("subscriber down");
        } else {
            let exports = self.service.iter().flat_map(|service| service.flights.values());
            let reading = exports.filter(|flight| flight.key.starts_with("report")).count() > 0;
            self.world.trouble(&mut self.dice, &mut self.trace, self.now, reading);
        }
        let next = self.now + self.dice.between(every / 4, every * 2);
        self.agenda.put(next, Task::Trouble);
    }

    /// The machine loses its power, or the process is killed; nothing that was only written relaxed is left.
    pub(super) fn kill(&mut self) {
        if self.calm.is_none() && self.service.is_some() {
            self.trace.note(self.now, "the process is killed");
            self.trace.count("process killed");
            self.end_process();
        }
    }

    /// One of the next commits fails; whether it stands nevertheless is open.
    pub(super) fn sabotage(&mut self) {
        if self.calm.is_some() || self.service.is_none() {
            return self.schedule_kill();
        }
        let (commits, stands) = (self.dice.between(0, 30), self.dice.percent(50));
        self.trace.note(self.now, format_args!("commit {commits} from now fails, and stands: {stands}"));
        self.trace.count(if stands { "commit fails and stands" } else { "commit fails" });
        self.disk.fail_commit_after(commits, stands);
        self.faults.commit_fails = true;
    }

    /// The store failed: right when a commit was made to.
    pub(super) fn die(&mut self, error: &StoreError) -> Result<(), Broken> {
        self.hear_alarms()?;
        hold(self.faults.commit_fails, "the store fails only when the disk does", "success", error.to_string())?;
        self.trace.note(self.now, format_args!("the process dies: {error}"));
        self.faults.commit_fails = false;
        self.end_process();
        Ok(())
    }

    fn end_process(&mut self) {
        self.disk.power_cut();
        self.service = None;
        // A store that finds its disk gone says so as it closes.
        alarms::take_back(Alarm::says_that_the_store_stopped);
        self.process += 1;
        let down = self.downtime();
        if self.dice.percent(25) {
            self.step_clock(down);
        }
        self.agenda.put(self.now + down, Task::Restart);
    }

    /// Somebody sets the machine's clock. Not forward right away: a ledger cannot know that its slots are still held.
    fn step_clock(&mut self, down: u64) {
        let skew = self.dice.between(0, 20 * MINUTE) as i64 - 10 * MINUTE as i64;
        if skew <= self.clock.skew_ms() || down > HOUR {
            self.trace.note(self.now, format_args!("the clock is {skew} ms ahead from here on"));
            self.trace.count("clock step");
            self.clock.set_skew(skew);
        }
    }

    pub(super) async fn restart(&mut self) -> Result<(), Halt> {
        let now = self.local_now();
        let mut service = Service::start(&self.disk, self.subscriber.filter(), now).await?;
        service.set_clock_offset_ms(-self.clock.skew_ms());
        self.trace
            .note(self.now, format_args!("process {} starts, log at {}", self.process, service.store.last_sequence()));
        self.check_kept(&service).await?;
        self.service = Some(service);
        if self.calm.is_none() {
            self.schedule_kill();
        }
        self.wake_courier();
        self.tick(true).await
    }

    /// Everything that was read from the log is still there, to the byte.
    async fn check_kept(&self, service: &Service) -> Result<(), Halt> {
        let mut known = 0;
        while known < self.bodies.len() {
            let after = event_model::Sequence(known as u64);
            let page = service.store.read_after(after, self.bodies.len() - known).await?;
            let rule = "what was acknowledged survives";
            hold(!page.is_empty(), rule, self.bodies.len(), known)?;
            for stored in page {
                let same = blake3::hash(&stored.body).as_bytes() == &self.bodies[known];
                if !same {
                    return Err(broken(rule, "the same bytes", stored.head.sequence).into());
                }
                known += 1;
            }
        }
        Ok(())
    }
}
