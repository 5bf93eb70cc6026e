//! The configuration.

use std::{fs, path::PathBuf, sync::LazyLock};

use expensewire::config::Config;
use tempfile::TempDir;

static PLACE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("expensewire.toml");
    (folder, file)
});

/// A file, and after a NUL the environment: `NAME=value` in lines.
pub fn file(data: &[u8]) {
    let (file, environment) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[][..]),
    };
    // What names files would read whatever is there.
    if file.windows(5).chain(environment.windows(5)).any(|word| word.eq_ignore_ascii_case(b"_file")) {
        return;
    }
    fs::write(&PLACE.1, file).expect("written");
    let environment = String::from_utf8_lossy(environment);
    let variables = environment.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    match Config::load(Some(&PLACE.1), variables) {
        Ok(loaded) => drop((loaded.show_json(), loaded.warnings)),
        Err(mistakes) => assert!(!mistakes.mistakes().is_empty() && !mistakes.to_string().is_empty()),
    }
}
