//! The dispatcher killed (-9) at random moments while 50 subscriptions, a fifth of them flaky, receive 20,000 events: what was
//! lost, repeated, and how soon delivery went on. Prints one JSON line; fails when a bound does not hold. `--kills` and
//! `--events` make it shorter, `--seed` repeats a run.

use std::{
    collections::{BTreeMap, HashMap},
    env,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use dispatcher::Schedule;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use tests::{
    bench_delivery::{
        receiver::{self, Receipt, Receiver, now_ns},
        stage::{self, Stage},
    },
    program::Running,
};
use tokio::time::sleep;

/// The argument that makes this program the one that is killed; the receiver's address and the store's directory follow.
const ROLE: &str = "--deliver";
const SUBSCRIPTIONS: usize = 50;
/// One subscription in so many has a flaky endpoint.
const FLAKY_ONE_IN: usize = 5;
/// What a kill may repeat to one subscription: what was in flight and one cursor interval of the dispatcher.
const MOST_REPEATS: usize = 32 + 256;
const START_LIMIT: Duration = Duration::from_secs(10);
const END_LIMIT: Duration = Duration::from_secs(600);

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |name: &str, unless: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(unless)
    };
    if arguments.iter().any(|argument| argument == receiver::ROLE) {
        return tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(receiver::run());
    }
    let service = tokio::runtime::Runtime::new()?;
    if let [role, directory] = arguments.as_slice()
        && role == ROLE
    {
        return service.block_on(deliver(Path::new(directory)));
    }
    let (kills, events) = (number("--kills", 200) as usize, number("--events", 20_000) as usize);
    service.block_on(run(&env::current_exe()?, kills, events, number("--seed", now_ns() as u64)))
}

/// The process that is killed.
async fn deliver(directory: &Path) -> Result<()> {
    let mut stage = Stage::at(directory)?;
    let mut config = stage::config()?;
    // Short waits: a flaky endpoint refuses twice.
    config.schedule = Schedule::of(vec![Duration::from_millis(30); 9]);
    stage.start(config)?;
    println!("delivering");
    std::future::pending().await
}

async fn run(program: &Path, kills: usize, events: usize, seed: u64) -> Result<()> {
    let receiver = Receiver::start(program).await?;
    let directory = tempfile::tempdir()?;
    let path_of = |n: usize| format!("/{}/{n}", if n.is_multiple_of(FLAKY_ONE_IN) { "flaky" } else { "s" });
    let subjects = {
        let mut stage = Stage::at(directory.path())?;
        let made = (0..SUBSCRIPTIONS).map(|n| stage.subscription(n, &receiver.url(&path_of(n)), None));
        stage.subscribe(made.collect::<Result<_>>()?).await?;
        let stored = stage.append(events, 1).await?;
        stage.store.close().await?;
        stored.iter().map(|event| (event.head.sequence.0, event.head.subject.to_string())).collect::<HashMap<_, _>>()
    };
    let (mut chance, place) = (StdRng::seed_from_u64(seed), directory.path().to_str().context("a path")?);
    let (mut resumed_ms, mut killed_at) = (Vec::new(), Vec::new());
    for _ in 0..kills {
        let began = now_ns();
        let process = started(program, place).await?;
        sleep(Duration::from_millis(chance.random_range(20..400))).await;
        killed_at.push(now_ns());
        process.killed().await?;
        let first = receiver.first_since(began).await?;
        resumed_ms.extend(first.map(|at| (at - began) as f64 / 1e6));
    }
    let _last = started(program, place).await?;
    let expected = events * SUBSCRIPTIONS;
    receiver.wait_for_distinct(expected, END_LIMIT).await?;
    let verdict = judge(&receiver.receipts().await?, &subjects, &killed_at);
    resumed_ms.sort_by(f64::total_cmp);
    let line = json!({
        "bench": "kills", "seed": seed, "kills": kills, "events": events, "subscriptions": SUBSCRIPTIONS,
        "deliveries": expected, "lost": expected - verdict.distinct, "out_of_order": verdict.out_of_order,
        "repeated": verdict.repeated, "most_repeated_by_a_kill_to_one": verdict.most_repeated,
        "bound": MOST_REPEATS, "resumed_p50_ms": resumed_ms.get(resumed_ms.len() / 2),
        "resumed_p99_ms": resumed_ms.get(resumed_ms.len() * 99 / 100), "resumed_max_ms": resumed_ms.last(),
    });
    println!("{line}");
    ensure!(verdict.distinct == expected && verdict.out_of_order == 0, "deliveries were lost or overtaken");
    ensure!(verdict.most_repeated <= MOST_REPEATS, "too many were repeated");
    Ok(())
}

async fn started(program: &Path, directory: &str) -> Result<Running> {
    let mut process = Running::start(program, &[ROLE, directory])?;
    process.line_with("delivering", START_LIMIT).await?;
    Ok(process)
}

struct Verdict {
    distinct: usize,
    out_of_order: usize,
    repeated: usize,
    /// By one kill to one subscription.
    most_repeated: usize,
}

/// Per subscription: what came for the first time must come in the order of its entity.
fn judge(receipts: &[Receipt], subjects: &HashMap<u64, String>, killed_at: &[u128]) -> Verdict {
    let mut verdict = Verdict { distinct: 0, out_of_order: 0, repeated: 0, most_repeated: 0 };
    let mut by_path: BTreeMap<&str, Vec<(u64, u128)>> = BTreeMap::new();
    for receipt in receipts {
        by_path.entry(&receipt.path).or_default().push((receipt.sequence, receipt.at_ns));
    }
    for came in by_path.values() {
        let (mut seen, mut newest) = (HashMap::<u64, usize>::new(), HashMap::<&str, u64>::new());
        let mut by_kill: HashMap<usize, usize> = HashMap::new();
        for (sequence, at_ns) in came {
            let times = seen.entry(*sequence).or_default();
            *times += 1;
            if *times == 1 {
                let before = newest.insert(subjects[sequence].as_str(), *sequence);
                verdict.out_of_order += usize::from(before.is_some_and(|before| before > *sequence));
            } else {
                *by_kill.entry(killed_at.partition_point(|killed| killed < at_ns)).or_default() += 1;
            }
        }
        let repeated = came.len() - seen.len();
        verdict.distinct += seen.len();
        verdict.repeated += repeated;
        verdict.most_repeated = by_kill.into_values().fold(verdict.most_repeated, usize::max);
    }
    verdict
}
