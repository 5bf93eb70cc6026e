//! Policies by id: of each one its details, or why there are none.
//!
//! One policy that may not be read, is gone, or whose details make no sense can make a whole batch fail (reference section 8,
//! U7). So a batch that is refused is halved until the culprits stand alone, whose refusal is about them.

use std::collections::BTreeMap;

use event_model::Policy;

use super::PolicySummary;
use crate::{client::Client, error::ClientError, job::JobKind};

/// Most requests of one read: enough to find one culprit among a thousand, or two among thirty, in a minute and a half.
pub const MAX_POLICY_REQUESTS: u32 = 24;

/// What was asked for, and what came of each.
#[derive(Debug, Default)]
pub struct PoliciesById {
    /// By policy id; one for each that was asked for.
    pub outcomes: BTreeMap<String, PolicyOutcome>,
    /// Requests that were sent.
    pub requests: u32,
    /// The first refusal of a batch, if there was one.
    pub refusal: Option<ClientError>,
}

/// What the upstream said of one policy.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyOutcome {
    /// Its details, merged with the summary that was given.
    Details(Box<Policy>),
    /// We may not read it (403).
    Denied,
    /// There is none (404 when asked for alone), or it was left out of an answer.
    Absent,
    /// Its details make no sense; why.
    Unreadable(String),
    /// Not asked for: [`MAX_POLICY_REQUESTS`] were spent before its turn.
    NotRead,
}

impl Client {
    /// Asks for the details of these policies, all in one request as long as none of them is refused, in
    /// [`MAX_POLICY_REQUESTS`] at most. A summary of which only the id is known does; what it does not tell is blank in the details.
    ///
    /// A wrong pair of credentials is answered with 404 as well: what this says of absence holds only shortly after a
    /// [`policy_list`](Self::policy_list) that was answered. An error that is not about single policies fails the read.
    pub async fn policies_by_id(&self, asked: &[PolicySummary]) -> Result<PoliciesById, ClientError> {
        let not_read = |summary: &PolicySummary| (summary.policy_id.clone(), PolicyOutcome::NotRead);
        let mut read = PoliciesById { outcomes: asked.iter().map(not_read).collect(), ..PoliciesById::default() };
        let mut batches = vec![asked];
        while let Some(batch) = batches.pop().filter(|_| read.requests < MAX_POLICY_REQUESTS) {
            if batch.is_empty() {
                continue;
            }
            read.requests += 1;
            match self.policies(batch).await {
                Ok(policies) => read.answered(batch, policies),
                Err(error) if !may_be_one_policys(&error) => return Err(error),
                Err(error) => {
                    match batch.split_at(batch.len() / 2) {
                        ([], [alone, ..]) => read.refused(alone, &error),
                        (front, back) => batches.extend([back, front]),
                    }
                    read.refusal.get_or_insert(error);
                }
            }
        }
        Ok(read)
    }
}

impl PoliciesById {
    fn answered(&mut self, asked: &[PolicySummary], policies: Vec<Policy>) {
        let absent = asked.iter().map(|summary| (summary.policy_id.clone(), PolicyOutcome::Absent));
        self.outcomes.extend(absent);
        let told = policies.into_iter().map(|p| (p.policy_id.clone(), PolicyOutcome::Details(Box::new(p))));
        self.outcomes.extend(told);
    }

    fn refused(&mut self, alone: &PolicySummary, error: &ClientError) {
        let outcome = match error.code() {
            Some(403) => PolicyOutcome::Denied,
            Some(404) => PolicyOutcome::Absent,
            _ => PolicyOutcome::Unreadable(error.to_string()),
        };
        self.outcomes.insert(alone.policy_id.clone(), outcome);
    }
}

/// Not permitted, not found, or not understood: about what was asked for, since the list was answered just before.
fn may_be_one_policys(error: &ClientError) -> bool {
    let refused = matches!(error.code(), Some(403 | 404)) || matches!(error, ClientError::Unexpected { .. });
    error.job() == JobKind::Policy && refused
}
