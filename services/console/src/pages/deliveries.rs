//! What failed to be delivered, attempt by attempt, and sending it again.

use askama::Template;
use axum::extract::Path;
use http::Uri;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Asked, allowed, mendable, onward, page, subscriptions::worst_first};
use crate::{
    api::Caller,
    config::{ROWS_SHOWN, SUBSCRIPTIONS_ASKED},
    failure::Failure,
    form::Posted,
    link,
    model::{
        delivery::{Deliveries, Delivery},
        subscription::{Subscription, Subscriptions},
    },
    session::Notice,
    shell::{Part, Shell},
    visitor::Visitor,
};

/// Subscriptions whose deliveries are shown together, and how many of each.
const MANY_SUBSCRIPTIONS: usize = 10;
const OF_EACH: usize = 10;

/// How often the page of a delivery looks again while it is not done.
const LOOK_S: u32 = 5;

#[derive(Template)]
#[template(path = "deliveries.html")]
struct List {
    shell: Shell,
    subscriptions: Vec<Subscription>,
    /// The subscription that was chosen; empty for those that have something.
    chosen: String,
    state: String,
    groups: Vec<Group>,
    /// The next page, of one subscription.
    next: Option<String>,
    /// Whether the key may not see subscriptions, by which deliveries are found.
    is_blind: bool,
}

struct Group {
    subscription: Subscription,
    deliveries: Vec<Delivery>,
    /// Whether it has more than are shown.
    is_cut: bool,
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPage {
    shell: Shell,
    delivery: Delivery,
}

/// The states that a choice stands for.
fn states(choice: &str) -> &'static str {
    match choice {
        "dead" => "state=dead",
        "due" => "state=due&state=waiting",
        "done" => "state=done",
        _ => "state=due&state=waiting&state=dead",
    }
}

/// `GET /console/deliveries?subscription=&state=&cursor=`
pub(super) async fn list(visitor: Visitor, uri: Uri) -> Answer {
    let (asked, api) = (Asked::of(&uri), visitor.api());
    let (chosen, state) = (asked.text("subscription").to_owned(), asked.text("state").to_owned());
    let all = allowed(api.get::<Subscriptions>(&format!("/v1/subscriptions?limit={SUBSCRIPTIONS_ASKED}")).await)?;
    let is_blind = all.is_none();
    let subscriptions = worst_first(all.unwrap_or_default()).subscriptions;
    let (mut groups, mut next) = (Vec::new(), None);
    if chosen.is_empty() {
        for one in subscriptions.iter().filter(|one| state == "done" || one.pending + one.dead_letters > 0) {
            if groups.len() == MANY_SUBSCRIPTIONS {
                break;
            }
            let group = group(&api, &one.id, &state, "", OF_EACH).await?.0;
            groups.extend(Some(group).filter(|group| !group.deliveries.is_empty()));
        }
    } else {
        let (group, cursor) = group(&api, &chosen, &state, asked.text("cursor"), ROWS_SHOWN).await?;
        next = cursor.map(|cursor| {
            let pairs = [("subscription", &*chosen), ("state", &*state), ("cursor", &*cursor)];
            link::with_query("/console/deliveries", &pairs)
        });
        groups.push(group);
    }
    let shell = visitor.shell(Part::Deliveries, "Deliveries");
    page(&List { shell, subscriptions, chosen, state, groups, next, is_blind })
}

async fn group(
    api: &Caller<'_>,
    id: &str,
    state: &str,
    cursor: &str,
    most: usize,
) -> Result<(Group, Option<String>), Failure> {
    let path = format!("/v1/subscriptions/{}", link::segment(id));
    let cursor = if cursor.is_empty() { String::new() } else { format!("&cursor={}", link::segment(cursor)) };
    let subscription = api.get::<Subscription>(&path).await?;
    let found: Deliveries = api.get(&format!("{path}/deliveries?{}&limit={most}{cursor}", states(state))).await?;
    let group = Group { subscription, is_cut: found.next.is_some(), deliveries: found.deliveries };
    Ok((group, found.next))
}

/// `GET /console/deliveries/{id}`
pub(super) async fn show(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let delivery = visitor.api().get::<Delivery>(&format!("/v1/deliveries/{}", link::segment(&id))).await?;
    let is_open = matches!(delivery.state.as_str(), "due" | "waiting");
    let shell = visitor.shell(Part::Deliveries, format!("Delivery {}", delivery.id));
    let shell = shell.looking_again(is_open.then_some(LOOK_S));
    page(&DeliveryPage { shell, delivery })
}

/// `POST /console/deliveries/{id}/retry`
pub(super) async fn retry(Path(id): Path<String>, Posted { visitor, .. }: Posted) -> Answer {
    let path = format!("/v1/deliveries/{}/retry", link::segment(&id));
    let notice = match mendable(visitor.api().post::<Delivery>(&path, &json!({})).await)? {
        Ok(_) => Notice::done("It is in line, ahead of its schedule."),
        Err(problem) => Notice::error(problem.sentence()),
    };
    visitor.tell(notice);
    onward(&format!("/console/deliveries/{}", link::segment(&id)))
}

#[derive(Deserialize)]
struct Retried {
    retried: u64,
}

/// `POST /console/subscriptions/{id}/retry`: all that was given up.
pub(super) async fn retry_all(Path(id): Path<String>, Posted { visitor, .. }: Posted) -> Answer {
    let path = format!("/v1/subscriptions/{}/deliveries/retry", link::segment(&id));
    let notice = match mendable(visitor.api().post::<Retried>(&path, &json!({})).await)? {
        Ok(Retried { retried: 0 }) => Notice::done("Nothing was given up; there is nothing to retry."),
        Ok(Retried { retried: 1 }) => Notice::done("1 delivery is in line again."),
        Ok(Retried { retried }) => Notice::done(format!("{retried} deliveries are in line again.")),
        Err(problem) => Notice::error(problem.sentence()),
    };
    visitor.tell(notice);
    onward(&link::with_query("/console/deliveries", &[("subscription", &id)]))
}
