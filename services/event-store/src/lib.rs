#![doc = include_str!("../README.md")]

mod arrange;
mod beside;
mod block;
mod chain;
mod config;
mod engine;
mod error;
mod event;
mod fold;
mod format;
mod frame;
mod history;
mod intent;
mod keeper;
mod layout;
mod lease;
mod lock;
mod log;
mod migrate;
mod poison;
mod prepare;
mod restore;
mod retain;
mod sealer;
mod store;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod trees;
mod verify;
mod writer;

pub use chain::{InvalidLink, Link};
pub use config::{DurabilityLevel, StoreConfig};
pub use engine::MemoryDisk;
pub use error::{Cause, StoreError};
pub use event::{StoredEvent, StoredHead};
pub use restore::KeptEvent;
pub use retain::{Retained, Retention};
pub use sealer::{SealError, Sealer};
pub use store::{EventStore, MAX_APPEND_EVENTS, MAX_PAGE_ENTITIES, MAX_READ_BYTES, MAX_READ_EVENTS};
pub use table::{Durability, Table, TableName};
pub use verify::{StateCheck, Verified};
pub use writer::RELAXED_FLUSH;
