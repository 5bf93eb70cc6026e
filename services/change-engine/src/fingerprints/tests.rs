use std::collections::{BTreeSet, HashMap};

use event_model::ReportState;
use jiff::civil::date;
use proptest::prelude::*;

use super::*;

const OPEN_IN_MARCH: (Option<&str>, ReportState) = (Some("A1"), ReportState::Open);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

fn digest(n: u8) -> [u8; 16] {
    [n; 16]
}

fn object(n: u8) -> [u8; DIGEST_BYTES] {
    [n; DIGEST_BYTES]
}

fn whereabouts((policy, state): (Option<&str>, ReportState)) -> Whereabouts {
    let (policy, state) = (policy.map(str::to_owned), Some(state));
    Whereabouts { policy, state, day: Some(date(2026, 3, 2)), ..Whereabouts::default() }
}

/// Judges and settles as a poller does for which each append succeeds.
fn told(index: &mut Fingerprints, walk: &mut Walk, id: &str, n: u8) -> Verdict {
    let verdict = index.judge(walk, id, &digest(n));
    if matches!(verdict, Verdict::Changed | Verdict::New | Verdict::Unread) {
        index.settle(&*walk, id, &digest(n), &whereabouts(OPEN_IN_MARCH));
    }
    verdict
}

#[test]
fn an_unchanged_row_is_the_same_and_a_changed_one_is_so_until_it_is_settled() {
    let mut index = Fingerprints::default();
    let mut first = index.read(at(0), at(0));
    assert_eq!(told(&mut index, &mut first, "R1", 1), Verdict::New);
    let mut second = index.read(at(10), at(10));
    assert_eq!(index.judge(&mut second, "R1", &digest(1)), Verdict::Same);
    let mut third = index.read(at(20), at(20));
    assert_eq!(index.judge(&mut third, "R1", &digest(2)), Verdict::Changed);
    let mut fourth = index.read(at(30), at(30));
    assert_eq!(index.judge(&mut fourth, "R1", &digest(2)), Verdict::Changed, "its events were never durable");
}

#[test]
fn a_row_of_an_older_read_says_nothing_and_does_not_bring_back_what_is_gone() {
    let mut index = Fingerprints::default();
    let (mut older, mut newer) = (index.read(at(0), at(0)), index.read(at(5), at(5)));
    assert_eq!(told(&mut index, &mut newer, "R1", 2), Verdict::New);
    assert_eq!(told(&mut index, &mut older, "R1", 1), Verdict::Stale);
    index.settle(&older, "R1", &digest(1), &Whereabouts::default());
    assert_eq!(index.judge(&mut newer, "R1", &digest(2)), Verdict::Same, "a late settlement of the older is nothing");

    let confirming = index.read(at(9), at(9));
    index.gone(&confirming, "R1");
    assert!(index.get("R1").is_none() && index.iter().next().is_none());
    assert_eq!(index.judge(&mut newer, "R1", &digest(2)), Verdict::Stale);
    let mut back = index.read(at(12), at(12));
    assert_eq!(told(&mut index, &mut back, "R1", 2), Verdict::New);
    assert!(index.get("R1").is_some());
}

#[test]
fn of_two_reads_that_overlap_the_second_says_nothing_that_differs() {
    let mut index = Fingerprints::default();
    let (mut slow, mut quick) = (index.read(at(0), at(10)), index.read(at(5), at(6)));
    assert_eq!(told(&mut index, &mut slow, "R1", 2), Verdict::New);
    assert_eq!(told(&mut index, &mut quick, "R1", 1), Verdict::Overlaps, "it may have looked before the slow one did");
    assert!(index.unseen(&quick, |_| true).is_empty(), "it was seen nevertheless");
    let mut after = index.read(at(10), at(11));
    assert_eq!(told(&mut index, &mut after, "R1", 1), Verdict::Changed);
}

#[test]
fn a_clock_that_stepped_back_does_not_make_new_rows_stale() {
    let mut index = Fingerprints::default();
    let mut before = index.read(at(3_600), at(3_601));
    assert_eq!(told(&mut index, &mut before, "R1", 1), Verdict::New);
    index.forget_times();
    let mut after = index.read(at(10), at(11));
    assert_eq!(told(&mut index, &mut after, "R1", 2), Verdict::Changed);
    assert_eq!(index.as_of("R1"), Some(at(10)));
}

