//! What a replay will send, found before it is made; and its beginning.
//!
//! A replay never goes beyond the subscription's cursor: what comes after it is delivered anyway. A whole span is counted by
//! reading it; dead letters and one entity's events are few and listed by their positions.

use event_model::delivery::PendingState;
use event_model::{
    AccountName, EventHead, Reach, Replay, Sequence, Subject, Subscription, delivery::Payload, replay::ReplayState,
};
use event_store::{Durability, StoreError};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    config::{MAX_PAGE_BYTES, READ_BATCH},
    problem::{Fault, Refusal},
    state::Api,
};

/// Events of a replay that are listed one by one: as many dead letters as a subscription may have.
const MAX_CHOSEN: usize = 10_000;
/// Events that are looked at to count a span: some seconds.
const MAX_COUNTED: u64 = 3_000_000;
/// Replays of a subscription that are remembered when they are over.
const MAX_KEPT: usize = 50;

/// Which events, as a caller says it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub after: Sequence,
    pub up_to: Sequence,
    pub subject: Option<Subject>,
    pub account: Option<AccountName>,
    pub failed: bool,
}

/// What that is.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// How many events; `null` when they are too many to count.
    pub count: Option<u64>,
    /// The first of them.
    pub first: Option<Point>,
    /// The last of them; `null` as well when they are too many to count.
    pub last: Option<Point>,
    #[serde(skip)]
    pub chosen: Option<Vec<Sequence>>,
}

/// A place in the log and in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "LogPoint")]
pub(crate) struct Point {
    sequence: Sequence,
    observed_at: Timestamp,
}

impl From<&EventHead> for Point {
    fn from(head: &EventHead) -> Self {
        Self { sequence: head.sequence, observed_at: head.observed_at() }
    }
}

/// Whether `subscription` is sent the event with this head, as the dispatcher decides it.
async fn is_sent(api: &Api, subscription: &Subscription, head: &EventHead) -> Result<bool, StoreError> {
    if !Reach::turns_on_owner(head.event_type) {
        return Ok(subscription.wants(head, None));
    }
    let about = api.subscriptions.get(&head.subject.id).await?.and_then(|about| about.owner);
    Ok(subscription.wants(head, about.map(|owner| owner.key).as_ref()))
}

/// Finds what `wanted` is of the events that `subscription` wants.
pub(crate) async fn find(api: &Api, subscription: &Subscription, wanted: &Wanted) -> Result<Found, Refusal> {
    if wanted.failed {
        let chosen = dead_letters(api, subscription, wanted).await?;
        return listed(api, chosen).await;
    }
    match &wanted.subject {
        Some(subject) => {
            let chosen = of_entity(api, subscription, wanted, subject).await?;
            listed(api, chosen).await
        }
        None => counted(api, subscription, wanted).await,
    }
}

async fn listed(api: &Api, chosen: Vec<Sequence>) -> Result<Found, Refusal> {
    let mut points = [chosen.first(), chosen.last()].map(|_| None);
    for (point, sequence) in points.iter_mut().zip([chosen.first(), chosen.last()]) {
        if let Some(sequence) = sequence {
            *point = api.deps.store.event(*sequence).await?.map(|event| Point::from(&*event.head));
        }
    }
    let [first, last] = points;
    Ok(Found { count: Some(chosen.len() as u64), first, last, chosen: Some(chosen) })
}

async fn dead_letters(api: &Api, subscription: &Subscription, wanted: &Wanted) -> Result<Vec<Sequence>, StoreError> {
    let stored = api.pending.list(&format!("{}/", subscription.id)).await?;
    let dead = stored.into_iter().filter(|(_, record)| matches!(record.state, PendingState::Dead { .. }));
    let mut chosen: Vec<Sequence> = dead
        .filter_map(|(_, record)| match record.payload {
            Payload::Event { sequence, subject, account, .. } => {
                let asked = wanted.after < sequence
                    && wanted.subject.as_ref().is_none_or(|wanted| wanted.to_string() == subject)
                    && wanted.account.as_ref().is_none_or(|wanted| wanted.as_str() == account);
                asked.then_some(sequence)
            }
            Payload::Test { .. } => None,
        })
        .filter(|sequence| *sequence <= wanted.up_to)
        .collect();
    chosen.sort_unstable();
    Ok(chosen)
}

