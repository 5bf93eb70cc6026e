//! One process that damages copies of the small store, one after the other, and looks at each.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    panic,
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{
    hurt::{Content, Damage},
    small::{Harm, Truth, contents},
};

/// What was seen, by count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Damages.
    pub damages: u64,
    /// The store did not open, and said why.
    pub refused: u64,
    /// A read or the check of the chain told.
    pub found: u64,
    /// Everything was there.
    pub harmless: u64,
    /// The log was shorter, and nobody was told: it was closed in peace, so no torn write explains that.
    pub cut_short: u64,
    /// What must never be, in words.
    pub failures: Vec<String>,
}

/// What a thread said when it panicked; any thread, sled's too.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Does the damages of `numbers` in folders under `folder`. Which one is under way stands in `progress`, for whoever finds
/// this process dead.
pub async fn run(folder: &Path, numbers: std::ops::Range<u64>, progress: &Path) -> Result<Seen> {
    panic::set_hook(Box::new(|panic| {
        PANIC.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| panic.to_string());
    }));
    let template = folder.join("template");
    let truth = Truth::make(&template).await?;
    let files = contents(&template)?;
    let progress = File::create(progress)?;
    let mut seen = Seen::default();
    for number in numbers {
        progress.write_all_at(&number.to_be_bytes(), 0)?;
        let damage = Damage::draw(number, &files);
        let copy = folder.join(format!("copy-{number}"));
        write(&copy, &files, damage)?;
        let outcome = truth.compare(&copy).await;
        // An engine that was refused lets go of its files a moment later; their names may go now.
        fs::remove_dir_all(&copy)?;
        seen.note(number, damage, &files, outcome);
    }
    Ok(seen)
}

impl Seen {
    fn note(&mut self, number: u64, damage: Damage, files: &[Content], outcome: Result<Harm>) {
        self.damages += 1;
        let panicked = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
        let wrong = match (outcome, panicked) {
            (_, Some(panic)) => Some(format!("a panic: {panic}")),
            (Err(wrong), None) => Some(format!("{wrong:#}")),
            (Ok(harm), None) => {
                match harm {
                    Harm::Refused => self.refused += 1,
                    Harm::Found => self.found += 1,
                    Harm::None => self.harmless += 1,
                    Harm::CutShort => self.cut_short += 1,
                }
                None
            }
        };
        let name = &files[damage.file].name;
        self.failures.extend(wrong.map(|wrong| format!("damage {number}, {:?} of {name}: {wrong}", damage.hurt)));
    }

    /// Nothing was that must never be.
    pub fn holds(&self) -> bool {
        self.failures.is_empty() && self.cut_short == 0
    }

    /// Adds what another process saw.
    pub fn add(&mut self, other: Self) {
        self.damages += other.damages;
        self.refused += other.refused;
        self.found += other.found;
        self.harmless += other.harmless;
        self.cut_short += other.cut_short;
        self.failures.extend(other.failures);
    }
}

/// Writes the files, one of them damaged, into the new folder `copy`. What is zero at the end is a hole.
fn write(copy: &Path, files: &[Content], damage: Damage) -> Result<()> {
    fs::create_dir(copy)?;
    for (at, content) in files.iter().enumerate() {
        let hurt;
        let content = if at == damage.file {
            hurt = damage.to(content);
            &hurt
        } else {
            content
        };
        let mut file = File::create(copy.join(&content.name))?;
        file.write_all(&content.bytes)?;
        file.set_len(content.len)?;
    }
    Ok(())
}
