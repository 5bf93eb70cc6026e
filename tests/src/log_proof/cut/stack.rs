//! A disk whose power can be cut, out of loop devices; needs Linux and root.
//!
//! Three file systems stand on each other, each in a file of the one below:
//!
//! 1. the **room**, which can be frozen: then nothing is written into it, and a copy of a file in it is that file at one moment;
//! 2. the **disk**: its pages in our kernel's memory are what a real disk has in its volatile cache. What is flushed to it is in
//!    its file, the rest may be, in any order, or not;
//! 3. the **system** that the store is in, whose own dirty pages nobody writes down either.
//!
//! A cut freezes the room, copies the disk's file and thaws the room: nothing above is synced, and the processes at work wait for
//! the disk a moment longer. What was acknowledged before the freeze was flushed through all three; what a copy lacks
//! is what a power cut takes. Starting from a copy mounts disk and system, whose journals are then replayed.
//!
//! Whoever builds a stack should be in [a mount namespace of its own](crate::mounted::own_mounts).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::mounted::{Mounted, run};

/// The system has room for what children write between two new disks; the files are sparse.
const SYSTEM_MIB: u64 = 640;
const DISK_MIB: u64 = SYSTEM_MIB + 96;
const ROOM_MIB: u64 = DISK_MIB + 96;

/// The three file systems, mounted.
pub struct Stack {
    folder: PathBuf,
    room: Mounted,
    disk: Mounted,
    system: Mounted,
}

/// A disk as a cut left it, and the system in it, mounted.
pub struct Restarted {
    image: PathBuf,
    disk: Mounted,
    system: Mounted,
}

impl Stack {
    /// Builds one in files and folders under `folder`.
    pub fn build(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let room = Mounted::new(&folder.join("room.img"), ROOM_MIB, &folder.join("room"))?;
        let disk = Mounted::new(&folder.join("room/disk.img"), DISK_MIB, &folder.join("disk"))?;
        let system = Mounted::new(&folder.join("disk/system.img"), SYSTEM_MIB, &folder.join("system"))?;
        // What is made here was there before the power could go.
        run(Command::new("sync"))?;
        Ok(Self { folder: folder.to_owned(), room, disk, system })
    }

    /// Where the store belongs.
    pub fn store(&self) -> PathBuf {
        self.system.path().join("store")
    }

    /// Cuts: gives what `claims` said just before, and the image of the disk.
    pub fn cut<T>(&self, claims: impl FnOnce() -> T) -> Result<(T, PathBuf)> {
        let image = self.folder.join("cut.img");
        let claims = claims();
        run(Command::new("fsfreeze").arg("--freeze").arg(self.room.path()))?;
        let from = self.folder.join("room/disk.img");
        let copied = run(Command::new("cp").args(["--sparse=always", "--"]).arg(from).arg(&image));
        run(Command::new("fsfreeze").arg("--unfreeze").arg(self.room.path()))?;
        copied.map(|()| (claims, image))
    }

    /// Starts from the image of a cut.
    pub fn restart(&self, image: &Path) -> Result<Restarted> {
        let disk = Mounted::existing(image, &self.folder.join("after-disk"))?;
        let system = Mounted::existing(&disk.path().join("system.img"), &self.folder.join("after-system"))?;
        Ok(Restarted { image: image.to_owned(), disk, system })
    }

    /// Unmounts all of it and removes its files.
    pub fn take_down(self) -> Result<()> {
        [self.system, self.disk, self.room].into_iter().try_for_each(Mounted::unmount)?;
        Ok(fs::remove_dir_all(self.folder)?)
    }
}

impl Restarted {
    /// Where the store is.
    pub fn store(&self) -> PathBuf {
        self.system.path().join("store")
    }

    /// Unmounts it and removes the image.
    pub fn take_down(self) -> Result<()> {
        [self.system, self.disk].into_iter().try_for_each(Mounted::unmount)?;
        Ok(fs::remove_file(self.image)?)
    }
}
