//! The files under `ops/`, and names in their text.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

pub fn ops() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("ops")
}

pub fn read(name: &str) -> String {
    let path = ops().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file under `folder` with one of these endings.
pub fn under(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(under(&entry, endings));
        } else if entry.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| endings.contains(&ending)) {
            found.push(entry);
        }
    }
    found.sort();
    found
}

/// Names in `text` that begin with `prefix`, as Prometheus reads names.
pub fn names(text: &str, prefix: &str) -> BTreeSet<String> {
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c| !of_a_name(c)).map(|word| word.trim_end_matches(':'));
    words.filter(|word| word.len() > prefix.len() && word.starts_with(prefix)).map(str::to_owned).collect()
}
