//! Replays: a range, how many events that is, at which rate, and how far it has come.

use askama::Template;
use axum::extract::Path;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Answer, Asked, allowed, events::moment, mendable, onward, page, with_status};
use crate::{
    api::Caller,
    config::SUBSCRIPTIONS_ASKED,
    failure::{Failure, Problem},
    form::{Fields, Posted},
    link,
    model::{
        replay::{DryRun, Replay, Replays},
        subscription::{Subscription, Subscriptions},
    },
    random,
    session::Notice,
    shell::{Part, Shell},
    trouble::{Labels, Trouble},
    visitor::Visitor,
};

/// Subscriptions whose replays are listed together.
const MANY_SUBSCRIPTIONS: usize = 20;

/// How often a page of a running replay looks again.
const LOOK_S: u32 = 2;

#[derive(Template)]
#[template(path = "replay.html")]
struct ReplayPage {
    shell: Shell,
    subscriptions: Vec<Subscription>,
    wish: Wish,
    /// What would be sent, once that was counted.
    would: Option<DryRun>,
    trouble: Trouble,
    replays: Vec<Replay>,
    once: String,
}

#[derive(Template)]
#[template(path = "replay_progress.html")]
struct ProgressPage {
    shell: Shell,
    replay: Replay,
}

const SINCE: [(&str, &str, &str); 4] = [("from", "since", "Observed since"), ABOUT, UP_TO, RATE];
const AFTER: [(&str, &str, &str); 4] = [("from", "after", "After the sequence"), ABOUT, UP_TO, RATE];
const ABOUT: (&str, &str, &str) = ("subject", "subject", "About one entity");
const UP_TO: (&str, &str, &str) = ("to", "to", "Up to the sequence");
const RATE: (&str, &str, &str) = ("rate_per_s", "rate_per_s", "Deliveries a second");

/// What is to be sent once more, as it was typed.
#[derive(Default)]
struct Wish {
    subscription: String,
    /// `since`, `after`, `beginning`, `subject` or `failed`.
    what: String,
    since: String,
    after: String,
    to: String,
    subject: String,
    rate: String,
}

impl Wish {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            subscription: text("subscription"),
            what: text("what"),
            since: text("since"),
            after: text("after"),
            to: text("to"),
            subject: text("subject"),
            rate: text("rate_per_s"),
        }
    }

    /// The body of the API's request.
    fn body(&self, is_dry: bool) -> Value {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        match self.what.as_str() {
            "beginning" => put("from", "beginning".into()),
            "after" => put("from", number(&self.after)),
            "subject" => put("subject", self.subject.as_str().into()),
            "failed" => put("failed", true.into()),
            _ => put("from", moment(&self.since, Timestamp::now()).into()),
        }
        if !self.to.is_empty() {
            put("to", number(&self.to));
        }
        if !self.rate.is_empty() && !is_dry {
            put("rate_per_s", number(&self.rate));
        }
        put("dry_run", is_dry.into());
        body.into()
    }

    /// The fields of the form. Where a replay begins is one field of the API and two of the form.
    fn labels(&self) -> &'static Labels {
        if self.what == "after" { &AFTER } else { &SINCE }
    }

    fn path(&self) -> String {
        format!("/v1/subscriptions/{}/replay", link::segment(&self.subscription))
    }
}

/// A number; what is none goes as it is, and the API refuses it by the field's name.
fn number(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}

/// `GET /console/replay?subscription=`
pub(super) async fn show(visitor: Visitor, uri: Uri) -> Answer {
    let wish = Wish {
        subscription: Asked::of(&uri).text("subscription").to_owned(),
        what: "since".to_owned(),
        since: "1h".to_owned(),
        ..Wish::default()
    };
    page(&built(&visitor, wish, None, Trouble::default()).await?)
}

async fn built(visitor: &Visitor, wish: Wish, would: Option<DryRun>, trouble: Trouble) -> Result<ReplayPage, Failure> {
    let api = visitor.api();
    let all: Subscriptions = api.get(&format!("/v1/subscriptions?limit={SUBSCRIPTIONS_ASKED}")).await?;
    let replays = replays(&api, &all.subscriptions, &wish.subscription).await?;
    Ok(ReplayPage {
        shell: visitor.shell(Part::Replay, "Replay"),
        subscriptions: all.subscriptions,
        wish,
        would,
        trouble,
        replays,
        once: random::token(),
    })
}

