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
use serde::{Deserialize, Serialize};

use super::{
    hurt::{Content, Damage, Hurt, PAGE},
    small::{Harm, SMALL, Shape, Truth, WIDE, contents},
};

/// One damage in so many is done to a store that is open already, where its engine reads on from its file: opening reads a
/// file from end to end, so of what is damaged before, little is ever met by a reader.
const LATE_ONE_IN: u64 = 10;
/// The file that is damaged under an open store. Nothing reads the others then.
const LATE_FILE: &str = "db";

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
    let small = Template::make(folder.join("small"), SMALL).await?;
    let mut wide = Template::make(folder.join("wide"), WIDE).await?;
    wide.files.retain(|file| file.name == LATE_FILE);
    let progress = File::create(progress)?;
    let mut seen = Seen::default();
    for number in numbers {
        progress.write_all_at(&number.to_be_bytes(), 0)?;
        let copy = folder.join(format!("copy-{number}"));
        let late = number % LATE_ONE_IN == 0;
        let template = if late { &wide } else { &small };
        let damage = Damage::draw(number, &template.files);
        let outcome = match late {
            true => template.damaged_when_open(&copy, damage).await,
            false => template.damaged(&copy, damage).await,
        };
        // An engine that was refused lets go of its files a moment later; their names may go now.
        fs::remove_dir_all(&copy)?;
        seen.late += u64::from(late);
        seen.note(number, damage, &template.files, outcome);
    }
    Ok(seen)
}

/// A store that copies are made of.
struct Template {
    folder: PathBuf,
    truth: Truth,
    /// All of them.
    names: Vec<String>,
    /// Those that are damaged.
    files: Vec<Content>,
}

impl Template {
    async fn make(folder: PathBuf, shape: Shape) -> Result<Self> {
        let truth = Truth::make(&folder, shape).await?;
        let files = contents(&folder)?;
        let names = files.iter().map(|file| file.name.clone()).collect();
        Ok(Self { folder, truth, names, files })
    }

    /// A copy that is damaged, and then opened.
    async fn damaged(&self, copy: &Path, damage: Damage) -> Result<Harm> {
        write(copy, &self.files, damage)?;
        self.truth.compare(copy, || Ok(())).await
    }

    /// A copy that is opened, and then damaged.
    async fn damaged_when_open(&self, copy: &Path, damage: Damage) -> Result<Harm> {
        fs::create_dir(copy)?;
        for name in &self.names {
            fs::copy(self.folder.join(name), copy.join(name))?;
        }
        let content = &self.files[damage.file];
        // A file that shrinks under its reader is nothing that a disk does.
        let damage = match damage.hurt {
            Hurt::Cut(at) => Damage { hurt: Hurt::Page(at / PAGE as u64), ..damage },
            _ => damage,
        };
        let file = copy.join(&content.name);
        self.truth.compare(copy, || Ok(damage.in_place(&file, content.bytes.len() as u64)?)).await
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
