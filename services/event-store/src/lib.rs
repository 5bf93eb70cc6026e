#![doc = include_str!("../README.md")]

mod config;
mod disk;
mod error;
mod event;
mod fold;
mod format;
mod frame;
mod layout;
mod lock;
mod log;
mod sealer;
mod store;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

pub use config::StoreConfig;
pub use error::{Cause, StoreError};
pub use event::StoredEvent;
pub use sealer::{SealError, Sealer};
pub use store::{EventStore, MAX_APPEND_EVENTS, MAX_READ_BYTES, MAX_READ_EVENTS};
pub use table::{Durability, Table, TableName};
pub use writer::RELAXED_FLUSH;
