//! The fields of a subscription as texts: what a form shows, and what comes back from it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{form::Fields, model::subscription::Subscription, trouble::Labels};

/// The fields of the form, for telling what is wrong.
pub(super) const LABELS: &Labels = &[
    ("url", "url", "URL"),
    ("events", "events", "Events"),
    ("description", "description", "Description"),
    ("from", "from", "Begin with"),
    ("accounts", "accounts", "Accounts"),
    ("policies", "policies", "Policies"),
    ("format", "format", "Format"),
    ("ordering", "ordering", "What waits behind a failure"),
    ("rate_per_s", "rate_per_s", "Deliveries a second"),
    ("headers", "headers", "Headers"),
    ("ed25519", "ed25519", "Sign with ed25519"),
    ("challenge", "challenge", "Ask the URL first"),
    ("owner", "owner", "Owner"),
];

/// The fields that can be changed, as they are called by the API.
pub(super) const CHANGEABLE: [&str; 10] =
    ["url", "events", "accounts", "policies", "ordering", "rate_per_s", "description", "ed25519", "challenge", "owner"];

/// What a ticked box is.
const TICKED: &str = "yes";

/// The text of each field, by the API's name; without one it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values(pub BTreeMap<String, String>);

impl Values {
    /// Those of a new form.
    pub fn first() -> Self {
        let texts = [("events", "report.*"), ("from", "now"), ("format", "standard"), ("ordering", "entity")];
        Self(texts.map(|(name, text)| (name.to_owned(), text.to_owned())).into())
    }

    /// What was typed.
    pub fn of(fields: &Fields) -> Self {
        let text = |name: &str| match name {
            "events" => fields.words(name).join("\n"),
            "accounts" | "policies" => fields.words(name).join(", "),
            _ => fields.text(name).to_owned(),
        };
        let names = LABELS.iter().map(|(name, ..)| *name).filter(|name| *name != "headers");
        Self(names.map(|name| (name.to_owned(), text(name))).collect())
    }

    /// How a subscription stands, in the texts that a form without a change sends back.
    pub fn standing(sub: &Subscription) -> Self {
        let ticked = |is_on: bool| if is_on { TICKED.to_owned() } else { String::new() };
        let texts = [
            ("url", sub.url.clone()),
            ("events", sub.events.join("\n")),
            ("accounts", listed(&sub.accounts)),
            ("policies", listed(&sub.policies)),
            ("format", sub.format.clone()),
            ("ordering", sub.ordering.clone()),
            ("rate_per_s", sub.rate_per_s.map(|rate| rate.to_string()).unwrap_or_default()),
            ("description", line(sub.description.as_deref().unwrap_or_default())),
            ("ed25519", ticked(sub.ed25519)),
            ("challenge", ticked(sub.challenge)),
            ("owner", sub.owner.clone().unwrap_or_default()),
        ];
        Self(texts.map(|(name, text)| (name.to_owned(), text)).into())
    }

    /// The text of the field `name`.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub fn is_ticked(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// The field `name` as a change of it is written (RFC 7396): empty is the default again.
    pub fn wanted(&self, name: &str) -> Value {
        let text = self.text(name);
        match name {
            "events" => text.split_whitespace().collect(),
            "accounts" | "policies" => text.split(", ").filter(|word| !word.is_empty()).collect(),
            "ed25519" | "challenge" => (!text.is_empty()).into(),
            "rate_per_s" | "description" if text.is_empty() => Value::Null,
            _ => number_or_text(name, text),
        }
    }
}

/// Words as they are read back.
fn listed(words: &[String]) -> String {
    let all = words.join(",");
    let words = all.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(", ")
}

/// `text` as an input of one line gives it back.
fn line(text: &str) -> String {
    text.replace(['\r', '\n'], "").trim().to_owned()
}

/// A number where one is meant; what is none goes as it is, and the API refuses it by the field's name.
pub(super) fn number_or_text(name: &str, text: &str) -> Value {
    let is_number = matches!(name, "from" | "rate_per_s");
    let number = text.parse::<u64>().ok().filter(|_| is_number);
    number.map_or_else(|| text.into(), Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(texts: &[(&str, &str)]) -> Values {
        Values(texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_number_is_one_only_where_one_is_meant() {
        assert_eq!((number_or_text("from", "12"), number_or_text("from", "now")), (json!(12), json!("now")));
        assert_eq!((number_or_text("description", "12"), number_or_text("rate_per_s", "x")), (json!("12"), json!("x")));
    }

    #[test]
    fn what_is_left_empty_is_the_default_again() {
        let empty = values(&[]);
        assert_eq!((empty.wanted("rate_per_s"), empty.wanted("description")), (Value::Null, Value::Null));
        assert_eq!((empty.wanted("accounts"), empty.wanted("ed25519")), (json!([]), json!(false)));
        assert_eq!(empty.wanted("url"), json!(""), "which the API refuses");
        let some = values(&[("events", "report.*\ncard.added"), ("policies", "P1, P2"), ("challenge", "yes")]);
        assert_eq!(
            (some.wanted("events"), some.wanted("policies")),
            (json!(["report.*", "card.added"]), json!(["P1", "P2"]))
        );
        assert_eq!(some.wanted("challenge"), json!(true));
    }
}
