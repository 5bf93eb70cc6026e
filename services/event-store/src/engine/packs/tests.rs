use super::*;
use crate::{
    MemoryDisk,
    engine::{Engine, Values},
    layout,
};

fn below() -> Arc<dyn Tree> {
    MemoryDisk::default().attach().expect("attached").tree(layout::LOG_TREE, Values::Large).expect("a tree")
}

fn open(folder: &Path, below: &Arc<dyn Tree>) -> Arc<Packs> {
    Arc::new(Packs::open(folder, Arc::clone(below), true).expect("opened"))
}

fn value(key: &[u8], byte: u8, length: usize) -> Vec<u8> {
    frame::seal(key, &vec![byte; length])
}

fn packs(folder: &Path) -> usize {
    fs::read_dir(folder).expect("listed").count()
}

#[test]
fn values_of_any_size_come_back_and_only_pointers_to_large_ones_are_below() {
    let (folder, below) = (tempfile::tempdir().expect("a folder"), below());
    let tree = open(folder.path(), &below);
    for (key, length) in [(b"a", 1), (b"b", 100_000), (b"c", 3_000)] {
        tree.put(key, &value(key, 7, length)).expect("put");
    }
    let again = open(folder.path(), &below);
    for (key, length) in [(b"a", 1), (b"b", 100_000), (b"c", 3_000)] {
        assert_eq!(again.get(key).expect("read"), Some(value(key, 7, length)));
        assert!(below.get(key).expect("read").expect("there").len() < 100);
    }
    let (mut scan, mut lengths) = (again.scan(&[], None), Vec::new());
    while let Some((_, value)) = scan.next().expect("read") {
        lengths.push(value.len());
    }
    assert_eq!(lengths, [21, 100_020, 3_020]);
}

#[test]
fn a_pack_goes_once_nothing_points_to_it_and_not_before_that_is_durable() {
    let (folder, below) = (tempfile::tempdir().expect("a folder"), below());
    open(folder.path(), &below).put(b"a", &value(b"a", 1, 5_000)).expect("put");
    let tree = open(folder.path(), &below);
    tree.put(b"a", &value(b"a", 2, 5_000)).expect("put");
    assert_eq!((packs(folder.path()), tree.unused()), (2, vec![1]));
    tree.free(&tree.unused()).expect("freed");
    assert_eq!((packs(folder.path()), tree.get(b"a").expect("read")), (1, Some(value(b"a", 2, 5_000))));
    tree.remove(b"a").expect("removed");
    assert!(tree.unused().is_empty(), "it is still written");
    open(folder.path(), &below);
    assert_eq!(packs(folder.path()), 0);
}

#[test]
fn a_pointer_to_what_is_gone_gives_no_frame() {
    let (folder, below) = (tempfile::tempdir().expect("a folder"), below());
    let tree = open(folder.path(), &below);
    tree.put(b"a", &value(b"a", 1, 5_000)).expect("put");
    File::options().write(true).open(folder.path().join("pack.0000000001")).expect("there").set_len(100).expect("cut");
    assert!(frame::open(b"a", &tree.get(b"a").expect("read").expect("there")).is_none());
}
