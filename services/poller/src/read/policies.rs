//! The policies: the list, then the details of all in one batch.
//!
//! One policy that may not be read, or whose details make no sense, can make the whole batch fail (reference section 8, U7).
//! Then the batch is halved until the culprits stand alone. They keep their last known state: they are listed, so they are
//! not absent. They are left out of the batch for [`RETRY_AFTER`], so that one bad policy costs a few requests four times an
//! hour, not at each read. A read that has made [`MAX_REQUESTS`] in vain looks no further, and one in which nothing could be
//! read has failed: then it is not one policy.

use std::collections::{BTreeMap, BTreeSet};

use event_model::Policy;
use expensify_client::{ClientError, JobKind, PolicySummary};
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::{
    account::Account,
    error::ReadError,
    observation::{Entity, Observation},
};

/// How long a policy that cannot be read is left out.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// Most batches of one read: enough to find one culprit among a thousand, or two among thirty, in a minute and a half.
const MAX_REQUESTS: u32 = 24;

pub(super) async fn policies(account: &Account) -> Result<Observation, ReadError> {
    let started_at = Timestamp::now();
    let mut listed = account.client.policy_list(true).await?;
    let wanted = &account.config.policies;
    listed.retain(|summary| wanted.is_empty() || wanted.contains(&summary.policy_id));
    let present: BTreeSet<String> = listed.iter().map(|summary| summary.policy_id.clone()).collect();

    let mut unreadable = account.unreadable();
    unreadable.retain(|id, until| present.contains(id) && *until > started_at);
    listed.retain(|summary| !unreadable.contains_key(&summary.policy_id));
    let details = details(account, listed).await?;

    let observed_at = Timestamp::now();
    let until = observed_at.checked_add(RETRY_AFTER).unwrap_or(Timestamp::MAX);
    unreadable.extend(details.refused.into_iter().map(|id| (id, until)));
    account.set_unreadable(unreadable);
    let entity = |policy: Policy| (policy.policy_id.clone(), Entity::Policy(Box::new(policy)));
    let entities: BTreeMap<_, _> = details.policies.into_iter().map(entity).collect();
    Ok(Observation { started_at, observed_at, entities, present: Some(present), requests: 1 + details.requests })
}

#[derive(Default)]
struct Details {
    policies: Vec<Policy>,
    refused: BTreeSet<String>,
    requests: u32,
}

/// Reads the details of all, halving a batch that is refused.
async fn details(account: &Account, listed: Vec<PolicySummary>) -> Result<Details, ReadError> {
    let mut details = Details::default();
    let mut batches = vec![listed];
    let mut refusal = None;
    while let Some(batch) = batches.pop() {
        if batch.is_empty() {
            continue;
        }
        details.requests += 1;
        match account.client.policies(&batch).await {
            Ok(policies) => details.take(account, &batch, policies),
            Err(error) if !may_be_one_policys(&error) || details.requests >= MAX_REQUESTS => return Err(error.into()),
            Err(error) => {
                match batch.split_at(batch.len() / 2) {
                    ([], [culprit, ..]) => details.refuse(account, &culprit.policy_id, &error.to_string()),
                    (front, back) => batches.extend([back.to_vec(), front.to_vec()]),
                }
                refusal = Some(error);
            }
        }
    }
    match refusal {
        Some(error) if details.policies.is_empty() => Err(error.into()),
        _ => Ok(details),
    }
}

impl Details {
    fn take(&mut self, account: &Account, asked: &[PolicySummary], policies: Vec<Policy>) {
        let answered: BTreeSet<&str> = policies.iter().map(|policy| policy.policy_id.as_str()).collect();
        for missing in asked.iter().filter(|summary| !answered.contains(summary.policy_id.as_str())) {
            self.refuse(account, &missing.policy_id, "left out of the answer");
        }
        self.policies.extend(policies);
    }

    fn refuse(&mut self, account: &Account, policy: &str, why: &str) {
        warn!(account = %account.name(), policy, why, "the policy is listed but cannot be read: it keeps its last known state");
        self.refused.insert(policy.to_owned());
    }
}

/// Not permitted, not found, or not understood: about what was asked for, since the list was answered just before.
fn may_be_one_policys(error: &ClientError) -> bool {
    let refused = matches!(error.code(), Some(403 | 404)) || matches!(error, ClientError::Unexpected { .. });
    error.job() == JobKind::Policy && refused
}
