//! The log, newest first, filtered and live.

use askama::Template;
use http::Uri;
use jiff::{SignedDuration, Timestamp};

use self::newest::Found;
use super::{Answer, Asked, allowed, page};
use crate::{
    link,
    model::event::{Catalogue, Entry, Row},
    shell::{Part, Shell},
    visitor::Visitor,
};

pub(super) mod newest;

/// What a list of events is filtered by, as it was typed.
#[derive(Clone, Default)]
pub(super) struct Filter {
    pub event_type: String,
    pub account: String,
    pub subject: String,
    pub since: String,
}

#[derive(Template)]
#[template(path = "events.html")]
struct Events {
    shell: Shell,
    filter: Filter,
    types: Vec<Entry>,
    accounts: Vec<String>,
    rows: Vec<Row>,
    last: u64,
    /// Whether these are the newest.
    is_newest: bool,
    older: Option<String>,
    searched_to: u64,
    stream: String,
}

impl Filter {
    fn of(asked: &Asked) -> Self {
        let text = |name| asked.text(name).to_owned();
        Self { event_type: text("type"), account: text("account"), subject: text("subject"), since: text("since") }
    }

    pub fn is_empty(&self) -> bool {
        [&self.event_type, &self.account, &self.subject, &self.since].iter().all(|text| text.is_empty())
    }

    /// The address of a page of ours, with the filter.
    fn page(&self, before: &str) -> String {
        let Self { event_type, account, subject, since } = self;
        let pairs =
            [("type", &**event_type), ("account", account), ("subject", subject), ("since", since), ("before", before)];
        link::with_query("/console/events", &pairs)
    }

    /// The query of the API that it is, between `after` and as many as a page may have.
    fn asked(&self, after: u64) -> String {
        let Self { event_type, account, subject, since } = self;
        let (after, since) = (after.to_string(), moment(since, Timestamp::now()));
        let filter = [("type", &**event_type), ("account", account), ("subject", subject), ("since", &since)];
        let place = [("after", &*after), ("limit", "1000")];
        link::with_query("/v1/events", &[&filter[..], &place[..]].concat())
    }

    /// Where the stream of what is new is.
    fn stream(&self, last: u64) -> String {
        let Self { event_type, account, subject, .. } = self;
        let after = last.to_string();
        let pairs = [("type", &**event_type), ("account", account), ("subject", subject), ("after", &after)];
        link::with_query("/console/events/stream", &pairs)
    }
}

/// A time, or how long ago: `90s`, `15m`, `2h`, `7d`. What is neither stays as it is, and the API says what it thinks of it.
pub(super) fn moment(text: &str, now: Timestamp) -> String {
    let Some(unit) = text.chars().last() else { return String::new() };
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return text.to_owned(),
    };
    let count = text[..text.len() - 1].trim().parse::<u32>().ok();
    let ago = count.map(|count| SignedDuration::from_secs(i64::from(count) * seconds));
    let at = ago.and_then(|ago| now.checked_sub(ago).ok());
    at.map_or_else(|| text.to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// `GET /console/events?type=&account=&subject=&since=&before=`
pub(super) async fn show(visitor: Visitor, uri: Uri) -> Answer {
    let asked = Asked::of(&uri);
    let (filter, api) = (Filter::of(&asked), visitor.api());
    let before = asked.text("before").parse().ok();
    let Found { rows, last, older, searched_to } = newest::found(&api, &filter, before).await?;
    let types = api.get::<Catalogue>("/v1/event-types").await?.event_types;
    let accounts = allowed(api.get::<crate::model::account::Accounts>("/v1/accounts").await)?.unwrap_or_default();
    page(&Events {
        shell: visitor.shell(Part::Events, "Events"),
        types,
        accounts: accounts.accounts.into_iter().map(|account| account.name).collect(),
        rows,
        last,
        is_newest: before.is_none(),
        older: older.map(|older| filter.page(&older.to_string())),
        searched_to,
        stream: filter.stream(last),
        filter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_be_told_by_how_long_ago_it_was() {
        let now = "2026-04-02T09:14:00Z".parse().expect("a time");
        for (text, told) in [
            ("2h", "2026-04-02T07:14:00Z"),
            ("15 m", "2026-04-02T08:59:00Z"),
            ("7d", "2026-03-26T09:14:00Z"),
            ("2026-04-02T09:14:00Z", "2026-04-02T09:14:00Z"),
            ("-1h", "-1h"),
            ("4294967295d", "4294967295d"),
            ("é", "é"),
            ("", ""),
        ] {
            assert_eq!(moment(text, now), told, "{text}");
        }
    }
}
