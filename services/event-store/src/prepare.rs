//! Drafts made ready for the writer, by whoever appends them: the writer is one thread, its callers are many.
//!
//! What is missing is the sequence, which only the writer knows. So a body is built with a placeholder, and the writer puts the
//! digits in its place.

use std::sync::Arc;

use bytes::Bytes;
use event_model::{AccountName, Event, EventDraft, Revision, Sequence, Subject};
use serde::de::Error;
use serde_json::Value;

use crate::{StoreError, event::sequence_at, fold::EntityKey, layout};

/// Written where the sequence goes: the longest there is.
const PLACEHOLDER: Sequence = Sequence(u64::MAX);
/// Digits of [`PLACEHOLDER`].
const PLACEHOLDER_DIGITS: usize = 20;
/// Deepest object that goes into the log: serde_json reads 127 levels, and three of an event are around it.
const MAX_DEPTH: usize = 120;
/// Room for the JSON of most events, so that writing it need not move it.
const USUAL_BYTES: usize = 1024;

/// An event that only lacks its place in the log.
pub struct Prepared {
    /// The key of its entity.
    pub key: EntityKey,
    /// The entity, for errors.
    pub subject: Subject,
    /// Its revision.
    pub revision: Revision,
    /// When it was observed, as blocks keep it.
    pub observed_at: i64,
    /// Its sequence, if it has one already.
    pub sequence: Option<Sequence>,
    body: Vec<u8>,
    /// Where in the body the placeholder is.
    gap: usize,
}

impl Prepared {
    /// What `draft` becomes. It is refused when it would not read back as it went in.
    pub fn draft(draft: EventDraft) -> Result<Self, StoreError> {
        check(&draft).map_err(unfit)?;
        let key = key_of(&draft.account, &draft.subject)?;
        let event = draft.at(PLACEHOLDER);
        let mut body = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut body, &event).map_err(unfit)?;
        check_length(body.len())?;
        let gap = sequence_at(&body).ok_or_else(|| unfit(Error::custom("it does not begin as events do")))?;
        let (revision, observed_at) = (event.revision, nanoseconds(event.detection.observed_at));
        Ok(Self { key, subject: event.subject, revision, observed_at, sequence: None, body, gap })
    }

    /// The event with exactly the bytes `body`, which was in a log before.
    pub fn imported(body: &Bytes) -> Result<Self, StoreError> {
        check_length(body.len())?;
        let event: Event = serde_json::from_slice(body).map_err(unfit)?;
        serde_json::from_slice::<event_model::EventHead>(body).map_err(unfit)?;
        let key = key_of(&event.account, &event.subject)?;
        let (revision, observed_at) = (event.revision, nanoseconds(event.detection.observed_at));
        let sequence = Some(event.sequence);
        Ok(Self { key, subject: event.subject, revision, observed_at, sequence, body: body.to_vec(), gap: 0 })
    }

    /// Gives it its place, if it has none yet: the key of its entity, and its bytes.
    pub fn at(mut self, sequence: Sequence) -> (EntityKey, Bytes) {
        if self.sequence.is_none() {
            let mut digits = [0; PLACEHOLDER_DIGITS];
            let count = decimal(sequence.0, &mut digits);
            let surplus = self.gap + count..self.gap + PLACEHOLDER_DIGITS;
            self.body[self.gap..surplus.start].copy_from_slice(&digits[PLACEHOLDER_DIGITS - count..]);
            self.body.drain(surplus);
        }
        (self.key, self.body.into())
    }
}

/// Writes `value` to the end of `digits`; says how many it takes.
fn decimal(mut value: u64, digits: &mut [u8; PLACEHOLDER_DIGITS]) -> usize {
    let mut count = 0;
    loop {
        count += 1;
        digits[PLACEHOLDER_DIGITS - count] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return count;
        }
    }
}

/// As blocks keep it; what lies beyond the range of it is at its end.
pub fn nanoseconds(at: jiff::Timestamp) -> i64 {
    let nanoseconds = at.as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
}

fn check_length(size: usize) -> Result<(), StoreError> {
    let (what, limit) = ("bytes of an event", layout::MAX_RECORD_BYTES);
    if size > limit { Err(StoreError::TooLarge { what, size, limit }) } else { Ok(()) }
}

fn key_of(account: &AccountName, subject: &Subject) -> Result<EntityKey, StoreError> {
    let key = layout::entity_key(account, subject);
    if key.len() > layout::MAX_KEY_BYTES {
        let what = "bytes of account, kind and id of an entity";
        return Err(StoreError::TooLarge { what, size: key.len(), limit: layout::MAX_KEY_BYTES });
    }
    Ok(key.into())
}

/// Types tell most of what an event must be to read back; this is the rest.
fn check(draft: &EventDraft) -> Result<(), serde_json::Error> {
    let Value::Object(object) = &draft.data.object else {
        return Err(Error::custom("the object of an event is no JSON object"));
    };
    if !matches!(object.get("policyID"), None | Some(Value::Null | Value::String(_))) {
        return Err(Error::custom("policyID is no text"));
    }
    if draft.subject.id.is_empty() {
        return Err(Error::custom("the id of an entity is empty"));
    }
    if !is_shallow(&draft.data.object, MAX_DEPTH) || !draft.data.previous.values().all(|v| is_shallow(v, MAX_DEPTH)) {
        return Err(Error::custom("it is nested deeper than can be read"));
    }
    Ok(())
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Object(map) => levels > 0 && map.values().all(|value| is_shallow(value, levels - 1)),
        Value::Array(items) => levels > 0 && items.iter().all(|value| is_shallow(value, levels - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn unfit(error: serde_json::Error) -> StoreError {
    StoreError::Json { table: layout::LOG_TREE, source: Arc::new(error) }
}
