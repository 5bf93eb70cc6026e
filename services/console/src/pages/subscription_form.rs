//! Making a subscription.

use askama::Template;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Answer, mendable, onward, page, with_status};
use crate::{
    failure::Problem,
    form::{Fields, Posted},
    link,
    model::subscription::Signed,
    random,
    session::Notice,
    shell::{Part, Shell},
    visitor::Visitor,
};

#[derive(Template)]
#[template(path = "subscription_form.html")]
struct FormPage {
    shell: Shell,
    values: Values,
    problem: Option<Box<Problem>>,
    once: String,
}

/// What was typed, for a form that is shown once more. Values of headers may be secrets and are not.
struct Values {
    url: String,
    events: String,
    accounts: String,
    policies: String,
    from: String,
    format: String,
    ordering: String,
    rate: String,
    description: String,
    ed25519: bool,
    challenge: bool,
}

impl Values {
    fn first() -> Self {
        let empty = String::new;
        Self {
            url: empty(),
            events: "report.*".to_owned(),
            accounts: empty(),
            policies: empty(),
            from: "now".to_owned(),
            format: "standard".to_owned(),
            ordering: "entity".to_owned(),
            rate: empty(),
            description: empty(),
            ed25519: false,
            challenge: false,
        }
    }

    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            url: text("url"),
            events: fields.words("events").join("\n"),
            accounts: text("accounts"),
            policies: text("policies"),
            from: text("from"),
            format: text("format"),
            ordering: text("ordering"),
            rate: text("rate_per_s"),
            description: text("description"),
            ed25519: fields.is_ticked("ed25519"),
            challenge: fields.is_ticked("challenge"),
        }
    }
}

/// `GET /console/subscriptions/new`
pub(super) async fn show(visitor: Visitor) -> Answer {
    let shell = visitor.shell(Part::Subscriptions, "New subscription");
    page(&FormPage { shell, values: Values::first(), problem: None, once: random::token() })
}

/// `POST /console/subscriptions`
pub(super) async fn create(Posted { visitor, fields }: Posted) -> Answer {
    let made = mendable(visitor.api().post_once::<Signed>("/v1/subscriptions", fields.once(), &body(&fields)).await)?;
    let problem = match made {
        Ok(made) => {
            let text = "The subscription is made. This is its signing secret; it is shown this once. \
                        Your receiver verifies deliveries with it.";
            visitor.tell(Notice { secret: made.secret, ..Notice::done(text) });
            return onward(&format!("/console/subscriptions/{}", link::segment(&made.id)));
        }
        Err(problem) => problem,
    };
    let shell = visitor.shell(Part::Subscriptions, "New subscription");
    let values = Values::of(&fields);
    // What was refused under one sending is refused again: the next one is another.
    let again = FormPage { shell, values, problem: Some(problem), once: random::token() };
    with_status(StatusCode::UNPROCESSABLE_ENTITY, &again)
}

/// The body of the API's request: what was left empty is left to its default.
fn body(fields: &Fields) -> Value {
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
            body.insert(word.to_owned(), number_or_text(word, text));
        }
    }
    for flag in ["ed25519", "challenge"] {
        if fields.is_ticked(flag) {
            body.insert(flag.to_owned(), true.into());
        }
    }
    let headers = headers(fields.text("headers"));
    if !headers.is_empty() {
        body.insert("headers".to_owned(), headers.into());
    }
    body.into()
}

/// A description of digits is a text.
fn number_or_text(name: &str, text: &str) -> Value {
    let number = text.parse::<u64>().ok().filter(|_| name != "description");
    number.map_or_else(|| text.into(), Value::from)
}

/// Lines of `Name: value`. A line without a colon is a name without a value, which the API refuses by its name.
fn headers(text: &str) -> Map<String, Value> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let pairs = lines.map(|line| line.split_once(':').unwrap_or((line, "")));
    pairs.map(|(name, value)| (name.trim().to_owned(), json!(value.trim()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_lines_and_a_description_of_digits_is_a_text() {
        let read = headers("X-Team: ap\r\n\r\nAuthorization: Basic a:b\nnone");
        assert_eq!(Value::from(read), json!({"X-Team": "ap", "Authorization": "Basic a:b", "none": ""}));
        assert_eq!((number_or_text("from", "12"), number_or_text("from", "now")), (json!(12), json!("now")));
        assert_eq!(number_or_text("description", "12"), json!("12"));
    }
}
