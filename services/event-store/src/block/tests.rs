use super::*;

fn packer() -> Packer {
    Packer::new().expect("zstd")
}

fn open(sealed: &[u8]) -> Option<Block> {
    Block::open(sealed, &mut Unpacker::new().expect("zstd"))
}

fn block(count: u64) -> Block {
    let mut block = Block::after(Sequence(128), Link([7; LINK_BYTES]), 5, false);
    for i in 0..count {
        let body = format!(r#"{{"state":"OPEN","number":{i},"text":"the same in each of them, for length"}}"#);
        block.push(Sequence(if i % 2 == 0 { 0 } else { 128 + i }), i as i64, body.as_bytes());
    }
    block
}

type Shown = (Sequence, Sequence, Option<Link>, Vec<u8>);

fn shown(block: &Block) -> (Header, Vec<Shown>) {
    let entries = block.entries().map(|e| (e.sequence, e.previous, e.before, e.body.to_vec()));
    (block.header, entries.collect())
}

#[test]
fn a_block_comes_back_as_it_was_sealed_and_takes_less_room() {
    for count in [1, 2, BLOCK_EVENTS as u64] {
        let sealed = block(count).seal(&mut packer()).expect("sealed");
        let opened = open(&sealed).expect("a block");
        assert_eq!(shown(&opened), shown(&block(count)));
        assert_eq!(opened.seal(&mut packer()).expect("sealed"), sealed, "sealing again");
        assert_eq!(Header::read(&sealed), Some(opened.header));
        let mut plain = Vec::new();
        block(count).seal_plain(&mut plain);
        assert_eq!(shown(&open(&plain).expect("a block")), shown(&block(count)), "not packed");
    }
    let full = block(BLOCK_EVENTS as u64);
    let bytes: usize = full.entries().map(|entry| entry.body.len()).sum();
    assert!(full.seal(&mut packer()).expect("sealed").len() * 4 < bytes);
}

#[test]
fn an_event_is_found_by_its_sequence_with_its_link() {
    let block = block(9);
    let mut link = block.header.before;
    for entry in block.entries() {
        link = link.next(entry.body);
        assert_eq!(block.link_of(entry.sequence), Some(link));
        assert_eq!(block.find(entry.sequence), Some(entry));
    }
    assert_eq!(link, block.header.after);
    assert_eq!((block.find(Sequence(128)), block.find(Sequence(138))), (None, None));
    assert_eq!(block.entries_after(Sequence(135)).map(|e| e.sequence.0).collect::<Vec<_>>(), [136, 137]);
}

#[test]
fn blocks_that_are_joined_are_the_block_of_all_their_events() {
    let (whole, mut joined) = (block(9), Block::after(Sequence(128), Link([7; LINK_BYTES]), 5, false));
    let mut rest = Block::after(Sequence(128), Link([7; LINK_BYTES]), 5, false);
    for entry in whole.entries() {
        rest.push(entry.previous, 0, entry.body);
        if entry.sequence.0 % 4 == 0 {
            joined.join(&rest);
            rest = Block::after(entry.sequence, rest.header.after, 0, false);
        }
    }
    joined.join(&rest);
    joined.header.newest = whole.header.newest;
    assert_eq!(shown(&joined), shown(&whole));
}

#[test]
fn what_retention_leaves_keeps_the_links_of_what_stays() {
    let dense = block(9);
    let mut sparse = Block::after(Sequence(128), dense.header.before, 0, true);
    let links: Vec<Link> =
        (128..=137).filter_map(|n| dense.link_of(Sequence(n)).or(Some(dense.header.before))).collect();
    for entry in dense.entries().filter(|entry| [131, 132, 135].contains(&entry.sequence.0)) {
        let before = links[(entry.sequence.0 - 129) as usize];
        sparse.place(entry.sequence, entry.previous, Some(before), entry.body);
    }
    sparse.cover(&dense.header);
    let opened = open(&sparse.seal(&mut packer()).expect("sealed")).expect("a block");
    assert_eq!(shown(&opened), shown(&sparse));
    for known in [130, 131, 132, 134, 135, 137] {
        assert_eq!(opened.link_of(Sequence(known)), Some(links[(known - 128) as usize]), "{known}");
    }
    assert_eq!(opened.link_of(Sequence(133)), None);
    let mut nothing = Block::after(Sequence(128), dense.header.before, 0, true);
    nothing.cover(&dense.header);
    assert_eq!(shown(&open(&nothing.seal(&mut packer()).expect("sealed")).expect("a block")).1, []);
}

#[test]
fn no_damage_makes_it_panic() {
    for count in [3, 60] {
        let sealed = block(count).seal(&mut packer()).expect("sealed");
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Some(opened) = open(&damaged) {
                opened.entries().for_each(|entry| drop(entry.body.to_vec()));
            }
        }
        for length in 0..sealed.len() {
            assert!(open(&sealed[..length]).is_none(), "cut to {length}");
        }
    }
}

#[test]
fn lengths_that_lie_make_it_no_block() {
    let honest = block(2);
    for lengths in [[u64::MAX, 1], [1, u64::MAX], [u64::MAX, u64::MAX], [u64::MAX / 2, u64::MAX / 2 + 9], [1 << 40, 3]]
    {
        let mut sealed = Vec::new();
        let mut plain = Vec::new();
        for length in lengths {
            [1, 0, length].into_iter().for_each(|field| parts::put_varint(&mut plain, field));
        }
        plain.extend_from_slice(b"bodies");
        honest.header.encode(false, plain.len(), &mut sealed);
        sealed.extend_from_slice(&plain);
        assert!(open(&sealed).is_none(), "{lengths:?}");
    }
}
