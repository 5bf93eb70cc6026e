//! Deliveries on their way to the subscriber and back.

use std::collections::BTreeMap;

use event_model::delivery::Outcome;

use super::{Halt, Run, Task};
use crate::sim::{clock::Moment, subscriber::Answer};

/// A delivery that is under way, whatever becomes of the process that sent it.
pub(super) struct Underway {
    subject: String,
    body: Vec<u8>,
    answer: Answer,
}

/// By process and name.
pub(super) type Posts = BTreeMap<(u32, u64), Underway>;

impl Run {
    /// The courier looks at once.
    pub(super) fn wake_courier(&mut self) {
        self.agenda.put(self.now, Task::Courier(self.process));
    }

    pub(super) async fn courier_turn(&mut self) -> Result<(), Halt> {
        let now = self.local_now();
        let Some(service) = &mut self.service else { return Ok(()) };
        let posts = service.courier.turn(now).await?;
        let wake = service.courier.wake_at();
        for post in posts {
            let Some(service) = &mut self.service else { return Ok(()) };
            let name = service.fresh();
            self.subscriber.sent(self.process, &post.subject)?;
            let calm = self.calm.is_some();
            let answer = self.subscriber.answer(&mut self.dice, &mut self.trace, &post.id, self.now, calm);
            let arrives = self.now + answer.took.min(900) / 2;
            self.agenda.put(arrives, Task::Arrive(self.process, name));
            self.agenda.put(self.now + answer.took, Task::Posted(self.process, name));
            let underway = Underway { subject: post.subject.clone(), body: post.body.clone(), answer };
            self.posts.insert((self.process, name), underway);
            if let Some(service) = &mut self.service {
                service.posts.insert(name, post);
            }
        }
        if let Some(at) = wake.map(|at| self.moment_at(at)) {
            self.wake_courier_at(at);
        }
        Ok(())
    }

    fn wake_courier_at(&mut self, at: Moment) {
        if self
            .courier_wakes
            .is_none_or(|(process, before)| process != self.process || before > at || before <= self.now)
        {
            self.courier_wakes = Some((self.process, at));
            self.agenda.put(at, Task::Courier(self.process));
        }
    }

    /// A delivery arrives, if it does.
    pub(super) fn arrive(&mut self, process: u32, name: u64) -> Result<(), Halt> {
        let Some(underway) = self.posts.get(&(process, name)) else { return Ok(()) };
        if underway.answer.arrived {
            let log = self.log.get(&underway.subject).map(Vec::as_slice).unwrap_or_default();
            self.subscriber.take(&underway.body, log)?;
        }
        if process != self.process {
            self.posts.remove(&(process, name));
        }
        Ok(())
    }

    /// The courier knows how the delivery ended.
    pub(super) async fn posted(&mut self, name: u64) -> Result<(), Halt> {
        let (now, chance) = (self.local_now(), self.dice.unit());
        let Some(Underway { subject, answer, .. }) = self.posts.remove(&(self.process, name)) else { return Ok(()) };
        self.subscriber.ended(self.process, &subject);
        let Some(service) = &mut self.service else { return Ok(()) };
        let Some(post) = service.posts.remove(&name) else { return Ok(()) };
        let ended = answer.outcome != Outcome::Delivered { status: 204 };
        let verdict = service.courier.ended(&post.start, answer.outcome, answer.retry_after, now, chance);
        if ended {
            self.trace.note(self.now, format_args!("delivery of {} to the subscriber: {verdict:?}", post.id));
        }
        self.courier_turn().await
    }
}
