//! What there is to watch, and how it changes.

use change_engine::plan::Class;

use super::chance::Chance;

/// Changes of one burst.
const BURST: u32 = 20;

/// A tenant: its watches.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Its name in the output.
    pub name: &'static str,
    /// What is watched.
    pub watches: Vec<Watched>,
}

/// One watch as it really is.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// What the planner is told of it.
    pub class: Class,
    /// Requests of a read.
    pub cost: u32,
    /// Changes an hour, on average over a day.
    pub per_hour: f64,
}

/// How changes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One by one, at the same rate all day.
    Steady,
    /// Twenty at once, so many fewer times.
    Bursts,
    /// One by one, by the working day of the watch's time zone: one of three, eight hours apart.
    Zones,
}

/// So many watches, their rates spaced evenly in logarithm.
fn group(class: Class, cost: u32, count: u32, first: f64, last: f64) -> impl Iterator<Item = Watched> {
    let step = move |n: u32| if count > 1 { f64::from(n) / f64::from(count - 1) } else { 0.0 };
    (0..count).map(move |n| Watched { class, cost, per_hour: first * (last / first).powf(step(n)) })
}

/// The three tenants; their rates add up to 5.5, 80 and 1,050 changes an hour.
pub fn mixes() -> Vec<Mix> {
    let small = group(Class::Reports, 2, 1, 4.5, 4.5).chain(group(Class::Policies, 2, 1, 0.7, 0.7)).chain(group(
        Class::Cards,
        1,
        2,
        0.2,
        0.1,
    ));
    let medium = group(Class::Reports, 2, 2, 36.0, 20.0)
        .chain(group(Class::Window, 2, 5, 1.6, 0.4))
        .chain(group(Class::ById, 2, 1, 2.0, 2.0))
        .chain(group(Class::Policies, 2, 1, 7.0, 7.0))
        .chain(group(Class::Cards, 1, 3, 7.0, 2.0));
    let large = group(Class::Reports, 2, 6, 260.0, 30.0)
        .chain(group(Class::Window, 2, 18, 14.0, 0.7))
        .chain(group(Class::ById, 2, 3, 20.0, 5.0))
        .chain(group(Class::Policies, 2, 3, 40.0, 10.0))
        .chain(group(Class::Cards, 1, 36, 40.0, 0.4));
    let mix = |name, total: f64, watches: Vec<Watched>| {
        let sum: f64 = watches.iter().map(|watched| watched.per_hour).sum();
        let scaled = |watched: Watched| Watched { per_hour: watched.per_hour * total / sum, ..watched };
        Mix { name, watches: watches.into_iter().map(scaled).collect() }
    };
    vec![
        mix("small", 5.5, small.collect()),
        mix("medium", 80.0, medium.collect()),
        mix("large", 1_050.0, large.collect()),
    ]
}

impl Mix {
    /// Changes an hour of watch `at`, at a time in seconds.
    pub fn rate(&self, pattern: Pattern, at: usize, time_s: f64) -> f64 {
        let mean = self.watches[at].per_hour;
        match pattern {
            Pattern::Steady | Pattern::Bursts => mean,
            Pattern::Zones => mean * daylight(time_s / 3_600.0 + 8.0 * (at % 3) as f64),
        }
    }

    /// The times, in seconds, of the changes of watch `at` until `until_s`, ascending.
    pub fn changes(&self, pattern: Pattern, at: usize, until_s: f64, seed: u64) -> Vec<f64> {
        let mut chance = Chance::new(seed, at as u64 + 1);
        let at_once = if pattern == Pattern::Bursts { BURST } else { 1 };
        let most = self.watches[at].per_hour * if pattern == Pattern::Zones { PEAK } else { 1.0 };
        let mean_gap_s = 3_600.0 / most * f64::from(at_once);
        let (mut times, mut now) = (Vec::new(), 0.0);
        loop {
            now += chance.exponential(mean_gap_s);
            if now >= until_s {
                return times;
            }
            // Thinning (Lewis and Shedler 1979): the rate of the moment over the highest one.
            if chance.unit() * most < self.rate(pattern, at, now) {
                times.extend((0..at_once).map(|_| now));
            }
        }
    }
}

/// The rate of the busiest moment over the mean.
const PEAK: f64 = NIGHT + (1.0 - NIGHT) * 4.0;
/// The rate at night over the mean.
const NIGHT: f64 = 0.1;

/// The rate at an hour of the day over the mean: nights of twelve hours, days that rise and fall as a squared sine.
fn daylight(hour: f64) -> f64 {
    let of_day = hour.rem_euclid(24.0) / 12.0;
    let sun = if of_day < 1.0 { (std::f64::consts::PI * of_day).sin().powi(2) } else { 0.0 };
    // The squared sine is a half on average, for half of the day.
    NIGHT + (1.0 - NIGHT) * 4.0 * sun
}