/// The replays of the subscription `chosen`, or of all where there are few; newest first.
async fn replays(api: &Caller<'_>, all: &[Subscription], chosen: &str) -> Result<Vec<Replay>, Failure> {
    let mut found = Vec::new();
    let wanted = all.iter().filter(|one| chosen.is_empty() || one.id == chosen);
    for one in wanted.take(MANY_SUBSCRIPTIONS) {
        let path = format!("/v1/subscriptions/{}/replays", link::segment(&one.id));
        found.extend(allowed(api.get::<Replays>(&path).await)?.unwrap_or_default().replays);
    }
    // Their ids grow with time.
    found.sort_by(|a, b| b.id.cmp(&a.id));
    Ok(found)
}

/// `POST /console/replay/count`: what it would send, sending nothing.
pub(super) async fn count(Posted { visitor, fields }: Posted) -> Answer {
    let wish = Wish::of(&fields);
    match mendable(visitor.api().post::<DryRun>(&wish.path(), &wish.body(true)).await)? {
        Ok(would) => page(&built(&visitor, wish, Some(would), Trouble::default()).await?),
        Err(problem) => refused(&visitor, wish, &problem).await,
    }
}

/// `POST /console/replay`
pub(super) async fn start(Posted { visitor, fields }: Posted) -> Answer {
    let wish = Wish::of(&fields);
    let started = visitor.api().post_once::<Replay>(&wish.path(), fields.once(), &wish.body(false)).await;
    match mendable(started)? {
        Ok(replay) => {
            visitor.tell(Notice::done("The replay runs. What is new is delivered beside it."));
            onward(&replay.address())
        }
        Err(problem) => refused(&visitor, wish, &problem).await,
    }
}

/// The form once more, with what was typed and what is wrong.
async fn refused(visitor: &Visitor, wish: Wish, problem: &Problem) -> Answer {
    let trouble = Trouble::of(problem, wish.labels());
    with_status(StatusCode::UNPROCESSABLE_ENTITY, &built(visitor, wish, None, trouble).await?)
}

fn api_path(id: &str, replay: &str) -> String {
    format!("/v1/subscriptions/{}/replays/{}", link::segment(id), link::segment(replay))
}

/// `GET /console/subscriptions/{id}/replays/{replay}`
pub(super) async fn progress(visitor: Visitor, Path((id, replay)): Path<(String, String)>) -> Answer {
    let replay = visitor.api().get::<Replay>(&api_path(&id, &replay)).await?;
    let shell = visitor.shell(Part::Replay, format!("Replay {}", replay.id));
    let shell = shell.looking_again(replay.is_running().then_some(LOOK_S));
    page(&ProgressPage { shell, replay })
}

/// `POST /console/subscriptions/{id}/replays/{replay}/cancel`
pub(super) async fn cancel(Path((id, replay)): Path<(String, String)>, Posted { visitor, .. }: Posted) -> Answer {
    let path = format!("{}/cancel", api_path(&id, &replay));
    let stands = visitor.api().post::<Replay>(&path, &Value::Object(Map::new())).await?;
    let notice = match stands.state.as_str() {
        "cancelled" => Notice::done("Cancelled: what is in flight finishes, the rest is not sent."),
        _ => Notice::error("It was over already."),
    };
    visitor.tell(notice);
    onward(&stands.address())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wish_says_what_is_chosen_and_nothing_else() {
        let wish = |what: &str| Wish {
            what: what.to_owned(),
            since: "2026-04-02T09:14:00Z".to_owned(),
            after: "5".to_owned(),
            subject: "report/R1".to_owned(),
            rate: "50".to_owned(),
            ..Wish::default()
        };
        assert_eq!(wish("since").body(true), json!({"from": "2026-04-02T09:14:00Z", "dry_run": true}));
        assert_eq!(wish("after").body(false), json!({"from": 5, "rate_per_s": 50, "dry_run": false}));
        assert_eq!(wish("subject").body(true), json!({"subject": "report/R1", "dry_run": true}));
        assert_eq!(wish("failed").body(true), json!({"failed": true, "dry_run": true}));
        assert_eq!(Wish { to: "x".to_owned(), ..wish("beginning") }.body(true)["to"], json!("x"));
    }
}
