//! What must have been said once the upstream has been left alone for long enough, with everything in sight.

use serde_json::{Value, json};

use super::{
    Reference,
    access::scopes_of,
    broken::{Check, hold},
    paths::differences,
    reports::{lines, loud},
};
use crate::sim::{
    clock::{DAY, Moment},
    upstream::{
        World, card, policy,
        report::{HistoryKind, Report},
        stage::Stage,
    },
};

/// How far back the service is set to watch reports.
pub const HISTORY_DAYS: u16 = 365;

/// Whether the log says all of `world` as it is at `now`.
pub fn check(reference: &Reference, world: &mut World, now: Moment) -> Check {
    for id in world.reports.keys().cloned().collect::<Vec<_>>() {
        report(reference, world, &id, now)?;
    }
    expenses(reference)?;
    policies(reference, world, now)?;
    cards(reference, world, now)?;
    feeds(reference, world, now)?;
    for (subject, told) in reference.fold.told.iter().filter(|(subject, _)| subject.starts_with("account/")) {
        let mut lost = scopes_of(&told.object);
        // What was deleted out of sight is never in sight again, and nobody can tell.
        lost.retain(|scope| !scope.strip_prefix("policy/").is_some_and(|id| went_unseen(reference, world, id)));
        hold(lost.is_empty(), "what is in sight again is not lost", subject, lost)?;
    }
    Ok(())
}

fn report(reference: &Reference, world: &mut World, id: &str, now: Moment) -> Check {
    let told = reference.fold.told.get(&format!("report/{id}"));
    let row = world.row(id, now);
    let report = &world.reports[id];
    let odd = report.life.spans().any(|(_, _, body)| body.as_ref().is_some_and(|body| body.stage == Stage::Odd));
    let told_state = told.map_or("", |told| told.object["state"].as_str().unwrap_or_default());
    let in_window = in_window(report, now);
    let watched = in_window || matches!(told_state, "OPEN" | "SUBMITTED" | "APPROVED");
    if !watched || told_state == Stage::Odd.name() {
        return Ok(());
    }
    if report.body().is_some() && !world.sees(report, now) {
        return Ok(());
    }
    let Some(row) = row else {
        // While a policy is out of sight a report may have moved there: it is waited for, for a day.
        let waits = world.policies.keys().any(|id| went_unseen(reference, world, id));
        let known = told.is_some_and(|told| !told.removed) && !waits;
        return hold(!known, "what is deleted is told to be removed", id, told.map(|told| &told.object["state"]));
    };
    if row.shown.state.as_str() == Stage::Odd.name() || (told.is_none() && !in_window) {
        return Ok(());
    }
    let live = told.filter(|told| !told.removed);
    let Some(live) = live else {
        return hold(
            false,
            "what is there is told",
            (id, &row.shown.state, &row.shown.created),
            told.map(|told| told.removed),
        );
    };
    let mut different = loud(&live.object, &json!(*row.shown));
    different.retain(|path, _| !(path == "reportName" && *world.ticking_titles.last()));
    hold(different.is_empty(), "the log says what is true", (id, &row.shown.state), different)?;
    let steps = report.body().map_or(0, |body| body.steps);
    let lived = reference.lives.get(id).map_or(0, |(lived, _)| lived.steps);
    let all = report.history != HistoryKind::Faithful || odd || steps == lived;
    hold(all, "each step of a told history is told", (id, steps), lived)
}

/// Whether the policy was deleted while it was told to be out of sight: nobody can tell it from a role that stays lost.
fn went_unseen(reference: &Reference, world: &World, id: &str) -> bool {
    let deleted = world.policies.get(id).is_some_and(|policy| policy.life.last().is_none());
    let accounts = reference.fold.told.iter().filter(|(subject, _)| subject.starts_with("account/"));
    let mut lost = accounts.flat_map(|(_, told)| scopes_of(&told.object));
    deleted && lost.any(|scope| scope.strip_prefix("policy/") == Some(id))
}

