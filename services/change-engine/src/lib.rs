#![doc = include_str!("../README.md")]

pub mod absence;
pub mod budget;
pub mod delivery;
pub mod diff;
pub mod lifecycle;
pub mod paths;
pub mod plan;
