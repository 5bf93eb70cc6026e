//! The overview: how fresh, how much of the budget, what happens, and what needs somebody.

use askama::Template;
use http::Uri;
use jiff::Timestamp;

use super::{Answer, Asked, allowed, page, subscriptions::worst_first};
use crate::{
    chart::{Chart, Series},
    config::SUBSCRIPTIONS_ASKED,
    model::{
        account::{Account, Accounts},
        subscription::{Subscription, Subscriptions},
    },
    samples::{Span, sum},
    shell::{Part, Shell},
    visitor::Visitor,
};

/// How often the page looks again.
const LOOK_S: u32 = 10;

const EVENTS: &[Series] = &[Series { name: "events", class: "events", of: |counts| counts.events }];
const DELIVERIES: &[Series] = &[
    Series { name: "delivered", class: "good", of: |counts| counts.delivered },
    Series { name: "failed attempts", class: "bad", of: |counts| counts.failed },
];

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    shell: Shell,
    /// None where the key may not see accounts.
    accounts: Option<Vec<Account>>,
    subscriptions: Option<Vec<Subscription>>,
    /// What of them needs somebody.
    troubled: Vec<usize>,
    is_day: bool,
    events: Chart,
    deliveries: Chart,
    last_sequence: String,
}

impl Overview {
    fn troubles(&self) -> impl Iterator<Item = &Subscription> {
        let all = self.subscriptions.as_deref().unwrap_or_default();
        self.troubled.iter().filter_map(|index| all.get(*index))
    }

    fn withheld(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().flatten().filter(|account| account.has_withheld())
    }

    fn lost(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().flatten().filter(|account| !account.lost.is_empty())
    }

    fn failing(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().flatten().filter(|account| account.last_error.is_some())
    }

    fn is_calm(&self) -> bool {
        self.troubled.is_empty()
            && self.withheld().next().is_none()
            && self.lost().next().is_none()
            && self.failing().next().is_none()
    }

    fn has_no_subscription(&self) -> bool {
        self.subscriptions.as_ref().is_some_and(Vec::is_empty)
    }

    fn dead_letters(&self) -> u64 {
        self.subscriptions.iter().flatten().map(|one| one.dead_letters).sum()
    }

    /// How many deliver, of how many.
    fn delivering(&self) -> String {
        let all = self.subscriptions.as_deref().unwrap_or_default();
        let delivering = all.iter().filter(|one| one.is_delivering()).count();
        if delivering == all.len() { delivering.to_string() } else { format!("{delivering} of {}", all.len()) }
    }

    fn waiting(&self) -> u64 {
        self.subscriptions.iter().flatten().map(|one| one.pending).sum()
    }
}

/// `GET /?span=hour|day`
pub(super) async fn show(visitor: Visitor, uri: Uri) -> Answer {
    let api = visitor.api();
    let is_day = Asked::of(&uri).text("span") == "day";
    let (span, words) = if is_day { (Span::Day, "24 hours") } else { (Span::Hour, "hour") };
    let accounts = allowed(api.get::<Accounts>("/v1/accounts").await)?.map(|all| all.accounts);
    let asked = format!("/v1/subscriptions?limit={SUBSCRIPTIONS_ASKED}");
    let subscriptions = allowed(api.get::<Subscriptions>(&asked).await)?.map(|all| worst_first(all).subscriptions);
    let all = subscriptions.as_deref().unwrap_or_default();
    let troubled = all.iter().enumerate().filter(|(_, one)| one.needs_a_person()).map(|(index, _)| index).collect();
    let metrics = visitor.console.sample().await?;
    let bars = visitor.console.samples.bars(span, Timestamp::now());
    let shell = visitor.shell(Part::Overview, "Overview").looking_again(Some(LOOK_S));
    page(&Overview {
        shell,
        accounts,
        troubled,
        subscriptions,
        is_day,
        events: Chart::of("events-chart", &bars, words, EVENTS),
        deliveries: Chart::of("deliveries-chart", &bars, words, DELIVERIES),
        last_sequence: sum(&metrics, "expensewire_log_last_sequence").map(|n| format!("{n:.0}")).unwrap_or_default(),
    })
}