/// Whether a read of the whole window shows the report, whatever its zone.
fn in_window(report: &Report, now: Moment) -> bool {
    let submitted = report.life.spans().filter_map(|(_, _, body)| body.as_ref()?.submitted).last();
    let last_known = report.body().map_or(submitted, |body| body.submitted);
    let stands = report.created.max(last_known.unwrap_or(0));
    stands + DAY * (u64::from(HISTORY_DAYS) - 2) > now
}

/// Each line that was ever told of is as its report says.
fn expenses(reference: &Reference) -> Check {
    for (subject, told) in reference.fold.told.iter().filter(|(subject, _)| subject.starts_with("expense/")) {
        let report = told.object["reportID"].as_str().unwrap_or_default();
        let id = subject.trim_start_matches("expense/");
        let of_report = reference.fold.live(&format!("report/{report}")).map(|told| lines(&told.object));
        let line = of_report.as_ref().and_then(|lines| lines.get(id));
        let mut own = told.object.clone();
        if let Value::Object(own) = &mut own {
            own.retain(|key, _| key != "reportID" && key != "policyID");
        }
        let fits = match line {
            Some(line) => !told.removed && differences(line, &own).is_empty(),
            None => told.removed,
        };
        hold(fits, "a line is told as its report tells it", (subject, line), (told.removed, &told.object))?;
    }
    Ok(())
}

fn policies(reference: &Reference, world: &World, now: Moment) -> Check {
    for policy in world.policies.values() {
        let told = reference.fold.live(&format!("policy/{}", policy.id));
        let Some(body) = policy.body_at(now) else {
            let unseen = went_unseen(reference, world, &policy.id);
            hold(told.is_none() || unseen, "what is deleted is told to be removed", &policy.id, told)?;
            continue;
        };
        let shown = json!(policy::show(world, policy, body, now));
        let different = told.map(|told| differences(&told.object, &shown));
        let told = different.as_ref().is_some_and(|different| different.is_empty());
        hold(told, "the log says what is true", &policy.id, different)?;
    }
    Ok(())
}

fn cards(reference: &Reference, world: &World, now: Moment) -> Check {
    for card in world.cards.values() {
        let told = reference.fold.live(&format!("card/{}", card.id));
        let Some(body) = card.body_at(now) else {
            hold(told.is_none(), "what is deleted is told to be removed", &card.id, told)?;
            continue;
        };
        let shown = json!(card::show(world, card, body, now));
        let different = told.map(|told| {
            let mut different = differences(&told.object, &shown);
            different.retain(|path, _| path != "feedFailed" && path != "lastSync");
            different
        });
        let told = different.as_ref().is_some_and(|different| different.is_empty());
        hold(told, "the log says what is true", &card.id, different)?;
    }
    Ok(())
}

/// A feed that fails as a whole is told so; of one that does not, each card is.
fn feeds(reference: &Reference, world: &World, now: Moment) -> Check {
    for card in world.cards.values() {
        let Some(body) = card.body_at(now) else { continue };
        let siblings = world.cards.values().filter(|other| (&other.domain, &other.bank) == (&card.domain, &card.bank));
        let results: Vec<bool> = siblings.filter_map(|other| Some(other.body_at(now)?.result != card::GOOD)).collect();
        let failing = results.iter().filter(|fails| **fails).count();
        let whole = results.len() >= 2 && failing * 2 > results.len();
        let subject = format!("feed/{}:{}", card.domain, card.bank);
        let told = reference.fold.told.get(&subject).is_some_and(|told| told.object["failed"] == true);
        hold(told == whole, "a feed that fails as a whole is told to, and no other", (&subject, whole), told)?;
        let own =
            reference.fold.live(&format!("card/{}", card.id)).is_some_and(|told| told.object["feedFailed"] == true);
        let fails = body.result != card::GOOD;
        hold(whole || own == fails, "a card whose own feed fails is told to", (&card.id, fails), own)?;
    }
    Ok(())
}
