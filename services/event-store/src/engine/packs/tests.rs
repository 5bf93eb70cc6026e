use std::fs;

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
fn values_of_any_size_come_back_and_only_pointers_are_below() {
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
    let tree = open(folder.path(), &below);
    tree.put(b"a", &value(b"a", 1, 5_000)).expect("put");
    tree.inner().files.begin().expect("begun");
    tree.put(b"a", &value(b"a", 2, 5_000)).expect("put");
    assert_eq!((packs(folder.path()), tree.unused()), (2, vec![1]));
    tree.free(&tree.unused()).expect("freed");
    assert_eq!((packs(folder.path()), tree.get(b"a").expect("read")), (1, Some(value(b"a", 2, 5_000))));
    tree.remove(b"a").expect("removed");
    assert!(tree.unused().is_empty(), "it is still written");
}

#[test]
fn the_next_start_goes_on_with_the_last_pack() {
    let (folder, below) = (tempfile::tempdir().expect("a folder"), below());
    for n in 0..20_u8 {
        open(folder.path(), &below).put(&[n], &value(&[n], n, 5_000)).expect("put");
    }
    assert_eq!(packs(folder.path()), 1);
    let tree = open(folder.path(), &below);
    (0..20_u8).for_each(|n| assert_eq!(tree.get(&[n]).expect("read"), Some(value(&[n], n, 5_000))));
}

#[test]
fn a_pack_that_nothing_points_to_at_a_start_stays_until_it_is_let_go() {
    let (folder, lost) = (tempfile::tempdir().expect("a folder"), below());
    let tree = open(folder.path(), &lost);
    tree.put(b"a", &value(b"a", 1, 5_000)).expect("put");
    tree.inner().files.begin().expect("begun");
    tree.put(b"b", &value(b"b", 1, 5_000)).expect("put");
    drop(tree);
    let below = below();
    let tree = open(folder.path(), &below);
    assert!(tree.has_strays() && tree.unused().is_empty(), "all pointers are lost");
    tree.let_go();
    assert_eq!(tree.unused(), vec![1], "the last one is written on");
    assert!(!open(folder.path(), &lost).has_strays());
}

#[test]
fn a_pack_of_which_little_is_left_is_written_anew_and_what_is_damaged_in_one_stays_there() {
    let (folder, below) = (tempfile::tempdir().expect("a folder"), below());
    let tree = open(folder.path(), &below);
    (0..200_u8).for_each(|n| tree.put(&[n], &value(&[n], n, 5_000)).expect("put"));
    tree.inner().files.begin().expect("begun");
    (0..150_u8).for_each(|n| tree.put(&[n], &value(&[n], n, 600)).expect("put"));
    tree.settle(&[]).expect("settled");
    assert_eq!(tree.unused(), vec![1]);
    tree.free(&tree.unused()).expect("freed");
    for tree in [&tree, &open(folder.path(), &below)] {
        for n in 0..200_u8 {
            let length = if n < 150 { 600 } else { 5_000 };
            assert_eq!(tree.get(&[n]).expect("read"), Some(value(&[n], n, length)));
        }
    }
    tree.inner().files.begin().expect("begun");
    (0..199_u8).for_each(|n| tree.put(&[n], &value(&[n], n, 600)).expect("put"));
    let place = tree.inner().places[&[199][..]];
    let Place::Pack(Pointer { number, at, .. }) = place else { panic!("it is in a pack") };
    let path = folder.path().join(format!("pack.{number:010}"));
    write_at(&File::options().write(true).open(path).expect("there"), at + 100, b"damage").expect("written");
    tree.settle(&[]).expect("settled");
    assert!(
        tree.unused().is_empty() && frame::open(&[199], &tree.get(&[199]).expect("read").expect("there")).is_none()
    );
}

#[test]
fn what_layout_2_left_in_the_tree_is_read_there_and_goes_into_a_pack() {
    let (folder, below) = (tempfile::tempdir().expect("a folder"), below());
    (0..100_u8).for_each(|n| below.put(&[n], &value(&[n], n, 5_000)).expect("put"));
    below.put(&[100], b"damaged").expect("put");
    let tree = open(folder.path(), &below);
    assert_eq!(tree.get(&[7]).expect("read"), Some(value(&[7], 7, 5_000)));
    tree.settle(&[]).expect("settled");
    for tree in [&tree, &open(folder.path(), &below)] {
        (0..100_u8).for_each(|n| assert_eq!(tree.get(&[n]).expect("read"), Some(value(&[n], n, 5_000))));
        assert_eq!(tree.get(&[100]).expect("read"), Some(b"damaged".to_vec()));
    }
    assert!(below.get(&[7]).expect("read").expect("there").len() < 100);
}

#[test]
fn a_pointer_to_what_is_gone_gives_no_frame() {
    let (folder, below) = (tempfile::tempdir().expect("a folder"), below());
    let tree = open(folder.path(), &below);
    tree.put(b"a", &value(b"a", 1, 5_000)).expect("put");
    File::options().write(true).open(folder.path().join("pack.0000000001")).expect("there").set_len(100).expect("cut");
    assert!(frame::open(b"a", &tree.get(b"a").expect("read").expect("there")).is_none());
}

#[cfg(target_os = "linux")]
#[test]
fn a_pack_that_is_full_fails_the_change_and_the_rest_is_read_on() {
    let (folder, below) = (tempfile::tempdir().expect("a folder"), below());
    let tree = open(folder.path(), &below);
    tree.put(b"a", &value(b"a", 1, 5_000)).expect("put");
    tree.inner().files.begin().expect("begun");
    tree.inner().files.write_to(File::options().read(true).write(true).open("/dev/full").expect("there"));
    for key in [b"a", b"b"] {
        let full = tree.put(key, &value(key, 2, 5_000)).expect_err("no room");
        assert!(full.to_string().contains("space"), "{full}");
    }
    for tree in [&tree, &open(folder.path(), &below)] {
        assert_eq!(tree.get(b"a").expect("read"), Some(value(b"a", 1, 5_000)));
        assert_eq!(tree.get(b"b").expect("read"), None);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_value_that_cannot_be_synced_replaces_none() {
    let (folder, below) = (tempfile::tempdir().expect("a folder"), below());
    let tree = open(folder.path(), &below);
    tree.put(b"a", &value(b"a", 1, 5_000)).expect("put");
    tree.sync().expect("synced");
    tree.inner().files.begin().expect("begun");
    tree.inner().files.write_to(File::options().read(true).write(true).open("/dev/null").expect("there"));
    tree.put(b"a", &value(b"a", 2, 5_000)).expect_err("it cannot be synced");
    tree.put(b"a", &value(b"a", 3, 5_000)).expect_err("nor can anything after it");
    tree.sync().expect_err("nothing is durable any more");
    assert_eq!(tree.get(b"a").expect("read"), Some(value(b"a", 1, 5_000)));
}
