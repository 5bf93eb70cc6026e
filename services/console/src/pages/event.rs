//! One event: before and after, the history of its entity, and sending it once more.

use askama::Template;
use axum::extract::Path;
use http::HeaderMap;
use serde_json::json;

use super::{
    Answer, allowed,
    events::{Filter, newest},
    mendable, onward, page,
};
use crate::{
    config::{HISTORY_SHOWN, SUBSCRIPTIONS_ASKED},
    failure::Failure,
    form::Posted,
    link,
    model::{
        event::{Change, Event, Row},
        replay::{DryRun, Replay},
        subscription::{Subscription, Subscriptions},
    },
    random,
    session::Notice,
    shell::{Part, Shell},
    visitor::Visitor,
};

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    shell: Shell,
    event: Event,
    changes: Vec<Change>,
    history: Vec<Row>,
    subscriptions: Vec<Subscription>,
    curl: String,
    once: String,
    /// The sequences beside it.
    before: Option<u64>,
    after: Option<u64>,
}

/// `GET /console/events/{sequence}`
pub(super) async fn show(visitor: Visitor, Path(sequence): Path<String>, headers: HeaderMap) -> Answer {
    let api = visitor.api();
    let event = api.get::<Event>(&format!("/v1/events/{}", link::segment(&sequence))).await?;
    let filter = Filter { account: event.account.clone(), subject: event.subject.clone(), ..Filter::default() };
    let mut found = newest::found(&api, &filter, None).await?;
    found.rows.truncate(HISTORY_SHOWN);
    let all = allowed(api.get::<Subscriptions>(&format!("/v1/subscriptions?limit={SUBSCRIPTIONS_ASKED}")).await)?;
    page(&EventPage {
        shell: visitor.shell(Part::Events, format!("Event {}", event.sequence)),
        changes: event.changes(),
        curl: curl(&headers, event.sequence),
        before: event.sequence.checked_sub(1).filter(|before| *before > 0),
        after: (event.sequence < found.last).then_some(event.sequence + 1),
        event,
        history: found.rows,
        subscriptions: all.unwrap_or_default().subscriptions,
        once: random::token(),
    })
}

/// The command that shows the same in a shell. The host is what the browser asked, if that can be nothing but one.
fn curl(headers: &HeaderMap, sequence: u64) -> String {
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    let host = if !host.is_empty() && host.bytes().all(is_plain) { host } else { "127.0.0.1:8080" };
    let scheme = if crate::cookie::is_https(headers) { "https" } else { "http" };
    format!("curl -H \"Authorization: Bearer $EXPENSEWIRE_KEY\" '{scheme}://{host}/v1/events/{sequence}'")
}

/// `POST /console/events/{sequence}/resend`: a replay of this one event.
pub(super) async fn resend(Path(sequence): Path<String>, Posted { visitor, fields }: Posted) -> Answer {
    let sequence: u64 = sequence.parse().map_err(|_| Failure::NoPage)?;
    let api = visitor.api();
    let back = format!("/console/events/{sequence}");
    let path = format!("/v1/subscriptions/{}/replay", link::segment(fields.text("subscription")));
    let mut body = json!({ "from": sequence.saturating_sub(1), "to": sequence, "dry_run": true });
    let would = match mendable(api.post::<DryRun>(&path, &body).await)? {
        Ok(would) => would,
        Err(problem) => {
            visitor.tell(Notice::error(problem.sentence()));
            return onward(&back);
        }
    };
    if would.count == Some(0) {
        let why = "Nothing was sent: the subscription's filter does not want this event.";
        visitor.tell(Notice::error(why));
        return onward(&back);
    }
    body["dry_run"] = false.into();
    match mendable(api.post_once::<Replay>(&path, fields.once(), &body).await)? {
        Ok(replay) => {
            visitor.tell(Notice::done(format!("Event {sequence} is on its way again.")));
            onward(&replay.address())
        }
        Err(problem) => {
            visitor.tell(Notice::error(problem.sentence()));
            onward(&back)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_none_does_not_come_into_a_command() {
        let of = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::HOST, http::HeaderValue::from_static(host));
            curl(&headers, 7)
        };
        assert!(of("wire.example:8080").ends_with("'http://wire.example:8080/v1/events/7'"));
        for bad in ["a'; rm -rf ~; '", "$(id)", "a b"] {
            assert!(of(bad).ends_with("'http://127.0.0.1:8080/v1/events/7'"), "{bad}");
        }
    }
}
