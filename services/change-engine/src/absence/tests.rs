use super::*;
use Confirmation::{ById, ByList};

fn ids(range: std::ops::Range<u32>) -> BTreeSet<String> {
    range.map(|n| format!("{n:05}")).collect()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

/// A complete read of `of` entities that shows the first `shown`.
fn read(absences: &mut Absences, by: Confirmation, of: u32, shown: u32, seconds: i64) -> Verdict {
    absences.after_scope_read(by, at(seconds), ids(shown..of), u64::from(of))
}

fn withheld(missing: u64, of: u64, since: i64) -> Verdict {
    Verdict { removed: Vec::new(), withheld: Some(Withheld { missing, of, since: at(since) }) }
}

fn removed(range: std::ops::Range<u32>) -> Verdict {
    Verdict { removed: ids(range).into_iter().collect(), withheld: None }
}

fn nothing() -> Verdict {
    Verdict::default()
}

/// A read of all that is due, which shows `shown`.
fn ask(absences: &mut Absences, shown: std::ops::Range<u32>, seconds: i64) -> Vec<String> {
    let due: BTreeSet<String> = absences.to_confirm(at(seconds), 500).into_iter().collect();
    absences.after_id_read(&due, &ids(shown), at(seconds))
}

#[test]
fn by_list_one_absence_says_nothing_and_a_second_removes() {
    let mut absences = Absences::default();
    for seconds in [0, 3, 6, 9] {
        assert_eq!(read(&mut absences, ByList, 5, 4, seconds), nothing(), "after {seconds} s");
    }
    assert_eq!(read(&mut absences, ByList, 5, 4, 12), removed(4..5));
    assert!(absences.is_empty());
}

#[test]
fn by_id_it_takes_two_reads_ten_seconds_apart() {
    let mut absences = Absences::default();
    for seconds in [0, 60, 3600] {
        assert_eq!(read(&mut absences, ById, 5, 4, seconds), nothing(), "however often the scope misses it");
    }
    assert_eq!(absences.to_confirm(at(3600), 500), ["00004"]);
    assert_eq!(ask(&mut absences, 0..0, 3610), [""; 0]);
    assert_eq!(absences.to_confirm(at(3619), 500), [""; 0], "not yet again");
    assert_eq!(absences.next_confirmation(), Some(at(3620)));
    assert_eq!(absences.after_id_read(&ids(4..5), &ids(0..0), at(3615)), [""; 0], "too soon to count");
    assert_eq!(ask(&mut absences, 0..0, 3620), ["00004"]);
    assert!(absences.is_empty());
    assert_eq!(absences.next_confirmation(), None);
}

#[test]
fn what_comes_back_in_between_starts_anew() {
    for by in [ById, ByList] {
        let mut absences = Absences::default();
        assert_eq!(read(&mut absences, by, 5, 4, 0), nothing());
        assert_eq!(read(&mut absences, by, 5, 5, 30), nothing());
        assert_eq!(read(&mut absences, by, 5, 4, 60), nothing());
    }
    let mut absences = Absences::default();
    let miss = |absences: &mut Absences, seconds| {
        assert_eq!(read(absences, ById, 5, 4, seconds), nothing());
        assert_eq!(ask(absences, 0..0, seconds), [""; 0], "once is not twice");
    };
    miss(&mut absences, 0);
    assert_eq!(ask(&mut absences, 4..5, 20), [""; 0], "its id shows it");
    miss(&mut absences, 60);
    absences.shown("00004");
    miss(&mut absences, 120);
    assert_eq!(ask(&mut absences, 0..0, 130), ["00004"]);
}

#[test]
fn a_mass_disappearance_is_withheld_however_often_it_is_seen() {
    let (mut absences, mut small) = (Absences::default(), Absences::default());
    for seconds in [0, 60, 120] {
        assert_eq!(read(&mut absences, ByList, 200, 179, seconds), withheld(21, 200, 0));
        assert_eq!(read(&mut small, ByList, 3, 0, seconds), withheld(3, 3, 0));
    }
    assert_eq!(read(&mut absences, ByList, 200, 180, 180), removed(180..200), "these few are believed");
}

#[test]
fn most_of_a_small_scope_is_withheld_too() {
    let is_withheld = |of, shown| read(&mut Absences::default(), ByList, of, shown, 0).withheld.is_some();
    assert!(is_withheld(11, 1) && is_withheld(4, 1) && is_withheld(1, 0));
    assert!(!is_withheld(3, 1) && !is_withheld(20, 10) && !is_withheld(0, 0));
}

#[test]
fn many_that_their_ids_show_were_never_withheld() {
    let mut absences = Absences::default();
    assert_eq!(read(&mut absences, ById, 900, 600, 0), nothing(), "they may only have left the set");
    assert_eq!(absences.to_confirm(at(0), 500).len(), 300);
    assert_eq!(ask(&mut absences, 600..895, 5), [""; 0]);
    assert_eq!(absences.withheld(), None);
    assert_eq!(read(&mut absences, ById, 605, 600, 60).withheld, None, "nothing but the five that are gone");
}

#[test]
fn many_that_their_ids_do_not_show_are_withheld_and_never_removed_by_asking() {
    let mut absences = Absences::default();
    assert_eq!(read(&mut absences, ById, 200, 100, 0), nothing());
    for seconds in [5, 20, 40] {
        assert_eq!(ask(&mut absences, 0..0, seconds), [""; 0]);
        assert_eq!(absences.withheld(), Some(&Withheld { missing: 100, of: 200, since: at(0) }));
    }
    for seconds in [30, 60] {
        let asked_for_another_scope = absences.after_id_read(&ids(100..200), &ids(0..0), at(seconds));
        assert_eq!(asked_for_another_scope, [""; 0]);
    }
    assert_eq!(absences.to_confirm(at(3600), 500), [""; 0], "asked a moment ago");
    assert_eq!(absences.to_confirm(at(3660), 500).len(), 100);
    assert_eq!(absences.confirming(), 0);
    // Nobody could be asked: told of in time all the same.
    let mut unasked = Absences::default();
    assert_eq!(read(&mut unasked, ById, 200, 100, 0), nothing());
    assert_eq!(read(&mut unasked, ById, 200, 100, 900), withheld(100, 200, 0));
}

#[test]
fn what_every_read_of_a_day_has_missed_is_gone_however_much_it_is() {
    let mut absences = Absences::default();
    for hour in 0..24 {
        assert_eq!(read(&mut absences, ByList, 30, 2, hour * 3600), withheld(28, 30, 0), "hour {hour}");
    }
    assert_eq!(read(&mut absences, ByList, 30, 2, 24 * 3600), removed(2..30));
    let mut absences = Absences::default();
    let _ = read(&mut absences, ByList, 30, 2, 0);
    assert_eq!(read(&mut absences, ByList, 30, 30, 3600), nothing());
    assert_eq!(read(&mut absences, ByList, 30, 2, 24 * 3600), withheld(28, 30, 24 * 3600), "a day begins anew");
}

#[test]
fn after_a_day_they_are_confirmed_by_id_like_any_other() {
    let mut absences = Absences::default();
    let day = 24 * 3600;
    let _ = read(&mut absences, ById, 30, 2, 0);
    assert_eq!((ask(&mut absences, 0..0, 5), ask(&mut absences, 0..0, 20)), (vec![], vec![]));
    assert_eq!(read(&mut absences, ById, 30, 2, day), nothing());
    assert_eq!(absences.confirming(), 28);
    assert_eq!(ask(&mut absences, 29..30, day + 1), [""; 0], "what was asked before does not count");
    assert_eq!(ask(&mut absences, 0..0, day + 11).len(), 27);
}

#[test]
fn a_person_lets_go_what_is_withheld_up_to_a_ceiling() {
    let mut absences = Absences::default();
    assert_eq!(absences.release(100, at(0)), Err(ReleaseRefused::NothingWithheld));
    let _ = read(&mut absences, ByList, 200, 150, 0);
    assert_eq!(absences.release(49, at(30)), Err(ReleaseRefused::OverCeiling { missing: 50, ceiling: 49 }));
    assert_eq!(absences.release(50, at(30)), Ok(50));
    assert_eq!(read(&mut absences, ByList, 200, 150, 60), removed(150..200));
    assert_eq!(read(&mut absences, ByList, 150, 100, 90), withheld(50, 150, 90), "the ceiling is used up");
}

#[test]
fn a_release_does_not_reach_beyond_its_ceiling_or_its_time() {
    let mut absences = Absences::default();
    let _ = read(&mut absences, ByList, 200, 150, 0);
    assert_eq!(absences.release(55, at(1)), Ok(50));
    let verdict = read(&mut absences, ByList, 200, 120, 60);
    assert_eq!(verdict.withheld.map(|withheld| withheld.missing), Some(30), "more went since");
    assert_eq!(verdict.removed.len(), 50, "that undoes no release");
    let mut absences = Absences::default();
    let _ = read(&mut absences, ById, 200, 150, 0);
    let _ = ask(&mut absences, 0..0, 5);
    assert_eq!(absences.release(50, at(6)), Ok(50));
    assert_eq!(ask(&mut absences, 0..0, 7), [""; 0]);
    assert_eq!(absences.to_confirm(at(7 + 24 * 3600), 500), [""; 0], "expired");
    let mut absences: Absences =
        serde_json::from_str(&serde_json::to_string(&absences).expect("json")).expect("reads back");
    assert_eq!(ask(&mut absences, 0..0, 20).len(), 50, "in time, and after a restart");
}

#[test]
fn a_release_is_not_undone_by_what_goes_every_day() {
    let mut absences = Absences::default();
    let _ = read(&mut absences, ById, 200, 150, 0);
    let _ = ask(&mut absences, 0..0, 5);
    assert_eq!(absences.release(50, at(6)), Ok(50));
    assert_eq!(ask(&mut absences, 0..0, 20), [""; 0]);
    assert_eq!(read(&mut absences, ById, 200, 149, 25), nothing(), "one more than the ceiling");
    assert_eq!(ask(&mut absences, 0..0, 31).len(), 50);
    assert_eq!(ask(&mut absences, 0..0, 45).len(), 1, "it is confirmed for itself");
}

#[test]
fn the_record_is_bounded_whatever_is_missing() {
    let mut absences = Absences::default();
    assert_eq!(read(&mut absences, ById, 100_000, 0, 0), nothing());
    let _ = ask(&mut absences, 0..0, 5);
    assert_eq!(absences.withheld().map(|withheld| withheld.missing), Some(500 + 100_000 - MAX_TRACKED as u64));
    assert_eq!(absences.missing.len(), MAX_TRACKED);
    assert!(serde_json::to_vec(&absences).expect("json").len() < 700_000);
    assert_eq!(read(&mut absences, ById, 100_000, 100_000, 60), nothing());
    assert!(absences.is_empty());
}

#[test]
fn what_the_credential_cannot_see_is_not_missing() {
    let mut absences = Absences::default();
    assert_eq!(read(&mut absences, ById, 5, 4, 0), nothing());
    // Its policy is out of sight now: the caller names it no more.
    assert_eq!(absences.after_scope_read(ById, at(60), [], 4), nothing());
    assert!(absences.is_empty());
}
