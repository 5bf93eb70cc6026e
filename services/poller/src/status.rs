//! The plan and what is known of its watches, in the words of the API.

use change_engine::plan::{Explained, Why};
use event_model::status::WatchStatus;
use jiff::SignedDuration;

use crate::scribe::{ScopeStanding, Standing};

/// The watches, in the order in which they would be read next.
pub(crate) fn watches(explained: &[Explained<String>], standing: &Standing) -> Vec<WatchStatus> {
    let mut ordered: Vec<&Explained<String>> = explained.iter().collect();
    ordered.sort_by_key(|watch| (rank(watch.why), left(watch)));
    let nothing = ScopeStanding::default();
    let of = |watch: &&Explained<String>| status(watch, standing.scopes.get(&watch.key).unwrap_or(&nothing));
    ordered.iter().map(of).collect()
}

const fn rank(why: Why) -> u8 {
    match why {
        Why::InFlight => 0,
        Why::Hurried => 1,
        Why::FirstSight => 2,
        Why::Cap => 3,
        Why::Due => 4,
        Why::Waiting => 5,
        Why::Backoff => 6,
    }
}

/// Time until the planned period is over.
fn left(watch: &Explained<String>) -> SignedDuration {
    watch.period.unwrap_or_default().saturating_sub(watch.age.unwrap_or(SignedDuration::MAX))
}

fn status(watch: &Explained<String>, scope: &ScopeStanding) -> WatchStatus {
    let seconds = |length: Option<SignedDuration>| length.map(|length| length.as_secs_f64());
    WatchStatus {
        name: watch.key.clone(),
        why: watch.why.as_str().to_owned(),
        cost_requests: watch.cost,
        read_s: seconds(watch.took),
        read_bytes: watch.bytes,
        changes_per_hour: watch.changes_per_hour,
        period_s: seconds(watch.period),
        age_s: seconds(watch.age),
        expected_delay_s: seconds(watch.expected_delay),
        baselined: watch.baselined,
        entities: scope.entities,
        fresh_as_of: watch.fresh_as_of,
        failures: watch.failures,
        withheld: scope.withheld.clone(),
        set_aside: scope.set_aside.clone(),
    }
}
