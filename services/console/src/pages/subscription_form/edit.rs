//! Changing a subscription.
//!
//! The form carries how the subscription stood when it was shown. Only what differs from that is sent, so what somebody else
//! changed meanwhile in another field stays theirs; where both changed the same field, the form comes back and says so. The API
//! has no `If-Match`: who changes the same field in the instant between our look and our change is written over.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::Path;
use http::StatusCode;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{
    headers::Lines,
    values::{CHANGEABLE, LABELS, Values},
};
use crate::{
    config::ROWS_SHOWN,
    failure::Failure,
    form::{Fields, Posted},
    link,
    model::{
        key::{Key, Keys},
        subscription::Subscription,
    },
    pages::{Answer, allowed, mendable, onward, page, with_status},
    session::Notice,
    shell::{Part, Shell},
    trouble::{Trouble, Wrong},
    visitor::Visitor,
};

/// The field that has how the subscription stood.
const SEEN: &str = "seen";
/// The field that has names of headers to take away.
const GONE: &str = "headers_gone";

#[derive(Template)]
#[template(path = "subscription_edit.html")]
struct EditPage {
    shell: Shell,
    sub: Subscription,
    values: Values,
    seen: String,
    headers: String,
    gone: Vec<String>,
    /// Those that it may be given to; none for who may not give it away.
    owners: Option<Vec<Key>>,
    trouble: Trouble,
}

impl EditPage {
    /// Whether the header `name` was ticked to be taken away.
    fn goes(&self, name: &str) -> bool {
        self.gone.iter().any(|one| one == name)
    }
}

/// What comes of a form, held against how the subscription stands.
#[derive(Debug, PartialEq, Eq)]
struct Merge {
    /// What the form shows if it comes back: what was typed where something was, else how it stands.
    values: Values,
    changed: Vec<&'static str>,
    /// Those of them that somebody else changed meanwhile, and otherwise.
    contested: Vec<&'static str>,
}

