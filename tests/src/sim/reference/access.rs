//! What is said of the credential's sight.

use std::collections::BTreeSet;

use event_model::{Access, Event, LossReason};

use super::{
    Reference, Scene,
    broken::{Check, broken, hold, line},
    reports::Before,
};
use crate::sim::{
    clock::{HOUR, Moment},
    upstream::{Hidden, policy::Role},
};

/// What caused a loss may have passed when it is told: a read that fails is tried again minutes later.
const SLACK: Moment = 2 * HOUR;

impl Reference {
    /// An event of the account's access.
    pub(super) fn access(&self, scene: &Scene<'_>, before: &Before, event: &Event) -> Check {
        let access = parse(event)?;
        let scopes: BTreeSet<&str> = access.lost.iter().map(|lost| lost.scope.as_str()).collect();
        let sorted = access.lost.iter().map(|lost| &lost.scope).is_sorted();
        hold(
            sorted && scopes.len() == access.lost.len(),
            "lost scopes are listed once, sorted",
            "sorted",
            line(event),
        )?;
        let known: BTreeSet<String> = before.iter().flat_map(|told| scopes_of(&told.object)).collect();
        let now: BTreeSet<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        hold(known != now, "access is told when it changes", "another set of scopes", line(event))?;
        let observed = scene.clock.moment_of(event.detection.observed_at).unwrap_or(scene.now);
        for lost in access.lost.iter().filter(|lost| !known.contains(&lost.scope)) {
            let cause = cause(scene, &lost.scope, observed.saturating_sub(SLACK), observed);
            hold(cause, "access is lost only where the upstream shows less", &lost.scope, line(event))?;
            let role = lost.scope.starts_with("policy/") && lost.reason == LossReason::MassDisappearance;
            hold(!role, "a policy is lost by its role", &lost.scope, line(event))?;
        }
        Ok(())
    }
}

fn parse(event: &Event) -> Result<Access, super::broken::Broken> {
    let parsed = serde_json::from_value(event.data.object.clone());
    parsed.map_err(|error| broken("an access event carries the access", error.to_string(), line(event)))
}

/// The scopes that an access object says are lost.
pub fn scopes_of(object: &serde_json::Value) -> Vec<String> {
    let access: Option<Access> = serde_json::from_value(object.clone()).ok();
    access.into_iter().flat_map(|access| access.lost).map(|lost| lost.scope).collect()
}

/// Whether something happened that makes `scope` look lost.
fn cause(scene: &Scene<'_>, scope: &str, from: Moment, to: Moment) -> bool {
    let world = scene.world;
    let role_lost = |id: &str| {
        let policy = world.policies.get(id);
        policy.is_some_and(|policy| policy.role.ever(from, to, |role| *role != Role::Admin))
    };
    let policies_gone = world.policies.values().any(|policy| policy.life.ever(from, to, Option::is_none));
    let any_role = world.policies.keys().any(|id| role_lost(id));
    if let Some(id) = scope.strip_prefix("policy/") {
        return role_lost(id);
    }
    if let Some(domain) = scope.strip_prefix("cards:") {
        let refused = world.refused.get(domain).is_some_and(|refused| refused.ever(from, to, |refused| *refused));
        let of_domain = world.cards.values().filter(|card| card.domain == domain);
        let gone = of_domain.filter(|card| card.life.ever(from, to, Option::is_none)).count();
        return refused || gone > 0 || scene.glitches.ever(from, to);
    }
    let hidden = world.hidden.ever(from, to, |hidden| *hidden != Hidden::Nothing);
    let deleted = world.reports.values().any(|report| report.life.ever(from, to, Option::is_none));
    match scope {
        "policies" => any_role || policies_gone || scene.glitches.ever(from, to),
        _ => hidden || any_role || deleted || scene.glitches.ever(from, to),
    }
}