#[test]
fn one_file_that_shows_a_report_twice_is_noticed_only_where_the_two_differ() {
    let mut index = Fingerprints::default();
    let mut walk = index.read(at(0), at(0));
    assert_eq!(told(&mut index, &mut walk, "R1", 1), Verdict::New);
    assert_eq!(told(&mut index, &mut walk, "R1", 1), Verdict::Same);
    assert_eq!(told(&mut index, &mut walk, "R1", 2), Verdict::Twice);
    let mut next = index.read(at(10), at(10));
    assert_eq!(told(&mut index, &mut next, "R1", 1), Verdict::Same, "the first stands");
}

#[test]
fn a_row_that_was_cut_off_is_not_held_against_the_whole_one_of_the_next_try() {
    let mut index = Fingerprints::default();
    let mut walk = index.read(at(0), at(0));
    assert_eq!(told(&mut index, &mut walk, "R1", 1), Verdict::New);
    let mut walk = index.read(at(10), at(10));
    assert_eq!(index.judge(&mut walk, "R1", &[9; 16]), Verdict::Changed, "cut off: it makes no report");
    walk.restart();
    assert_eq!(told(&mut index, &mut walk, "R1", 2), Verdict::Changed);
    assert_eq!(told(&mut index, &mut walk, "R1", 3), Verdict::Twice, "what was told by this read stands");
}

#[test]
fn what_is_loaded_is_compared_as_an_object_once() {
    let mut index = Fingerprints::default();
    index.load("R1", &object(7), &whereabouts(OPEN_IN_MARCH));
    let mut walk = index.read(at(0), at(0));
    assert_eq!(index.judge(&mut walk, "R1", &digest(7)), Verdict::Unread, "a row's digest is no object's");
    assert!(index.has_object("R1", &object(7)) && !index.has_object("R1", &object(8)));
    index.settle(&walk, "R1", &digest(1), &whereabouts(OPEN_IN_MARCH));
    assert!(!index.has_object("R1", &object(7)));
    let mut next = index.read(at(1), at(1));
    assert_eq!(index.judge(&mut next, "R1", &digest(1)), Verdict::Same);
}

#[test]
fn ids_of_any_length_and_case_come_back_as_they_were() {
    let long = "r".repeat(40);
    let ids = ["R00AbCdEf123", "R00ABCDEF123", "", "fifteen bytes !", "sixteen bytes !!", "é", &long];
    let mut index = Fingerprints::default();
    for (n, id) in (0..).zip(ids) {
        index.load(id, &object(n), &whereabouts(OPEN_IN_MARCH));
    }
    assert_eq!(index.iter().map(|view| view.id()).collect::<Vec<_>>(), ids);
    assert!((0..).zip(ids).all(|(n, id)| index.has_object(id, &object(n))));
    assert!(index.get("r00abcdef123").is_none() && index.get(&long[1..]).is_none());
}

#[test]
fn where_a_report_stands_is_kept() {
    let mut index = Fingerprints::default();
    let escalated = ReportState::Other("ESCALATED".into());
    index.load("R1", &object(1), &whereabouts((None, ReportState::Archived)));
    index.load("R2", &object(1), &whereabouts((Some("B2"), escalated)));
    index.load("R3", &object(1), &Whereabouts { day: Some(date(1969, 12, 31)), ..Whereabouts::default() });
    assert_eq!(index.get("R1").expect("loaded").whereabouts(), whereabouts((None, ReportState::Archived)));
    let other = index.get("R2").expect("loaded");
    assert_eq!((other.policy(), other.state()), (Some("B2"), Some(ReportState::Other(String::new()))));
    assert!(index.get("R3").expect("loaded").whereabouts().is_unknown(), "a day that is not kept is none");

    let walk = index.read(at(0), at(0));
    index.settle(&walk, "R1", &digest(1), &whereabouts((Some("B2"), ReportState::Open)));
    let moved = index.get("R1").expect("there");
    assert_eq!((moved.policy(), moved.state(), moved.as_of()), (Some("B2"), Some(ReportState::Open), Some(at(0))));
}

