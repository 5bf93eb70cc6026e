//! Runs the simulation: `sim --seeds 2000` for many seeds, `sim --seed 123` for one, with everything that happens.

use std::{collections::BTreeMap, process::ExitCode, time::Instant};

use clap::Parser;
use tests::sim::{self, coverage};

/// The simulation of the whole.
#[derive(Parser)]
struct Arguments {
    /// So many seeds, from the first on.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This one alone, with its trace.
    #[arg(long)]
    seed: Option<u64>,
    /// Go on after a failure, and say which seeds fail.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => one(seed),
        None => many(&arguments),
    }
}

fn one(seed: u64) -> ExitCode {
    let outcome = sim::run(seed, true);
    println!("seed {seed}: trace {}", outcome.digest);
    match outcome.failure {
        Some(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn many(arguments: &Arguments) -> ExitCode {
    let began = Instant::now();
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut failed: Vec<(u64, &'static str)> = Vec::new();
    for seed in arguments.from..arguments.from + arguments.seeds {
        let outcome = sim::run(seed, false);
        for (kind, count) in outcome.counts {
            *counts.entry(kind).or_default() += count;
        }
        if let Some(failure) = outcome.failure {
            if !arguments.keep_going {
                println!("{failure}");
                println!("replay: make sim SEED={seed}");
                return ExitCode::FAILURE;
            }
            failed.push((seed, failure.rule));
        }
    }
    let took = began.elapsed().as_secs_f64();
    for (kind, count) in &counts {
        println!("{count:>10} {kind}");
    }
    failed.iter().for_each(|(seed, rule)| println!("seed {seed} failed: {rule}"));
    let missing = coverage::missing(&counts);
    missing.iter().for_each(|kind| println!("never happened: {kind}"));
    let seeds = arguments.seeds;
    println!("{seeds} seeds in {took:.1} s, {:.1} a second, {} failed", seeds as f64 / took, failed.len());
    // A few seeds need not meet everything.
    let covered = missing.is_empty() || seeds < coverage::ENOUGH_SEEDS;
    if failed.is_empty() && covered { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
