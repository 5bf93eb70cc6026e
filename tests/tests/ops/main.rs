//! What is under `ops/` speaks of this service: its metrics, its commands, its alerts. What needs other programs is checked by
//! `make ops-check`.

mod boards;
mod commands;
mod files;
mod metrics;
mod rules;
mod scrape;
