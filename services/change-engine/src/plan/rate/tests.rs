use super::*;

const CLASS: Class = Class::Reports;

/// An account with this watch alone.
fn peers(record: &RateRecord) -> Peers {
    Peers::of([(CLASS, record)].into_iter())
}

/// `reads` reads, `seconds` apart, finding what `changes` says.
fn learned(record: &mut RateRecord, reads: u32, seconds: i64, mut changes: impl FnMut(u32) -> u32) {
    for read in 0..reads {
        record.learn(CLASS, peers(record), SignedDuration::from_secs(seconds), changes(read));
    }
}

fn per_hour(record: &RateRecord) -> f64 {
    record.per_hour(CLASS, peers(record))
}

#[test]
fn a_watch_of_which_nothing_is_known_has_the_rate_of_its_class_in_this_account() {
    let nothing = RateRecord::default();
    assert_eq!(per_hour(&nothing), Class::Reports.prior_per_hour());
    let mut quiet = RateRecord::default();
    learned(&mut quiet, 1_000, 60, |_| 0);
    let peers = Peers::of([(Class::Cards, &quiet), (CLASS, &nothing)].into_iter());
    assert!(nothing.per_hour(CLASS, peers) < Class::Reports.prior_per_hour() / 5.0, "{peers:?}");
}

#[test]
fn a_steady_rate_is_found_within_the_hour_however_often_it_is_asked() {
    for (seconds, every) in [(15, 8), (60, 2), (300, 1)] {
        let (found, per_read) = (f64::from(seconds as i32), 1.0 / f64::from(every));
        let mut record = RateRecord::default();
        learned(&mut record, 7_200 / seconds as u32, seconds, |read| u32::from(read % every == 0));
        let expected = per_read * 3_600.0 / found;
        assert!((per_hour(&record) / expected - 1.0).abs() < 0.3, "{seconds} s: {} of {expected}", per_hour(&record));
    }
}

#[test]
fn a_morning_is_noticed_within_the_half_hour_and_the_evening_too() {
    let mut record = RateRecord::default();
    learned(&mut record, 12 * 60, 60, |_| 0);
    assert!(per_hour(&record) < 0.2, "{}", per_hour(&record));
    learned(&mut record, 30, 60, |_| 1);
    assert!(per_hour(&record) > 25.0, "{}", per_hour(&record));
    learned(&mut record, 120, 60, |_| 0);
    assert!(per_hour(&record) < 8.0, "{}", per_hour(&record));
}

#[test]
fn a_burst_on_a_watch_that_knows_bursts_moves_its_rate_by_little() {
    // Twenty at once every four hours: five an hour.
    let mut record = RateRecord::default();
    learned(&mut record, 4 * 24 * 60, 60, |read| if read % 240 == 239 { 20 } else { 0 });
    let after = per_hour(&record);
    assert!((3.5..=10.0).contains(&after), "right after a burst: {after}");
    learned(&mut record, 120, 60, |_| 0);
    let later = per_hour(&record);
    assert!((3.0..=6.5).contains(&later), "two hours later: {later}");
}

#[test]
fn twenty_single_changes_weigh_more_than_one_burst_of_twenty() {
    let (mut singles, mut burst) = (RateRecord::default(), RateRecord::default());
    for record in [&mut singles, &mut burst] {
        learned(record, 24 * 60, 60, |read| u32::from(read % 60 == 0));
    }
    learned(&mut singles, 20, 60, |_| 1);
    learned(&mut burst, 20, 60, |read| if read == 10 { 20 } else { 0 });
    assert!(per_hour(&singles) > 1.5 * per_hour(&burst), "{} and {}", per_hour(&singles), per_hour(&burst));
}

#[test]
fn an_import_of_ten_thousand_fades_in_hours() {
    let mut record = RateRecord::default();
    learned(&mut record, 24 * 60, 60, |read| u32::from(read % 60 == 0));
    let before = per_hour(&record);
    learned(&mut record, 1, 60, |_| 10_000);
    learned(&mut record, 60, 60, |_| 0);
    assert!(per_hour(&record) < 10.0 * before, "{} after {before}", per_hour(&record));
    learned(&mut record, 120, 60, |_| 0);
    assert!(per_hour(&record) < 5.0 * before, "{} after {before}", per_hour(&record));
}

#[test]
fn a_long_silence_of_the_service_counts_as_spread_over_it() {
    let mut record = RateRecord::default();
    learned(&mut record, 600, 60, |_| 1);
    record.learn(CLASS, Peers::default(), SignedDuration::from_hours(48), 48);
    let rate = per_hour(&record);
    assert!((0.5..=4.0).contains(&rate), "{rate}");
}

#[test]
fn no_time_teaches_nothing_and_no_change_leaves_no_rate_at_nothing() {
    let mut record = RateRecord::default();
    record.learn(CLASS, Peers::default(), SignedDuration::ZERO, 7);
    record.learn(CLASS, Peers::default(), SignedDuration::from_secs(-5), 7);
    assert_eq!(record, RateRecord::default());
    learned(&mut record, 100, 86_400, |_| 0);
    assert!(per_hour(&record) > 0.0);
}

#[test]
fn what_was_learned_reads_back() {
    let mut record = RateRecord::default();
    learned(&mut record, 100, 33, |read| read % 3);
    let text = serde_json::to_string(&record).expect("json");
    let back: RateRecord = serde_json::from_str(&text).expect("reads back");
    assert!((per_hour(&back) / per_hour(&record) - 1.0).abs() < 1e-9);
}
