#![doc = include_str!("../README.md")]

mod config;
mod engine;
mod error;
mod event;
mod fold;
mod format;
mod frame;
mod layout;
mod lock;
mod log;
mod record;
mod sealer;
mod store;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod trees;
mod writer;

pub use config::{DurabilityLevel, StoreConfig};
pub use engine::MemoryDisk;
pub use error::{Cause, StoreError};
pub use event::StoredEvent;
pub use sealer::{SealError, Sealer};
pub use store::{EventStore, MAX_APPEND_EVENTS, MAX_PAGE_ENTITIES, MAX_READ_BYTES, MAX_READ_EVENTS};
pub use table::{Durability, Table, TableName};
pub use writer::RELAXED_FLUSH;
