//! Policies, cards and their feeds.

use event_model::{Event, EventType, Feed, policy::POLICY_SECTIONS};
use serde_json::{Value, json};

use super::{
    Reference, Scene,
    broken::{Check, broken, hold, line},
    fold::NEW_FIELDS,
    paths::differences,
    reports::Before,
};
use crate::sim::upstream::card::GOOD;

impl Reference {
    /// The events of one policy from one look, in order.
    pub(super) fn policy_group(&mut self, scene: &Scene<'_>, id: &str, before: &Before, group: &[Event]) -> Check {
        let last = group.last().expect("a group has an event");
        let policy = scene.world.policies.get(id).ok_or_else(|| broken("policies are not made up", id, line(last)))?;
        let sight = self.sights.at(last.detection.observed_at);
        if last.event_type == EventType::PolicyRemoved {
            let (began, ended) = sight.map_or((0, 0), |sight| (sight.began, sight.ended));
            let gone = policy.life.ever(began, ended, Option::is_none);
            return hold(gone, "only what is deleted is removed", ("deleted", policy.role.at(ended)), line(last));
        }
        let shown = sight.and_then(|sight| sight.policies.get(id));
        let shown = shown.ok_or_else(|| broken("an event tells what a read showed", "details", line(last)))?;
        let mut shown = json!(shown);
        let known = before.as_ref().filter(|told| !told.removed);
        for section in POLICY_SECTIONS {
            if shown[section].is_null()
                && let Some(known) = known
            {
                shown[section] = known.object[section].clone();
            }
        }
        let different = differences(&last.data.object, &shown);
        hold(different.is_empty(), "the last event of a look carries what it showed", different, line(last))?;
        check_begins(before, &group[0], EventType::PolicySnapshot, EventType::PolicyCreated)?;
        check_quiet(before, group)
    }

    /// The events of one card from one look, in order.
    pub(super) fn card_group(&mut self, scene: &Scene<'_>, id: &str, before: &Before, group: &[Event]) -> Check {
        let last = group.last().expect("a group has an event");
        let card = scene.world.cards.get(id).ok_or_else(|| broken("cards are not made up", id, line(last)))?;
        let sight = self.sights.at(last.detection.observed_at);
        if last.event_type == EventType::CardRemoved {
            let (began, ended) = sight.map_or((0, 0), |sight| (sight.began, sight.ended));
            let gone = card.life.ever(began, ended, Option::is_none);
            return hold(gone, "only what is deleted is removed", "deleted", line(last));
        }
        let shown = sight.and_then(|sight| sight.cards.get(id));
        let shown = shown.ok_or_else(|| broken("an event tells what a read showed", "a card", line(last)))?;
        let mut different = differences(&last.data.object, &json!(shown));
        different.remove("feedFailed");
        hold(different.is_empty(), "the last event of a look carries what it showed", different, line(last))?;
        check_begins(before, &group[0], EventType::CardSnapshot, EventType::CardAdded)?;
        check_quiet(before, group)?;
        let fails = shown.last_import_result.is_some_and(|result| result != GOOD);
        for event in group {
            let (failed, expected) = match event.event_type {
                EventType::CardFeedFailed => (fails && !self.most_fail(event, &card.domain, &card.bank), true),
                EventType::CardFeedRecovered => (!fails, false),
                _ => continue,
            };
            hold(failed, "a card's feed event tells of that card's own feed", shown.last_import_result, line(event))?;
            let told = event.data.object["feedFailed"].as_bool();
            hold(told == Some(expected), "a feed event moves feedFailed", expected, line(event))?;
        }
        Ok(())
    }

    /// Whether most cards of a bank fail in the look that `event` is from.
    fn most_fail(&self, event: &Event, domain: &str, bank: &str) -> bool {
        let Some(sight) = self.sights.at(event.detection.observed_at) else { return false };
        let of_bank = sight.cards.values().filter(|card| card.domain == domain && card.bank.as_deref() == Some(bank));
        let results: Vec<bool> = of_bank.map(|card| card.last_import_result.is_some_and(|code| code != GOOD)).collect();
        let failing = results.iter().filter(|fails| **fails).count();
        results.len() >= 2 && failing * 2 > results.len()
    }

    /// An event of a bank's whole feed.
    pub(super) fn feed(&self, event: &Event) -> Check {
        let rule = "a feed is told of when most of its cards fail, or do no more";
        let feed: Feed = serde_json::from_value(event.data.object.clone())
            .map_err(|error| broken("a feed's object is a feed", error.to_string(), line(event)))?;
        hold(event.subject.id == Feed::id(&feed.domain, &feed.bank), rule, &feed, line(event))?;
        let expected = event.event_type == EventType::CardFeedFailed;
        let most = self.most_fail(event, &feed.domain, &feed.bank);
        hold(feed.failed == expected && most == expected, rule, (expected, most), line(event))
    }
}

fn check_begins(before: &Before, first: &Event, snapshot: EventType, created: EventType) -> Check {
    let rule = "an entity begins with its first sight or its creation, and with neither in the middle";
    let begins = first.event_type == created || first.event_type == snapshot;
    match before {
        Some(told) if !told.removed => hold(first.event_type != created, rule, "a change", line(first)),
        Some(_) => hold(first.event_type == created, rule, created, line(first)),
        None => hold(begins, rule, (snapshot, created), line(first)),
    }
}

/// A snapshot in the middle of an entity's life tells of new fields alone, and a change changes something else as well.
fn check_quiet(before: &Before, group: &[Event]) -> Check {
    let Some(told) = before.as_ref().filter(|told| !told.removed) else { return Ok(()) };
    let mut object: &Value = &told.object;
    for event in group {
        let different = differences(object, &event.data.object);
        let loud = different.keys().any(|path| !NEW_FIELDS.contains(&path.as_str()));
        let snapshot = event.event_type.is_snapshot();
        hold(!snapshot || !loud, "a change is not told as a snapshot", different.keys(), line(event))?;
        let new = |path: &String| NEW_FIELDS.contains(&path.as_str()) && event.data.previous[path].is_null();
        let flood = !snapshot && event.data.changed.iter().any(new);
        hold(!flood, "a field that is new on all is not told as a change", different.keys(), line(event))?;
        hold(!event.data.changed.is_empty() || snapshot, "a change changes something", "paths", line(event))?;
        object = &event.data.object;
    }
    Ok(())
}
