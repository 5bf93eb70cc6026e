//! Power cuts: a store on a disk of its own, of which copies are taken while children append, as if the power had gone at that
//! moment; each copy is started from and must be whole and hold what was acknowledged before.
//!
//! What a cut leaves is decided by `stack`.

mod stack;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Serialize;

pub use stack::Stack;

use super::{
    child::Work,
    family::{Claims, Family},
    kill::hold,
};

/// Time from a child's start to the cut, in ms.
const LIFE_MS: std::ops::Range<u64> = 5..400;
/// Cuts after which a new disk is begun, so that copying and reading it stay quick.
const CUTS_PER_DISK: u32 = 10;
/// Failures that are told in words.
const EXAMPLES: usize = 5;

/// How it went.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Cuts.
    pub cuts: u32,
    /// Events that were acknowledged before the cuts, each counted at each cut.
    pub acknowledged: u64,
    /// Of those, not there afterwards.
    pub lost: u64,
    /// Cuts after which anything at all was not as it must be: lost, halved, not whole, not to be opened.
    pub failed: u32,
    /// Some of them, in words.
    pub examples: Vec<String>,
}

/// Cuts the power `cuts` times at moments drawn from `seed`, with disks under `folder`.
pub async fn run(family: &Family, folder: &Path, cuts: u32, seed: u64) -> Result<Outcome> {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut outcome = Outcome::default();
    while outcome.cuts < cuts {
        let end = (outcome.cuts + CUTS_PER_DISK).min(cuts);
        let stack = Stack::build(&folder.join(format!("disk-{}", outcome.cuts))).context("a disk")?;
        let mut claims = Claims::default();
        while outcome.cuts < end {
            outcome.cuts += 1;
            let life = Duration::from_millis(chance.random_range(LIFE_MS));
            claims = one(family, &stack, life, claims, &mut outcome).await?;
        }
        stack.take_down().context("taking the disk down")?;
        eprintln!("{} of {cuts} cuts", outcome.cuts);
    }
    Ok(outcome)
}

/// One child, cut off while it appends. Its own disk goes on; what it said to the last is given.
async fn one(family: &Family, stack: &Stack, life: Duration, before: Claims, outcome: &mut Outcome) -> Result<Claims> {
    let child = family.start(&stack.store(), Work::Append, &before).await.context("starting")?;
    // The moment is the point: nothing is waited for.
    tokio::time::sleep(life).await;
    let (claims, image) = stack.cut(|| child.claims()).context("cutting")?;
    let (said, _) = child.kill().await?;
    outcome.acknowledged += claims.told.iter().sum::<u64>();
    let restarted = stack.restart(&image).context("starting from what the cut left")?;
    if let Err(failure) = after(family, restarted.store(), &claims, outcome).await {
        outcome.failed += 1;
        if outcome.examples.len() < EXAMPLES {
            outcome.examples.push(format!("cut {}: {failure:#}", outcome.cuts));
        }
    }
    restarted.take_down().context("putting the copy away")?;
    Ok(said)
}

async fn after(family: &Family, store: PathBuf, claims: &Claims, outcome: &mut Outcome) -> Result<()> {
    let looked = family.look(&store).await;
    let Ok((found, counted)) = looked else {
        outcome.lost += claims.told.iter().sum::<u64>();
        return looked.map(drop);
    };
    let lost = claims.told.iter().zip(&found.told).map(|(said, found)| said.saturating_sub(*found));
    outcome.lost += lost.sum::<u64>();
    hold(claims, &found, counted)
}