#[test]
fn what_a_read_must_show_and_neither_it_nor_a_later_one_has_shown_is_unseen() {
    let mut index = Fingerprints::default();
    for (id, state) in [("R1", ReportState::Open), ("R2", ReportState::Open), ("R3", ReportState::Archived)] {
        index.load(id, &object(1), &whereabouts((None, state)));
    }
    let (mut walk, mut other) = (index.read(at(0), at(0)), index.read(at(1), at(1)));
    assert_eq!(told(&mut index, &mut walk, "R1", 1), Verdict::Unread);
    let open = |view: &View<'_>| view.state() == Some(ReportState::Open);
    assert_eq!(index.unseen(&walk, open), ["R2"]);
    assert_eq!(told(&mut index, &mut other, "R2", 1), Verdict::Unread);
    assert!(index.unseen(&walk, open).is_empty(), "a read that began later has shown it");
    assert_eq!(index.unseen(&other, open), ["R1"]);
    index.gone(&other, "R1");
    assert!(index.unseen(&other, open).is_empty());
}

#[test]
fn a_row_that_is_never_settled_was_seen_nevertheless() {
    let mut index = Fingerprints::default();
    index.load("R1", &object(1), &whereabouts(OPEN_IN_MARCH));
    let mut walk = index.read(at(0), at(0));
    assert_eq!(index.judge(&mut walk, "R1", &digest(1)), Verdict::Unread);
    assert!(index.unseen(&walk, |_| true).is_empty());
}

#[test]
fn a_read_in_another_order_becomes_the_order_of_the_index() {
    let mut index = Fingerprints::default();
    let ids: Vec<String> = (0..100).map(|n| format!("R{n}")).collect();
    for id in &ids {
        index.load(id, &object(1), &whereabouts(OPEN_IN_MARCH));
    }
    let shuffled: Vec<&String> = (0..90).map(|n| &ids[n * 37 % 100]).collect();
    let mut misses = Vec::new();
    for second in 0..2 {
        let mut walk = index.read(at(second), at(second));
        for id in &shuffled {
            let _ = told(&mut index, &mut walk, id, 1);
        }
        misses.push(walk.misses);
        index.finish(walk);
    }
    assert!(misses[0] > 80 && misses[1] == 0, "{misses:?}");
    let order: Vec<&str> = index.iter().map(|view| view.id()).collect();
    assert!(order.iter().zip(&shuffled).all(|(found, id)| found == id));
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 100);
}

#[test]
fn a_short_read_does_not_undo_the_order_of_the_whole_and_one_that_overlaps_another_does_not_garble_it() {
    let mut index = Fingerprints::default();
    let ids: Vec<String> = (0..100).map(|n| format!("R{n}")).collect();
    for id in &ids {
        index.load(id, &object(1), &whereabouts(OPEN_IN_MARCH));
    }
    let read_back = |index: &mut Fingerprints, of: usize| {
        let mut walk = index.read(at(0), at(0));
        for id in ids.iter().rev().take(of) {
            let _ = index.judge(&mut walk, id, &digest(1));
        }
        walk
    };
    let short = read_back(&mut index, 30);
    index.finish(short);
    assert_eq!(index.iter().next().map(|view| view.id()), Some("R0"));
    let (one, other) = (read_back(&mut index, 100), read_back(&mut index, 100));
    index.finish(one);
    index.finish(other);
    assert!(index.iter().map(|view| view.id()).eq(ids.iter().rev()), "the places of the other were those of before");
}

#[test]
fn a_million_reports_take_64_mib_at_most() {
    let mut index = Fingerprints::with_capacity(1_000_000);
    let place = whereabouts(OPEN_IN_MARCH);
    for n in 0..1_000_000_u32 {
        index.load(&format!("R{n:011}"), &object(1), &place);
    }
    assert!(index.bytes() <= 64 << 20, "{} bytes", index.bytes());
}

#[test]
fn a_fingerprint_in_hexadecimal_is_its_first_bytes() {
    let hash = "00ff10a0b1c2d3e4f5061728".to_owned() + "zz";
    assert_eq!(from_hex(&hash), Some([0, 255, 16, 160, 177, 194, 211, 228, 245, 6, 23, 40]));
    assert_eq!((from_hex("00ff"), from_hex(&"g".repeat(64))), (None, None));
}

/// What a model of the index keeps of a report.
#[derive(Clone, Default)]
struct Modelled {
    digest: u8,
    unread: bool,
    gone: bool,
    as_of: Option<i64>,
    rendered: Option<i64>,
    seen_by: Option<usize>,
}

