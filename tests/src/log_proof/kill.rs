//! Killing (-9) a process that appends, changes a table, retains and backs up, again and again.
//!
//! Blocks are merged and histories thinned out beside all that, so a kill meets those too. After each kill another process
//! opens the store, which must be whole and hold what was acknowledged; then the next one goes on from there.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Serialize;

use super::{
    backup,
    check::Found,
    child::{self, Work},
    family::{Claims, Family},
    story::append_end,
};

/// The longest that a child lives after its start; the shortest is no time at all.
const LONGEST_LIFE_MS: u64 = 400;
/// Kills before a new store is begun, so that reading it whole stays quick.
const KILLS_PER_STORE: u32 = 25;

/// How it went.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Kills.
    pub kills: u32,
    /// Of those, while retention was under way.
    pub while_retaining: u32,
    /// While a backup was.
    pub while_backing_up: u32,
    /// Before the first append of a life was acknowledged.
    pub before_an_append: u32,
    /// Events that were acknowledged over all.
    pub acknowledged: u64,
    /// Backups that were finished and found whole.
    pub backups: u64,
    /// Kills after which something was not as it must be, and why.
    pub failures: Vec<String>,
}

/// Kills `kills` children of `family` at moments drawn from `seed`, in stores under `folder`.
pub async fn run(family: &Family, folder: PathBuf, kills: u32, seed: u64) -> Result<Outcome> {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut outcome = Outcome::default();
    while outcome.kills < kills {
        let store = folder.join(format!("store-{}", outcome.kills));
        let mut claims = Claims::default();
        let end = (outcome.kills + KILLS_PER_STORE).min(kills);
        while outcome.kills < end {
            let life = Duration::from_millis(chance.random_range(0..LONGEST_LIFE_MS));
            outcome.kills += 1;
            match one(family, &store, life, claims, &mut outcome).await {
                Ok(after) => claims = after,
                Err(failure) => {
                    outcome.failures.push(format!("kill {}: {failure:#}", outcome.kills));
                    break;
                }
            }
        }
        outcome.acknowledged += told(family, &store).await.unwrap_or(0);
        eprintln!("{} of {kills} kills", outcome.kills);
    }
    Ok(outcome)
}

async fn told(family: &Family, store: &Path) -> Result<u64> {
    Ok(family.look(store).await?.0.told.iter().sum())
}

/// One life. Gives what the next one is held to.
async fn one(family: &Family, store: &Path, life: Duration, before: Claims, outcome: &mut Outcome) -> Result<Claims> {
    let child = family.start(store, Work::Everything, &before).await.context("the next start")?;
    // The moment is the point: nothing is waited for.
    tokio::time::sleep(life).await;
    let (said, worked) = child.kill().await?;
    ensure!(worked, "the child ended by itself, after {said:?}");
    outcome.while_retaining += u32::from(said.retaining);
    outcome.while_backing_up += u32::from(said.backing_up);
    outcome.before_an_append += u32::from(said.told == before.told);
    let (found, counted) = family.look(store).await.context("after the kill")?;
    hold(&said, &found, counted)?;
    if said.backups > before.backups {
        let story = child::stories(1).remove(0);
        backup::check(&store.with_extension("backup"), &story).context("the backup")?;
        outcome.backups += said.backups - before.backups;
    }
    Ok(Claims { told: found.told, counted, horizon: found.horizon, ..said })
}

/// Everything that was acknowledged is there, and of what was not, only whole appends.
pub fn hold(said: &Claims, found: &Found, counted: u64) -> Result<()> {
    for (story, (said, found)) in said.told.iter().zip(&found.told).enumerate() {
        ensure!(found >= said, "story {story} lost {} of {said} acknowledged events", said - found);
        ensure!(append_end(*found).is_some(), "story {story} ends within an append, at {found}");
    }
    ensure!(counted >= said.counted, "the table says {counted}, acknowledged was {}", said.counted);
    ensure!(found.horizon >= said.horizon, "the horizon is {}, it was {}", found.horizon, said.horizon);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_halved_or_moved_back_is_told() {
        let said = Claims { told: vec![9, 2], counted: 5, horizon: 3, ..Claims::default() };
        let found = |a: u64, b: u64, horizon: u64| Found { told: vec![a, b], last: a + b, horizon };
        hold(&said, &found(9, 2, 3), 5).expect("as it was said");
        hold(&said, &found(10, 9, 8), 6).expect("more than was said");
        for (found, counted, why) in [
            (found(2, 2, 3), 5, "story 0 lost 7 of 9"),
            (found(9, 1, 3), 5, "story 1 lost 1 of 2"),
            (found(11, 2, 3), 5, "ends within an append"),
            (found(9, 2, 2), 5, "the horizon is 2"),
            (found(9, 2, 3), 4, "the table says 4"),
        ] {
            let refused = hold(&said, &found, counted).expect_err(why).to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
