use std::str::FromStr;

use expensify_client::Credentials;
use jiff::civil::date;

use super::*;
use crate::BudgetConfig;

fn config(history_days: u16) -> AccountConfig {
    AccountConfig {
        name: "acme".parse().unwrap(),
        endpoint: url::Url::from_str("http://127.0.0.1/").unwrap(),
        credentials: Credentials::new("id", "secret"),
        domains: vec![],
        policies: vec!["A1".into()],
        history_days,
        budget: BudgetConfig::default(),
    }
}

#[test]
fn the_window_reaches_a_day_further_to_both_sides() {
    let filter = export(&config(30), date(2026, 4, 2)).filter;
    assert_eq!((filter.start_date, filter.end_date), (Some(date(2026, 3, 2)), Some(date(2026, 4, 3))));
    assert_eq!(filter.policy_ids, ["A1"]);
}

#[test]
fn the_window_is_never_longer_than_the_upstream_allows() {
    for days in [364, 365, u16::MAX] {
        let filter = export(&config(days), date(2026, 4, 2)).filter;
        let (start, end) = (filter.start_date.unwrap(), filter.end_date.unwrap());
        assert_eq!(end, date(2026, 4, 3));
        assert_eq!((end - start).get_days(), 365, "{days}");
    }
}
