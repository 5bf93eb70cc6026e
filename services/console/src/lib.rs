#![doc = include_str!("../README.md")]

mod api;
mod assets;
mod attempts;
mod chart;
mod config;
mod cookie;
mod docs;
mod edge;
mod failure;
mod form;
mod link;
mod model;
mod pages;
mod random;
mod samples;
mod session;
mod shell;
mod state;
mod time;
mod trouble;
mod visitor;

pub use docs::Docs;
pub use state::mount;