#[derive(Clone, Debug)]
enum Step {
    Load(u8, u8),
    Begin(i64, i64),
    Row { read: usize, id: u8, digest: u8, settled: bool },
    Gone { read: usize, id: u8 },
    Finish(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..24_u8, 0..3_u8).prop_map(|(id, digest)| Step::Load(id, digest)),
        2 => (0..50_i64, 0..9_i64).prop_map(|(at, took)| Step::Begin(at, took)),
        12 => (0..4_usize, 0..24_u8, 0..3_u8, any::<bool>())
            .prop_map(|(read, id, digest, settled)| Step::Row { read, id, digest, settled }),
        1 => (0..4_usize, 0..24_u8).prop_map(|(read, id)| Step::Gone { read, id }),
        1 => (0..4_usize).prop_map(Step::Finish),
    ]
}

/// Every other id is longer than what an entry holds.
fn name(id: u8) -> String {
    if id.is_multiple_of(2) { format!("R{id}") } else { format!("a report with a long id, number {id}") }
}

impl Modelled {
    fn judge(&mut self, read: usize, (started, rendered): (i64, i64), digest: u8) -> Verdict {
        if self.as_of.is_some_and(|as_of| started < as_of) {
            return Verdict::Stale;
        }
        let seen_before = self.seen_by.replace(read) == Some(read);
        if !self.gone && !self.unread && self.digest == digest {
            (self.as_of, self.rendered) = (Some(started), Some(rendered));
            return Verdict::Same;
        }
        let overlaps = self.rendered.is_some_and(|rendered| started < rendered);
        match (self.gone, overlaps) {
            (false, _) if seen_before && self.as_of == Some(started) => Verdict::Twice,
            (_, true) => Verdict::Overlaps,
            (true, _) => Verdict::New,
            _ if seen_before => Verdict::Twice,
            _ if self.unread => Verdict::Unread,
            _ => Verdict::Changed,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn the_index_says_what_a_plain_map_says(steps in prop::collection::vec(step(), 1..200)) {
        let (mut index, mut model) = (Fingerprints::default(), HashMap::<u8, Modelled>::new());
        let mut reads: Vec<(usize, (i64, i64), Walk)> = Vec::new();
        let mut begun = 0;
        for step in steps {
            match step {
                Step::Load(id, n) if !model.contains_key(&id) => {
                    index.load(&name(id), &object(n), &whereabouts(OPEN_IN_MARCH));
                    model.insert(id, Modelled { digest: n, unread: true, ..Modelled::default() });
                }
                Step::Begin(seconds, took) if reads.len() < 4 => {
                    begun += 1;
                    let (started, rendered) = (seconds, seconds + took);
                    reads.push((begun, (started, rendered), index.read(at(started), at(rendered))));
                }
                Step::Row { read, id, digest: n, settled } if read < reads.len() => {
                    let (number, times, walk) = &mut reads[read];
                    let expected = model.get_mut(&id).map_or(Verdict::New, |m| m.judge(*number, *times, n));
                    let verdict = index.judge(walk, &name(id), &digest(n));
                    prop_assert_eq!(verdict, expected);
                    if settled && matches!(verdict, Verdict::Changed | Verdict::New | Verdict::Unread) {
                        index.settle(&*walk, &name(id), &digest(n), &whereabouts(OPEN_IN_MARCH));
                        let (as_of, rendered, seen_by) = (Some(times.0), Some(times.1), Some(*number));
                        model.insert(id, Modelled { digest: n, as_of, rendered, seen_by, ..Modelled::default() });
                    }
                }
                Step::Gone { read, id } if read < reads.len() => {
                    let (_, (started, rendered), walk) = &reads[read];
                    index.gone(walk, &name(id));
                    if let Some(known) = model.get_mut(&id) {
                        known.gone = true;
                        known.as_of = known.as_of.max(Some(*started));
                        known.rendered = known.rendered.max(Some(*rendered));
                    }
                }
                Step::Finish(read) if read < reads.len() => {
                    let (number, (started, _), walk) = reads.remove(read);
                    let missed = |m: &Modelled| m.seen_by != Some(number) && m.as_of < Some(started) && !m.gone;
                    let expected: BTreeSet<String> =
                        model.iter().filter(|(_, m)| missed(m)).map(|(id, _)| name(*id)).collect();
                    let unseen = index.unseen(&walk, |_| true);
                    prop_assert_eq!(unseen.into_iter().collect::<BTreeSet<_>>(), expected);
                    index.finish(walk);
                }
                _ => {}
            }
        }
        let live: BTreeSet<String> = model.iter().filter(|(_, m)| !m.gone).map(|(id, _)| name(*id)).collect();
        prop_assert_eq!(index.iter().map(|view| view.id().to_owned()).collect::<BTreeSet<_>>(), live);
    }
}