impl Merge {
    /// Of `typed`, which was `seen` before, and stands as `now`.
    fn of(names: &[&'static str], seen: &Values, typed: &Values, now: &Values) -> Self {
        let changed = names.iter().copied().filter(|name| typed.text(name) != seen.text(name));
        let changed: Vec<_> = changed.filter(|name| typed.text(name) != now.text(name)).collect();
        let contested = changed.iter().copied().filter(|name| now.text(name) != seen.text(name)).collect();
        let mut values = now.clone();
        for name in &changed {
            values.0.insert((*name).to_owned(), typed.text(name).to_owned());
        }
        Self { values, changed, contested }
    }
}

fn api_path(id: &str) -> String {
    format!("/v1/subscriptions/{}", link::segment(id))
}

/// `GET /console/subscriptions/{id}/edit`
pub(in crate::pages) async fn show(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let sub = visitor.api().get::<Subscription>(&api_path(&id)).await?;
    let values = Values::standing(&sub);
    page(&built(&visitor, sub, values, &[], String::new(), Trouble::default()).await?)
}

async fn built(
    visitor: &Visitor,
    sub: Subscription,
    values: Values,
    gone: &[&str],
    headers: String,
    trouble: Trouble,
) -> Result<EditPage, Failure> {
    let owners = match visitor.session.own().is_everything() {
        true => {
            allowed(visitor.api().get::<Keys>(&format!("/v1/keys?limit={ROWS_SHOWN}")).await)?.map(|keys| keys.keys)
        }
        false => None,
    };
    // Texts always go into JSON.
    let seen = serde_json::to_string(&Values::standing(&sub).0).unwrap_or_default();
    let shell = visitor.shell(Part::Subscriptions, "Edit subscription");
    let gone = gone.iter().map(|name| (*name).to_owned()).collect();
    Ok(EditPage { shell, sub, values, seen, headers, gone, owners, trouble })
}

/// `POST /console/subscriptions/{id}/edit`
pub(in crate::pages) async fn save(Path(id): Path<String>, Posted { visitor, fields }: Posted) -> Answer {
    let sub = visitor.api().get::<Subscription>(&api_path(&id)).await?;
    let now = Values::standing(&sub);
    let may_give = visitor.session.own().is_everything();
    let names: Vec<_> = CHANGEABLE.into_iter().filter(|name| *name != "owner" || may_give).collect();
    let merge = Merge::of(&names, &seen(&fields).unwrap_or_else(|| now.clone()), &Values::of(&fields), &now);
    let (lines, gone) = (Lines::read(fields.text("headers")), fields.all(GONE).collect::<Vec<_>>());
    let (status, trouble) = match change(&merge, &gone, &lines) {
        _ if !merge.contested.is_empty() => (StatusCode::CONFLICT, contested(&merge, &now)),
        Err(trouble) => (StatusCode::UNPROCESSABLE_ENTITY, trouble),
        Ok(body) if body.is_empty() => {
            visitor.tell(Notice::done("Nothing was changed."));
            return onward(&sub.address());
        }
        Ok(body) => match mendable(visitor.api().patch::<IgnoredAny>(&api_path(&id), &body.into()).await)? {
            Ok(IgnoredAny) => {
                visitor.tell(Notice::done(told(&merge.changed, !gone.is_empty() || !lines.is_empty())));
                return onward(&sub.address());
            }
            Err(problem) => (StatusCode::UNPROCESSABLE_ENTITY, Trouble::of(&problem, LABELS)),
        },
    };
    with_status(status, &built(&visitor, sub, merge.values, &gone, lines.names(), trouble).await?)
}

/// How the subscription stood when the form was shown.
fn seen(fields: &Fields) -> Option<Values> {
    serde_json::from_str::<BTreeMap<String, String>>(fields.text(SEEN)).ok().map(Values)
}

/// The body of the API's request: what is changed, and nothing else.
fn change(merge: &Merge, gone: &[&str], lines: &Lines<'_>) -> Result<Map<String, Value>, Trouble> {
    let of = |name: &&str| ((*name).to_owned(), merge.values.wanted(name));
    let mut body: Map<_, _> = merge.changed.iter().map(of).collect();
    let mut headers: Map<_, _> = gone.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    headers.extend(lines.set()?);
    if !headers.is_empty() {
        body.insert("headers".to_owned(), headers.into());
    }
    Ok(body)
}

/// What both changed, and how it is now.
fn contested(merge: &Merge, now: &Values) -> Trouble {
    let labelled = LABELS.iter().filter(|(name, ..)| merge.contested.contains(name));
    let wrong = |(name, field, label): &(&str, &'static str, &str)| {
        let stands = match now.text(name) {
            "" => "empty".to_owned(),
            text => format!("“{}”", text.replace('\n', ", ")),
        };
        let detail = format!("is {stands} now. What you typed is still here; save again to replace it");
        Wrong { field, label: (*label).to_owned(), part: String::new(), detail }
    };
    Trouble::found("Somebody else changed it while you did", labelled.map(wrong).collect())
}

/// What was saved.
fn told(changed: &[&str], has_headers: bool) -> String {
    let labels = LABELS.iter().filter(|(name, ..)| changed.contains(name) || *name == "headers" && has_headers);
    format!("Saved: {}.", labels.map(|(_, _, label)| *label).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["url", "events", "description"];

    fn values(url: &str, events: &str, description: &str) -> Values {
        let texts = [("url", url), ("events", events), ("description", description)];
        Values(texts.map(|(name, text)| (name.to_owned(), text.to_owned())).into())
    }

    #[test]
    fn what_others_changed_elsewhere_stays_and_what_both_changed_is_contested() {
        let seen = values("a", "x", "one");
        let merge = Merge::of(NAMES, &seen, &values("b", "x", "two"), &values("a", "y", "three"));
        assert_eq!(merge.changed, ["url", "description"]);
        assert_eq!(merge.contested, ["description"]);
        assert_eq!(merge.values, values("b", "y", "two"), "events is theirs");
    }

    #[test]
    fn the_same_change_twice_is_none() {
        let seen = values("a", "x", "one");
        let merge = Merge::of(NAMES, &seen, &values("b", "x", "one"), &values("b", "x", "one"));
        assert_eq!((merge.changed.len(), merge.contested.len()), (0, 0));
    }

    #[test]
    fn a_change_names_what_changed_and_the_headers_that_go() {
        let seen = values("a", "x", "one");
        let merge = Merge::of(NAMES, &seen, &values("a", "x", ""), &seen);
        let body = change(&merge, &["x-old"], &Lines::read("X-New: 1")).expect("a body");
        let wanted = serde_json::json!({"description": null, "headers": {"x-old": null, "X-New": "1"}});
        assert_eq!(Value::from(body), wanted);
        assert_eq!(told(&merge.changed, true), "Saved: Description, Headers.");
    }
}
