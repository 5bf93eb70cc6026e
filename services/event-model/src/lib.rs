#![doc = include_str!("../README.md")]

pub mod account;
pub mod card;
pub mod date;
pub mod delivery;
pub mod entity;
pub mod event;
pub mod event_type;
pub mod filter;
pub mod id;
pub mod policy;
pub mod report;
pub mod status;
pub mod subscription;

pub use account::{AccountName, InvalidAccountName};
pub use card::Card;
pub use date::UpstreamDate;
pub use entity::{EntityKind, EntityState, InvalidSubject, Subject};
pub use event::{Data, Detection, Event, EventDraft, EventHead};
pub use event_type::{EventType, UnknownEventType};
pub use filter::{EventFilter, InvalidGlob, TypeGlob};
pub use id::{EventId, InvalidId, Revision, Sequence};
pub use policy::Policy;
pub use report::{Approver, Expense, HistoryEntry, ObservedReport, Report, ReportState};
pub use subscription::{Subscription, SubscriptionId};
