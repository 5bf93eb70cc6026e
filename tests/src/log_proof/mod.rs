//! What shows that the log holds: events known beforehand, and what is done to a store that must still have them.

pub mod api;
pub mod backup;
pub mod check;
pub mod child;
pub mod cut;
pub mod damage;
pub mod family;
pub mod kill;
pub mod story;
