//! The simulation, small: what `make sim` does with thousands of seeds.

use tests::sim;

/// Few enough for a debug build; other seeds than those that `make sim` begins with.
const SEEDS: std::ops::Range<u64> = 1_000_000..1_000_012;

#[test]
fn everything_that_happens_is_said_and_nothing_else() {
    for seed in SEEDS {
        let outcome = sim::run(seed, false);
        if let Some(failure) = outcome.failure {
            panic!("{failure}\nreplay: make sim SEED={seed}");
        }
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in SEEDS.take(3) {
        let [first, second] = [sim::run(seed, false), sim::run(seed, false)];
        assert_eq!(first.digest, second.digest, "seed {seed}");
    }
    assert_ne!(sim::run(SEEDS.start, false).digest, sim::run(SEEDS.start + 1, false).digest);
}
