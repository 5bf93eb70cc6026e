mod ahead;
mod explaining;
mod pacing;

use super::*;

fn t(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_775_000_000_000 + ms).expect("a time of this century")
}

const PACE: SignedDuration = SignedDuration::from_millis(3_100);
const HOUR_MS: i64 = 3_600_000;

/// A watch that was read at 0 and changes at this rate, which it will not unlearn.
fn known(cost: u32, per_hour: f64) -> Spec {
    let mut spec = Spec { baselined: true, fresh_as_of: Some(t(0)), ..Spec::new(Class::Policies, cost) };
    spec.rate = RateRecord::of_rate(per_hour);
    spec
}

fn unseen(cost: u32) -> Spec {
    Spec::new(Class::Policies, cost)
}

fn plan(specs: impl IntoIterator<Item = Spec>) -> Plan<usize> {
    let mut plan = Plan::new(PACE);
    for (key, spec) in specs.into_iter().enumerate() {
        plan.put(key, spec);
    }
    plan
}

fn complete(requests: u32) -> Ended {
    Ended::Complete { requests, changes: 0, took: SignedDuration::from_millis(300), bytes: 100 }
}

const FAILED: Ended = Ended::Failed { at_least: SignedDuration::ZERO };

/// Starts whatever may start for so long, each read taking `read_ms`; the starts in order.
fn run(plan: &mut Plan<usize>, from_ms: i64, for_ms: i64, read_ms: impl Fn(usize) -> i64) -> Vec<(i64, usize)> {
    let (mut now, mut starts, mut reads) = (from_ms, Vec::new(), Vec::<(i64, usize)>::new());
    while now < from_ms + for_ms {
        for (_, key) in reads.extract_if(.., |(end, ..)| *end <= now) {
            let requests = plan.watches.get(&key).map_or(1, |planned| planned.spec.cost);
            plan.ended(&key, complete(requests), t(now), 0.5);
        }
        let next_end = reads.iter().map(|(end, ..)| *end).min();
        match plan.decide(t(now)) {
            Decision::Start(key) => {
                plan.started(&key, t(now));
                reads.push((now + read_ms(key), key));
                starts.push((now, key));
            }
            Decision::WaitUntil(at) => {
                assert!(at > t(now), "a wait lies ahead");
                let at = at.duration_since(t(0)).as_millis() as i64;
                now = next_end.map_or(at, |end| end.min(at)).min(from_ms + for_ms);
            }
            Decision::WaitForEnd => now = next_end.expect("a read is under way"),
        }
    }
    starts
}

fn count(starts: &[(i64, usize)], keys: std::ops::Range<usize>) -> f64 {
    starts.iter().filter(|(_, key)| keys.contains(key)).count() as f64
}
