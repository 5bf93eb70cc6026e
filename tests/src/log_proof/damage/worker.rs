//! One process that damages copies of the small store, one after the other, and looks at each.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    panic,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::Result;
use event_store::EventStore;
use serde::{Deserialize, Serialize};

use super::{
    hurt::{Content, Damage},
    small::{Harm, SMALL, Truth, config, contents},
};

/// One damage in so many is met by a start: it is done to a copy that is opened then, which takes milliseconds. The others are done to a store
/// that is open, which reads what is asked for from its files each time, and are taken back.
const OPENED_ONE_IN: u64 = 10;
/// The log of an open store is read from end to end; after one damage in so many it is verified, and read event by event, too.
const SINGLY_ONE_IN: u64 = 8;
/// How the names of the files begin that an open store reads from. What sled keeps is in memory by then.
const READ_FILES: [&str; 2] = ["pack.", "tail."];

/// What was seen, by count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Damages.
    pub damages: u64,
    /// Of those, to a store that was open.
    pub late: u64,
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
    let template = Template::make(folder.join("small")).await?;
    let open = Open::of(&template, folder.join("open"))?;
    let progress = File::create(progress)?;
    let mut seen = Seen::default();
    for number in numbers {
        progress.write_all_at(&number.to_be_bytes(), 0)?;
        let late = number % OPENED_ONE_IN != 0;
        let files = if late { &open.files } else { &template.files };
        let damage = Damage::draw(number, files);
        let outcome = match late {
            true => open.damaged(&template.truth, damage, number % SINGLY_ONE_IN == 1).await,
            false => template.damaged(&folder.join(format!("copy-{number}")), damage).await,
        };
        seen.late += u64::from(late);
        seen.note(number, damage, files, outcome);
    }
    Ok(seen)
}

/// A store that copies are made of.
struct Template {
    truth: Truth,
    files: Vec<Content>,
}

impl Template {
    async fn make(folder: PathBuf) -> Result<Self> {
        let truth = Truth::make(&folder, SMALL).await?;
        Ok(Self { truth, files: contents(&folder)? })
    }

    /// A copy that is damaged, and then opened.
    async fn damaged(&self, copy: &Path, damage: Damage) -> Result<Harm> {
        write(copy, &self.files, Some(damage))?;
        let harm = self.truth.compare(copy).await;
        // An engine that was refused lets go of its files a moment later; their names may go now.
        fs::remove_dir_all(copy)?;
        harm
    }
}

/// A copy that stays open.
struct Open {
    store: EventStore,
    folder: PathBuf,
    /// Those that are damaged.
    files: Vec<Content>,
}

impl Open {
    fn of(template: &Template, folder: PathBuf) -> Result<Self> {
        write(&folder, &template.files, None)?;
        let store = EventStore::open(&config(&folder))?;
        let mut files = contents(&folder)?;
        files.retain(|file| READ_FILES.iter().any(|name| file.name.starts_with(name)));
        Ok(Self { store, folder, files })
    }

    async fn damaged(&self, truth: &Truth, damage: Damage, singly: bool) -> Result<Harm> {
        let content = &self.files[damage.file];
        let file = self.folder.join(&content.name);
        damage.in_place(&file, content.bytes.len() as u64)?;
        let harm = truth.compare_log(&self.store, singly).await;
        damage.take_back(&file, content)?;
        harm
    }
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
        self.late += other.late;
        self.refused += other.refused;
        self.found += other.found;
        self.harmless += other.harmless;
        self.cut_short += other.cut_short;
        self.failures.extend(other.failures);
    }
}

/// Writes the files, one of them damaged, into the new folder `copy`. What is zero at the end is a hole.
fn write(copy: &Path, files: &[Content], damage: Option<Damage>) -> Result<()> {
    fs::create_dir(copy)?;
    for (at, content) in files.iter().enumerate() {
        let hurt = damage.filter(|damage| damage.file == at).map(|damage| damage.to(content));
        let content = hurt.as_ref().unwrap_or(content);
        let mut file = File::create(copy.join(&content.name))?;
        file.write_all(&content.bytes)?;
        file.set_len(content.len)?;
    }
    Ok(())
}
