//! When each export read the tenant, answered and was downloaded: what a watcher's delay is measured against.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Exports remembered: a day's, at ten a minute.
const MAX_EXPORTS: usize = 15_000;

/// One report export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its number, from 1, without gaps.
    pub n: u64,
    /// When it read the tenant: a later change is not in it.
    pub read_at: Timestamp,
    /// When it answered with the file's name.
    pub answered_at: Option<Timestamp>,
    /// When the first request to download it came.
    pub asked_at: Option<Timestamp>,
    /// Requests of any kind that had come until it was rendered, its own included.
    pub requests: u64,
    /// Reports that it asked for by their ids; 0 when it asked for none by id.
    pub ids: u64,
    /// Reports that passed its filters.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The file's name; of several, the first.
    pub file: String,
}

/// The newest exports.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    exports: VecDeque<Export>,
    last: u64,
}

impl Exports {
    /// Notes a rendered export, when it read and after how many requests, and gives its number. Of its ids and rows it is told
    /// how many they are.
    pub(crate) fn rendered(
        &mut self,
        (read_at, requests): (Timestamp, u64),
        (ids, rows): (usize, usize),
        bytes: usize,
        file: &str,
    ) -> u64 {
        self.last += 1;
        if self.exports.len() == MAX_EXPORTS {
            self.exports.pop_front();
        }
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.exports.push_back(Export {
            n: self.last,
            read_at,
            answered_at: None,
            asked_at: None,
            requests,
            ids: count(ids),
            rows: count(rows),
            bytes: count(bytes),
            file: file.to_owned(),
        });
        self.last
    }

    /// Notes that the export with this number answered.
    pub(crate) fn answered(&mut self, n: u64, at: Timestamp) {
        if let Some(export) = self.exports.iter_mut().rev().find(|export| export.n == n) {
            export.answered_at = Some(at);
        }
    }

    /// Notes that a file was asked for; only the first time counts.
    pub(crate) fn asked(&mut self, file: &str, at: Timestamp) {
        if let Some(export) = self.exports.iter_mut().rev().find(|export| export.file == file) {
            export.asked_at.get_or_insert(at);
        }
    }

    /// All after this number that are remembered, oldest first.
    pub(crate) fn after(&self, n: u64) -> Vec<Export> {
        self.exports.iter().filter(|export| export.n > n).cloned().collect()
    }
}
