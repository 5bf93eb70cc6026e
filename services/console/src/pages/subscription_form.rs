//! The form of a subscription: making one. Changing one is in `edit`.

use askama::Template;
use http::StatusCode;
use serde_json::{Map, Value};

use self::{
    headers::Lines,
    values::{LABELS, Values},
};
use super::{Answer, mendable, onward, page, with_status};
use crate::{
    form::{Fields, Posted},
    link,
    model::subscription::Signed,
    random,
    session::Notice,
    shell::{Part, Shell},
    trouble::Trouble,
    visitor::Visitor,
};

pub(super) mod edit;
mod headers;
mod values;

#[derive(Template)]
#[template(path = "subscription_form.html")]
struct FormPage {
    shell: Shell,
    values: Values,
    /// Names of headers that were typed. Their values may be secrets and do not come back.
    headers: String,
    trouble: Trouble,
    once: String,
}

/// `GET /console/subscriptions/new`
pub(super) async fn show(visitor: Visitor) -> Answer {
    page(&built(&visitor, Values::first(), String::new(), Trouble::default()))
}

fn built(visitor: &Visitor, values: Values, headers: String, trouble: Trouble) -> FormPage {
    let shell = visitor.shell(Part::Subscriptions, "New subscription");
    // What was refused under one sending is refused again: the next one is another.
    FormPage { shell, values, headers, trouble, once: random::token() }
}

/// `POST /console/subscriptions`
pub(super) async fn create(Posted { visitor, fields }: Posted) -> Answer {
    let lines = Lines::read(fields.text("headers"));
    let again = |trouble| {
        let page = built(&visitor, Values::of(&fields), lines.names(), trouble);
        with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
    };
    let body = match body(&fields, &lines) {
        Ok(body) => body,
        Err(trouble) => return again(trouble),
    };
    let made = visitor.api().post_once::<Signed>("/v1/subscriptions", fields.once(), &body).await;
    match mendable(made)? {
        Ok(made) => {
            let text = "The subscription is made. This is its signing secret, with which your receiver verifies deliveries. \
                        Copy it now: it is not shown again.";
            visitor.tell(Notice { secret: made.secret, ..Notice::done(text) });
            onward(&format!("/console/subscriptions/{}", link::segment(&made.id)))
        }
        Err(problem) => again(Trouble::of(&problem, LABELS)),
    }
}

/// The body of the API's request: what was left empty is left to its default.
fn body(fields: &Fields, lines: &Lines<'_>) -> Result<Value, Trouble> {
    let mut body = Map::new();
    body.insert("url".to_owned(), fields.text("url").into());
    body.insert("events".to_owned(), fields.words("events").into());
    for list in ["accounts", "policies"] {
        let words = fields.words(list);
        if !words.is_empty() {
            body.insert(list.to_owned(), words.into());
        }
    }
    for word in ["from", "format", "ordering", "description", "rate_per_s"] {
        let text = fields.text(word);
        if !text.is_empty() {
            body.insert(word.to_owned(), values::number_or_text(word, text));
        }
    }
    for flag in ["ed25519", "challenge"] {
        if fields.is_ticked(flag) {
            body.insert(flag.to_owned(), true.into());
        }
    }
    let headers = lines.set()?;
    if !headers.is_empty() {
        body.insert("headers".to_owned(), headers.into());
    }
    Ok(body.into())
}
