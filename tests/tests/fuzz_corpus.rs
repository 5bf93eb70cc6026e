//! What is fuzzed (`make fuzz`) holds over the committed corpus, without instrumentation.

use std::{collections::BTreeSet, fs, path::Path};

#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

#[test]
fn every_target_holds_over_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::ALL {
        let entries = fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("the corpus of {name}: {error}"));
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        assert!(!files.is_empty(), "the corpus of {name} is empty");
        for file in files {
            // Named before, so that one that fails is known.
            println!("{}", file.display());
            target(&fs::read(&file).expect("read"));
        }
    }
}

#[test]
fn every_folder_of_the_corpus_is_that_of_a_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folders = fs::read_dir(corpus).expect("the corpus").map(|entry| entry.expect("an entry").file_name());
    let folders: BTreeSet<_> = folders.map(|name| name.to_string_lossy().into_owned()).collect();
    assert_eq!(folders, targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect());
}
