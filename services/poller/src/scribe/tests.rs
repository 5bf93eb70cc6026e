//! The scribe on a store in memory: one test for each trap that it owns.

mod absences;
mod access;
mod cards;
mod crashes;
mod desk;
mod policies;
mod reports;
mod sights;
