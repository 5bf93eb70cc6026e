//! One subscription, and what can be done with it.

use askama::Template;
use axum::extract::Path;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{Answer, allowed, mendable, onward, page};
use crate::{
    failure::Failure,
    form::Posted,
    link,
    model::{
        delivery::Deliveries,
        replay::Replays,
        subscription::{Signed, Subscription},
    },
    random,
    session::Notice,
    shell::{Part, Shell},
    visitor::Visitor,
};

/// Deliveries shown beside it: the first ones; its own page has all.
const DELIVERIES_SHOWN: usize = 8;

/// How often the page looks again while something is on its way.
const LOOK_S: u32 = 5;

#[derive(Template)]
#[template(path = "subscription.html")]
struct SubscriptionPage {
    shell: Shell,
    sub: Subscription,
    deliveries: Option<Deliveries>,
    replays: Option<Replays>,
    once: String,
}

/// `GET /console/subscriptions/{id}`
pub(super) async fn show(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let (api, path) = (visitor.api(), api_path(&id));
    let sub = api.get::<Subscription>(&path).await?;
    let open = format!("{path}/deliveries?state=due&state=waiting&state=dead&limit={DELIVERIES_SHOWN}");
    let deliveries = allowed(api.get(&open).await)?;
    let mut replays: Option<Replays> = allowed(api.get(&format!("{path}/replays")).await)?;
    if let Some(found) = &mut replays {
        found.replays.reverse();
    }
    // A test that was just asked for is on its way for a moment.
    let shell = visitor.shell(Part::Subscriptions, sub.description.clone().unwrap_or_else(|| sub.id.clone()));
    let shell = shell.looking_again((sub.pending > 0).then_some(LOOK_S));
    page(&SubscriptionPage { shell, sub, deliveries, replays, once: random::token() })
}

fn api_path(id: &str) -> String {
    format!("/v1/subscriptions/{}", link::segment(id))
}

/// Does `what` of the subscription `id` and goes back to it, with what came of it said there.
async fn done<T: for<'de> Deserialize<'de>>(
    Posted { visitor, fields }: Posted,
    id: &str,
    what: &str,
    body: &Value,
    told: impl FnOnce(T) -> Notice,
) -> Answer {
    let path = format!("{}/{what}", api_path(id));
    let notice = match mendable(visitor.api().post_once::<T>(&path, fields.once(), body).await)? {
        Ok(answer) => told(answer),
        Err(problem) => Notice::error(problem.sentence()),
    };
    visitor.tell(notice);
    onward(&format!("/console/subscriptions/{}", link::segment(id)))
}

/// `POST /console/subscriptions/{id}/test`
pub(super) async fn test(Path(id): Path<String>, posted: Posted) -> Answer {
    let told = |sent: Test| {
        let id = sent.id;
        Notice::done(format!("A test event is on its way, as {id}. What fails of it is among the deliveries."))
    };
    done(posted, &id, "test", &json!({}), told).await
}

#[derive(Deserialize)]
struct Test {
    id: String,
}

/// `POST /console/subscriptions/{id}/pause`
pub(super) async fn pause(Path(id): Path<String>, posted: Posted) -> Answer {
    let told = |_: IgnoredAny| Notice::done("Paused. Its position stands; nothing is lost.");
    done(posted, &id, "pause", &json!({}), told).await
}

/// `POST /console/subscriptions/{id}/resume`
pub(super) async fn resume(Path(id): Path<String>, posted: Posted) -> Answer {
    let told = |_: IgnoredAny| Notice::done("Resumed. It goes on where it stood.");
    done(posted, &id, "resume", &json!({}), told).await
}

/// `POST /console/subscriptions/{id}/rotate`
pub(super) async fn rotate(Path(id): Path<String>, posted: Posted) -> Answer {
    // What is no number the API refuses by name.
    let overlap = posted.fields.text("overlap_s");
    let overlap = overlap.parse::<u64>().map_or_else(|_| Value::from(overlap), Value::from);
    let told = |signed: Signed| {
        let text = "Deliveries are signed with this secret from now on; it is shown this once. \
                    Until the overlap is over they are signed with the one before as well.";
        Notice { secret: signed.secret, ..Notice::done(text) }
    };
    done(posted, &id, "rotate-secret", &json!({ "overlap_s": overlap }), told).await
}

/// `POST /console/subscriptions/{id}/delete`
pub(super) async fn delete(Path(id): Path<String>, Posted { visitor, fields }: Posted) -> Answer {
    if !fields.is_ticked("sure") {
        visitor.tell(Notice::error("Nothing was deleted: tick the box that says you are sure."));
        return onward(&format!("/console/subscriptions/{}", link::segment(&id)));
    }
    let deleted: Result<(), Failure> = visitor.api().delete(&api_path(&id)).await;
    deleted?;
    visitor.tell(Notice::done(format!("{id} is deleted. Nothing more is sent to it.")));
    onward("/console/subscriptions")
}
