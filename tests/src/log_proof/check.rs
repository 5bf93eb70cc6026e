//! Reading a log whole, and holding every byte of it against the stories that were told into it.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use event_model::{EntityKind, Revision, Sequence};
use event_store::{EventStore, StoredEvent};
use serde::{Deserialize, Serialize};

use super::story::Story;

/// Events of one read.
const READ_EVENTS: usize = 5_000;

/// What a log holds that is as it must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// How many events of each story were told, in the order of the stories.
    pub told: Vec<u64>,
    /// The last sequence.
    pub last: u64,
    /// Up to here only the last event of each report is kept.
    pub horizon: u64,
}

/// Reads everything that `store` gives, which is `stories` and nothing else.
///
/// It fails where an event, a state or the chain is not what it must be: an event differs from the story, is missing,
/// comes twice or out of order; below the horizon a report has lost its last event; a state is not that of the last event.
pub async fn whole(store: &EventStore, stories: &[Story]) -> Result<Found> {
    chain_is_whole(store).await?;
    let (horizon, last) = (store.horizon().0, store.last_sequence().0);
    let mut read = Read { stories, told: vec![None; stories.len()], newest: HashMap::new(), horizon, after: 0 };
    loop {
        let events = store.read_after(Sequence(read.after), READ_EVENTS).await?;
        if events.is_empty() {
            break;
        }
        events.iter().try_for_each(|event| read.event(event))?;
    }
    ensure!(read.after.max(horizon) == last, "the log gives events up to {}, its last is {last}", read.after);
    let told = read.newest_are_last()?;
    states_agree(store, stories, &read.newest).await?;
    Ok(Found { told, last, horizon })
}

async fn chain_is_whole(store: &EventStore) -> Result<()> {
    let verified = store.verify(|_| ()).await.context("verifying the chain")?;
    ensure!(verified.last == store.last_sequence(), "verified up to {}, the last is another", verified.last);
    let checked = store.check_states().await.context("checking the states")?;
    ensure!(checked.differ == 0, "{} states differ from the fold of the log", checked.differ);
    Ok(())
}

async fn states_agree(store: &EventStore, stories: &[Story], newest: &HashMap<String, Newest>) -> Result<()> {
    let Some(story) = stories.first() else { return Ok(()) };
    let states = store.entities(story.account(), EntityKind::Report).await?;
    ensure!(states.len() == newest.len(), "{} states of {} reports", states.len(), newest.len());
    for (id, state) in states {
        let is_of = newest.get(&id).map(|newest| (newest.sequence, newest.revision));
        ensure!(is_of == Some((state.sequence, state.revision)), "the state of {id} is of another event");
    }
    Ok(())
}

/// The newest event of a report.
struct Newest {
    sequence: Sequence,
    revision: Revision,
    teller: usize,
    position: u64,
}

struct Read<'a> {
    stories: &'a [Story],
    /// The events of each story up to here were told; none until its first event is met.
    told: Vec<Option<u64>>,
    newest: HashMap<String, Newest>,
    horizon: u64,
    after: u64,
}

impl Read<'_> {
    fn event(&mut self, event: &StoredEvent) -> Result<()> {
        let (sequence, subject) = (event.head.sequence, &event.head.subject.id);
        let whole = sequence.0 > self.horizon;
        let expected = self.after.max(self.horizon) + 1;
        ensure!(sequence.0 > self.after && (!whole || sequence.0 == expected), "{sequence} follows {}", self.after);
        let teller = self.stories.iter().enumerate().find_map(|(i, story)| Some((i, story.position(&event.head)?)));
        let Some((teller, position)) = teller else { bail!("{sequence} is about {subject}, of which nobody told") };
        ensure!(self.stories[teller].body(position, sequence) == event.body, "{sequence} is not as it was appended");
        ensure!(
            self.stories.len() > 1 || position + 1 == sequence.0,
            "{sequence} is event {position} of the only story"
        );
        let before = self.told[teller].replace(position + 1);
        // Where retention was, and where a story goes on behind that, events are missing as they may.
        let gap = before.is_none_or(|told| told <= position) && self.after <= self.horizon && self.horizon > 0;
        ensure!(
            gap || position == before.unwrap_or(0),
            "{sequence} is event {position} of its story, after {before:?}"
        );
        let newest = Newest { sequence, revision: event.head.revision, teller, position };
        self.newest.insert(subject.clone(), newest);
        self.after = sequence.0;
        Ok(())
    }

    /// Of each report that was told of, the newest event there is its last. Says how many events of each story were told.
    fn newest_are_last(&self) -> Result<Vec<u64>> {
        let told: Vec<u64> = self.told.iter().map(|told| told.unwrap_or(0)).collect();
        let reports: u64 = self.stories.iter().zip(&told).map(|(story, told)| story.reports(*told)).sum();
        ensure!(self.newest.len() as u64 == reports, "{} of {reports} reports are there", self.newest.len());
        for (id, Newest { sequence, teller, position, .. }) in &self.newest {
            let last = self.stories[*teller].is_last_of_its_report(*position, told[*teller]);
            ensure!(last, "{sequence} is the newest event of {id}, there was a later one");
        }
        Ok(told)
    }
}
