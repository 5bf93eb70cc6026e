#![doc = include_str!("../README.md")]

pub mod access;
pub mod account;
pub mod card;
pub mod catalogue;
pub mod date;
pub mod delivery;
pub mod entity;
pub mod event;
pub mod event_type;
pub mod feed;
pub mod filter;
pub mod history;
pub mod id;
pub mod policy;
pub mod replay;
pub mod report;
pub mod secret;
pub mod status;
pub mod subscription;
pub mod whereabouts;

pub use access::{Access, LossReason, LostScope};
pub use account::{AccountName, InvalidAccountName};
pub use card::Card;
pub use date::UpstreamDate;
pub use entity::{EntityKind, EntityState, InvalidSubject, Subject};
pub use event::{Data, Detection, Event, EventDraft, EventHead, TimestampSource};
pub use event_type::{EventType, UnknownEventType};
pub use feed::Feed;
pub use filter::{EventFilter, InvalidGlob, TypeGlob};
pub use history::HistoryEntry;
pub use id::{EventId, InvalidId, Revision, Sequence};
pub use policy::Policy;
pub use replay::{Replay, ReplayId};
pub use report::{Approver, Expense, Report, ReportState, ReportedExpense};
pub use subscription::{Subscription, SubscriptionId};
pub use whereabouts::Whereabouts;
