//! The policies: the list, then the details of all in one batch.
//!
//! One policy that may not be read, or whose details make no sense, keeps its last known state: it is listed, so it is not
//! absent. It is left out of the batch for [`RETRY_AFTER`], so that one bad policy costs a few requests four times an hour,
//! not at each read. A read in which nothing could be read has failed: then it is not one policy.

use std::collections::BTreeMap;

use expensify_client::{PolicyOutcome, PolicySummary};
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::Read;
use crate::{
    account::Account,
    error::ReadError,
    gate,
    scribe::{PoliciesConfirmed, PoliciesSeen},
    shift::Shift,
};

/// How long a policy that cannot be read is left out.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(15);

pub(super) async fn policies(shift: &Shift) -> Result<Read, ReadError> {
    let (account, started_at) = (&shift.account, Timestamp::now());
    let listed = account.client.policy_list(true).await?;
    let wanted = &account.config.policies;
    let in_reach = |summary: &&PolicySummary| wanted.is_empty() || wanted.contains(&summary.policy_id);
    let mut unreadable = account.unreadable();
    unreadable.retain(|id, until| *until > started_at && listed.iter().any(|summary| summary.policy_id == *id));
    let readable = |summary: &&PolicySummary| !unreadable.contains_key(&summary.policy_id);
    let asked: Vec<PolicySummary> = listed.iter().filter(in_reach).filter(readable).cloned().collect();
    let read = account.client.policies_by_id(&asked).await?;

    let observed_at = Timestamp::now();
    let until = observed_at.checked_add(RETRY_AFTER).unwrap_or(Timestamp::MAX);
    unreadable.extend(unread(account, &read.outcomes).map(|id| (id, until)));
    account.set_unreadable(unreadable);
    let nothing_read = !read.outcomes.values().any(|outcome| matches!(outcome, PolicyOutcome::Details(_)));
    if let Some(refusal) = read.refusal.filter(|_| nothing_read) {
        return Err(refusal.into());
    }
    let seen = PoliciesSeen { started_at, observed_at, listed, outcomes: read.outcomes };
    let ingested = shift.scribe().await.policies(seen).await?;
    Ok(Read { ingested, observed_at, requests: 1 + read.requests, took: gate::time_of_requests(), bytes: 0 })
}

/// Those of which the details could not be had.
fn unread(account: &Account, outcomes: &BTreeMap<String, PolicyOutcome>) -> impl Iterator<Item = String> {
    let why = |outcome: &PolicyOutcome| match outcome {
        PolicyOutcome::Details(_) => None,
        PolicyOutcome::Denied => Some("not permitted".to_owned()),
        PolicyOutcome::Absent => Some("not found".to_owned()),
        PolicyOutcome::Unreadable(why) => Some(why.clone()),
        PolicyOutcome::NotRead => Some("too many of the others could not be read".to_owned()),
    };
    let account = account.name();
    outcomes.iter().filter_map(move |(policy, outcome)| {
        let why = why(outcome)?;
        warn!(%account, policy, why, "the policy is listed but cannot be read: it keeps its last known state");
        Some(policy.clone())
    })
}

/// Policies that the list did not show: in what role the credential sees them, if at all, and what asking for each says.
pub(super) async fn confirm(shift: &Shift, asked: Vec<String>) -> Result<Read, ReadError> {
    let (account, started_at) = (&shift.account, Timestamp::now());
    let listed = account.client.policy_list(false).await?;
    let by_id = |id: &String| PolicySummary { policy_id: id.clone(), ..PolicySummary::default() };
    let summaries: Vec<PolicySummary> = asked.iter().map(by_id).collect();
    let read = account.client.policies_by_id(&summaries).await?;
    let observed_at = Timestamp::now();
    let seen = PoliciesConfirmed { started_at, observed_at, asked, listed, outcomes: read.outcomes };
    let ingested = shift.scribe().await.confirm_policies(seen).await?;
    Ok(Read { ingested, observed_at, requests: 1 + read.requests, took: gate::time_of_requests(), bytes: 0 })
}
