//! All subscriptions, those that need somebody first.

use askama::Template;
use http::Uri;

use super::{Answer, Asked, page};
use crate::{
    config::{ROWS_SHOWN, SUBSCRIPTIONS_ASKED},
    model::subscription::{Subscription, Subscriptions},
    shell::{Part, Shell},
    visitor::Visitor,
};

#[derive(Template)]
#[template(path = "subscriptions.html")]
struct List {
    shell: Shell,
    query: String,
    found: Vec<Subscription>,
    /// How many there are, found or not.
    total: usize,
    /// How many were found and are not shown.
    left: usize,
    /// Whether there are more than were asked for.
    is_cut: bool,
}

/// `GET /console/subscriptions?q=`
pub(super) async fn show(visitor: Visitor, uri: Uri) -> Answer {
    let query = Asked::of(&uri).text("q").to_owned();
    let all = worst_first(visitor.api().get(&format!("/v1/subscriptions?limit={SUBSCRIPTIONS_ASKED}")).await?);
    let (total, is_cut) = (all.subscriptions.len(), all.next.is_some());
    let mut found: Vec<_> = all.subscriptions.into_iter().filter(|one| one.matches(&query)).collect();
    let left = found.len().saturating_sub(ROWS_SHOWN);
    found.truncate(ROWS_SHOWN);
    let shell = visitor.shell(Part::Subscriptions, "Subscriptions");
    page(&List { shell, query, found, total, left, is_cut })
}

/// The same, the ones that fail before those that do not.
pub(super) fn worst_first(mut all: Subscriptions) -> Subscriptions {
    all.subscriptions.sort_by_key(Subscription::health);
    all
}