/// Found by walking the history of the entity back.
async fn of_entity(
    api: &Api,
    subscription: &Subscription,
    wanted: &Wanted,
    subject: &Subject,
) -> Result<Vec<Sequence>, Refusal> {
    let names = api.account_names();
    let account = match (&wanted.account, names.as_slice()) {
        (Some(account), _) | (None, [account]) => account,
        (None, _) => return Err(Refusal::Fields(vec![Fault::at("/account", "is required: there are several")])),
    };
    let (mut chosen, mut before) = (Vec::new(), wanted.up_to.next());
    loop {
        let older = api.deps.store.history(account, subject, Some(before), READ_BATCH).await?;
        let Some(last) = older.last().map(|event| event.head.sequence) else { break };
        for event in older.iter().filter(|event| event.head.sequence > wanted.after) {
            if is_sent(api, subscription, &event.head).await? {
                chosen.push(event.head.sequence);
            }
        }
        if chosen.len() > MAX_CHOSEN {
            let why = format!("has more than {MAX_CHOSEN} events there; narrow the span by \"from\"");
            return Err(Refusal::Fields(vec![Fault::at("/subject", why)]));
        }
        if last <= wanted.after {
            break;
        }
        before = last;
    }
    chosen.reverse();
    Ok(chosen)
}

async fn counted(api: &Api, subscription: &Subscription, wanted: &Wanted) -> Result<Found, Refusal> {
    let Ok(_turn) = api.whole_log.try_acquire() else {
        return Err(Refusal::Busy("the log is being read whole for another request; try again shortly"));
    };
    let (mut found, mut after, mut count) = (Found::default(), wanted.after, 0);
    while after < wanted.up_to {
        if after.0 - wanted.after.0 > MAX_COUNTED {
            return Ok(Found { last: None, ..found });
        }
        let events = api.deps.store.read_page(after, READ_BATCH, MAX_PAGE_BYTES).await?;
        let Some(last) = events.last().map(|event| event.head.sequence) else { break };
        let within = events.iter().take_while(|event| event.head.sequence <= wanted.up_to);
        for event in within {
            if is_sent(api, subscription, &event.head).await? {
                let point = Point::from(&*event.head);
                count += 1;
                found.first.get_or_insert(point);
                found.last = Some(point);
            }
        }
        after = last;
    }
    Ok(Found { count: Some(count), ..found })
}

/// Stores `replay`, which the dispatcher then sees, unless another one of its subscription goes on. To be called with
/// [`Api::changing`] held.
pub(crate) async fn begin(api: &Api, replay: &Replay) -> Result<(), Refusal> {
    let mut others: Vec<Replay> = of(api, replay.subscription.as_str()).await?;
    others.retain(|other| other.id != replay.id);
    refuse_beside(&others)?;
    let surplus = others.len().saturating_sub(MAX_KEPT - 1);
    for old in &others[..surplus] {
        api.progress.delete(old.id.as_str(), Durability::Relaxed).await?;
        api.replays.delete(&old.key(), Durability::Relaxed).await?;
    }
    Ok(api.replays.put(&replay.key(), replay, Durability::Durable).await?)
}

/// Two at a time would overtake each other.
pub(crate) fn refuse_beside(others: &[Replay]) -> Result<(), Refusal> {
    match others.iter().find(|other| other.state == ReplayState::Running) {
        Some(other) => {
            Err(Refusal::Conflict(format!("the replay {} goes on; cancel it, or wait for its end", other.id)))
        }
        None => Ok(()),
    }
}

/// The replays of a subscription, oldest first.
pub(crate) async fn of(api: &Api, subscription: &str) -> Result<Vec<Replay>, StoreError> {
    let listed = api.replays.list(&format!("{subscription}/")).await?;
    Ok(listed.into_iter().map(|(_, replay)| replay).collect())
}
