//! The files that exports and reconciliations leave for download.

use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// Files kept; a client downloads at once, so this is hours of exports. The oldest go first.
const MAX_FILES: usize = 500;
/// Bytes kept over all files.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// Which of the two stores a file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FileSystem {
    IntegrationServer,
    Reconciliation,
}

/// Named bytes. A download does not remove them.
#[derive(Debug, Default)]
pub(crate) struct Files {
    files: HashMap<(FileSystem, String), Bytes>,
    order: VecDeque<(FileSystem, String)>,
    bytes: usize,
}

impl Files {
    /// Keeps a file; the oldest make room for it.
    pub(crate) fn keep(&mut self, system: FileSystem, name: String, content: Bytes) {
        self.bytes += content.len();
        self.order.push_back((system, name.clone()));
        self.files.insert((system, name), content);
        while self.order.len() > MAX_FILES || (self.bytes > MAX_BYTES && self.order.len() > 1) {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.files.remove(&oldest).map_or(0, |content| content.len());
        }
    }

    /// A file's bytes.
    pub(crate) fn read(&self, system: FileSystem, name: &str) -> Option<Bytes> {
        self.files.get(&(system, name.to_owned())).cloned()
    }

    /// How many are kept.
    pub(crate) fn count(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_and_again_from_its_own_store_until_newer_ones_push_it_out() {
        let mut files = Files::default();
        files.keep(FileSystem::IntegrationServer, "first".into(), Bytes::from_static(b"1"));
        for _ in 0..2 {
            assert_eq!(files.read(FileSystem::IntegrationServer, "first").unwrap(), "1");
        }
        assert!(files.read(FileSystem::Reconciliation, "first").is_none());
        for n in 0..MAX_FILES {
            files.keep(FileSystem::Reconciliation, n.to_string(), Bytes::new());
        }
        assert!(files.read(FileSystem::IntegrationServer, "first").is_none());
        assert_eq!(files.count(), MAX_FILES);
        assert_eq!(files.bytes, 0);
    }
}
