//! Damage: one bit, one page, one cut, drawn from a number.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use crate::log_proof::story::mix;

/// What a file system and a disk think in.
pub const PAGE: usize = 4096;

/// A file of a store, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its name in the folder.
    pub name: String,
    /// Its bytes up to the last that is not zero.
    pub bytes: Vec<u8>,
    /// Its length.
    pub len: u64,
}

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hurt {
    /// This bit is the other one.
    Bit(u64),
    /// This page is zeros.
    Page(u64),
    /// The file ends here.
    Cut(u64),
}

/// One damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which of the files.
    pub file: usize,
    /// What is done to it.
    pub hurt: Hurt,
}

impl Damage {
    /// The damage of this number to a store of `files`, at least one of them not empty: of 20, 17 flip a bit, two zero a page
    /// and one cuts a file. Bytes are hit evenly, so most hits are in the data; one in 50 is anywhere in a file of any size.
    pub fn draw(number: u64, files: &[Content]) -> Self {
        let chance = |k: u64| mix(mix(number) ^ k);
        let total: u64 = files.iter().map(|file| file.bytes.len() as u64).sum();
        let (mut at, mut file) = (chance(1) % total, 0);
        while at >= files[file].bytes.len() as u64 {
            at -= files[file].bytes.len() as u64;
            file += 1;
        }
        if chance(2) % 50 == 0 {
            file = (chance(3) % files.len() as u64) as usize;
            at = chance(4) % files[file].len.max(1);
        }
        let hurt = match chance(5) % 20 {
            0..=16 => Hurt::Bit(at * 8 + chance(6) % 8),
            17 | 18 => Hurt::Page(at / PAGE as u64),
            _ => Hurt::Cut(at),
        };
        Self { file, hurt }
    }

    /// Does the damage to the file at `path`, which somebody has open; `len` is where its bytes end.
    pub fn in_place(self, path: &Path, len: u64) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(path)?;
        match self.hurt {
            Hurt::Bit(bit) => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, bit / 8)?;
                file.write_all_at(&[byte[0] ^ 1 << (bit % 8)], bit / 8)
            }
            Hurt::Page(page) => {
                let from = page * PAGE as u64;
                let zeros = len.saturating_sub(from).min(PAGE as u64);
                file.write_all_at(&[0; PAGE][..zeros as usize], from)
            }
            Hurt::Cut(at) => file.set_len(at),
        }
    }

    /// Takes back what was done [in place](Self::in_place) to a file that held `content`.
    pub fn take_back(self, path: &Path, content: &Content) -> io::Result<()> {
        let (from, to) = match self.hurt {
            Hurt::Bit(bit) => (bit / 8, bit / 8 + 1),
            Hurt::Page(page) => (page * PAGE as u64, (page + 1) * PAGE as u64),
            Hurt::Cut(at) => (at, content.len),
        };
        let file = File::options().write(true).open(path)?;
        let held = content.bytes.len() as u64;
        file.write_all_at(&content.bytes[from.min(held) as usize..to.min(held) as usize], from)?;
        if matches!(self.hurt, Hurt::Bit(_)) && from >= held {
            file.write_all_at(&[0], from)?;
        }
        file.set_len(content.len)
    }

    /// `content` with the damage done.
    pub fn to(self, content: &Content) -> Content {
        let mut hurt = content.clone();
        match self.hurt {
            Hurt::Bit(bit) => {
                let at = (bit / 8) as usize;
                hurt.bytes.resize(hurt.bytes.len().max(at + 1), 0);
                hurt.bytes[at] ^= 1 << (bit % 8);
                hurt.len = hurt.len.max(at as u64 + 1);
            }
            Hurt::Page(page) => {
                let from = (page as usize * PAGE).min(hurt.bytes.len());
                let to = (from + PAGE).min(hurt.bytes.len());
                hurt.bytes[from..to].fill(0);
            }
            Hurt::Cut(at) => {
                hurt.bytes.truncate(at as usize);
                hurt.len = at;
            }
        }
        hurt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<Content> {
        let content = |name: &str, bytes: Vec<u8>, len| Content { name: name.to_owned(), bytes, len };
        vec![content("conf", vec![7; 40], 40), content("empty", Vec::new(), 0), content("db", vec![9; 9000], 20_000)]
    }

    #[test]
    fn every_file_and_every_kind_is_hit_and_each_number_is_one_damage() {
        let files = files();
        let drawn: Vec<Damage> = (0..20_000).map(|number| Damage::draw(number, &files)).collect();
        assert_eq!(drawn[77], Damage::draw(77, &files));
        for (at, file) in files.iter().enumerate() {
            assert!(drawn.iter().any(|damage| damage.file == at), "{}", file.name);
        }
        let count = |wanted: fn(&Hurt) -> bool| drawn.iter().filter(|damage| wanted(&damage.hurt)).count();
        let (bits, pages) = (count(|h| matches!(h, Hurt::Bit(_))), count(|h| matches!(h, Hurt::Page(_))));
        assert!(bits > 16_000 && pages > 1_500 && count(|h| matches!(h, Hurt::Cut(_))) > 700);
    }

    #[test]
    fn a_damage_in_place_is_the_same() {
        let (folder, db) = (tempfile::tempdir().expect("a folder"), &files()[2]);
        let path = folder.path().join("db");
        for hurt in [Hurt::Bit(8 * 5000 + 3), Hurt::Page(1), Hurt::Page(2), Hurt::Cut(100)] {
            std::fs::write(&path, &db.bytes).expect("written");
            let damage = Damage { file: 2, hurt };
            damage.in_place(&path, db.bytes.len() as u64).expect("damaged");
            assert!(std::fs::read(&path).expect("readable") == damage.to(db).bytes, "{hurt:?}");
        }
    }

    #[test]
    fn a_damage_that_is_taken_back_leaves_the_file_as_it_was() {
        let (folder, db) = (tempfile::tempdir().expect("a folder"), &files()[2]);
        let path = folder.path().join("db");
        std::fs::write(&path, &db.bytes).expect("written");
        File::options().write(true).open(&path).and_then(|file| file.set_len(db.len)).expect("extended");
        let whole = std::fs::read(&path).expect("readable");
        let pages = [1, 2, 4].map(Hurt::Page);
        for hurt in [Hurt::Bit(8 * 5000 + 3), Hurt::Bit(8 * 15_000), Hurt::Cut(100)].into_iter().chain(pages) {
            let damage = Damage { file: 2, hurt };
            damage.in_place(&path, db.bytes.len() as u64).expect("damaged");
            damage.take_back(&path, db).expect("taken back");
            assert!(std::fs::read(&path).expect("readable") == whole, "{hurt:?}");
        }
    }

    #[test]
    fn a_damage_changes_what_it_says_and_nothing_else() {
        let db = &files()[2];
        let bit = Damage { file: 2, hurt: Hurt::Bit(8 * 5000 + 3) }.to(db);
        let differ: Vec<usize> = (0..9000).filter(|at| bit.bytes[*at] != 9).collect();
        assert_eq!((differ, bit.bytes[5000], bit.len), (vec![5000], 9 ^ 8, 20_000));
        let page = Damage { file: 2, hurt: Hurt::Page(1) }.to(db);
        assert!(page.bytes[4096..8192].iter().all(|b| *b == 0) && page.bytes[..4096] == db.bytes[..4096]);
        let cut = Damage { file: 2, hurt: Hurt::Cut(100) }.to(db);
        assert_eq!((cut.bytes.len(), cut.len), (100, 100));
    }
}
