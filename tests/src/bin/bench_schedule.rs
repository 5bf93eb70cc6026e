//! Must show 1 of the planner: one JSON line per mix; exits non-zero when a bound does not hold.

use std::process::ExitCode;

use tests::bench_schedule::{CASES, line, mix, run};

fn main() -> ExitCode {
    let mixes = mix::mixes();
    let results = std::thread::scope(|scope| {
        let running: Vec<Vec<_>> =
            mixes.iter().map(|mix| CASES.iter().map(|case| scope.spawn(|| run(mix, case))).collect()).collect();
        let ended = |cases: Vec<std::thread::ScopedJoinHandle<'_, _>>| {
            cases.into_iter().map(|case| case.join().expect("a run that panics is a bug")).collect()
        };
        running.into_iter().map(ended).collect::<Vec<_>>()
    });
    let mut broken = Vec::new();
    for (mix, cases) in mixes.iter().zip(results) {
        let (line, over) = line(mix, cases);
        println!("{line}");
        broken.extend(over);
    }
    for bound in &broken {
        eprintln!("{bound}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
