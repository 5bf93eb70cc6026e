//! Making a key. Nothing is allowed that is not named, and nothing is offered that the maker's own key does not allow.

use askama::Template;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Answer, mendable, onward, page, with_status};
use crate::{
    form::{Fields, Posted},
    model::key::{self, CreatedKey},
    random,
    session::Notice,
    shell::{Part, Shell},
    trouble::{Labels, Trouble},
    visitor::Visitor,
};

/// What can be done with a key: the API's word, and ours. A test holds it to what the API knows.
const ACTIONS: &[(&str, &str)] = &[
    ("events:read", "pull, stream and look up events and entities"),
    ("subscriptions:read", "see its own subscriptions"),
    ("subscriptions:write", "make, change, pause, test, sign anew and delete its own subscriptions"),
    ("deliveries:read", "see what failed of its own subscriptions"),
    ("deliveries:retry", "have that sent again, and replay"),
    ("accounts:read", "see how accounts are watched (needs all policies)"),
    ("accounts:act", "have an account read now, release what is withheld (needs all policies)"),
    ("keys:read", "see the keys that it made"),
    ("keys:write", "make keys that reach no further than itself, and delete those"),
    ("log:admin", "prove, export and rebuild the log as a whole (needs to see everything)"),
];

/// Lives to choose from: seconds and words. The first is the one that is proposed.
const LIVES: &[(&str, &str)] = &[
    ("7776000", "in 90 days"),
    ("86400", "in a day"),
    ("2592000", "in 30 days"),
    ("31536000", "in a year"),
    ("never", "never"),
];

const LABELS: &Labels = &[
    ("description", "description", "Description"),
    ("accounts", "accounts", "Accounts"),
    ("policies", "policies", "Policies"),
    ("events", "events", "Events"),
    ("actions", "actions", "Actions"),
    ("expires_in_s", "expires_in_s", "Expires"),
    ("expires_at", "expires_at", "or at"),
    ("rate_per_s", "rate_per_s", "Requests a second"),
];

#[derive(Template)]
#[template(path = "key_form.html")]
struct FormPage {
    shell: Shell,
    values: Values,
    trouble: Trouble,
    once: String,
}

/// What was typed.
#[derive(Default)]
struct Values {
    description: String,
    accounts: String,
    policies: String,
    events: String,
    actions: Vec<String>,
    expires_in: String,
    expires_at: String,
    rate: String,
}

impl Values {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            description: text("description"),
            accounts: fields.words("accounts").join(", "),
            policies: fields.words("policies").join(", "),
            events: fields.words("events").join(", "),
            actions: fields.all("actions").map(str::to_owned).collect(),
            expires_in: text("expires_in_s"),
            expires_at: text("expires_at"),
            rate: text("rate_per_s"),
        }
    }
}

impl FormPage {
    fn of(visitor: &Visitor, values: Values, trouble: Trouble) -> Self {
        Self { shell: visitor.shell(Part::System, "New key"), values, trouble, once: random::token() }
    }

    /// The actions that the maker has to give: word, meaning, whether it is ticked.
    fn actions(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        let own = ACTIONS.iter().filter(|(action, _)| self.shell.own.as_ref().is_some_and(|own| own.names(action)));
        own.map(|(action, meaning)| (*action, *meaning, self.has(action)))
    }

    fn has(&self, action: &str) -> bool {
        self.values.actions.iter().any(|one| one == action)
    }

    /// Whether the maker may give everything that there is and will be.
    fn gives_all(&self) -> bool {
        self.shell.own.as_ref().is_some_and(|own| own.names("*"))
    }

    fn lives(&self) -> &'static [(&'static str, &'static str)] {
        LIVES
    }
}

/// `GET /console/keys/new`
pub(super) async fn show(visitor: Visitor) -> Answer {
    page(&FormPage::of(&visitor, Values::default(), Trouble::default()))
}

/// `POST /console/keys`
pub(super) async fn create(Posted { visitor, fields }: Posted) -> Answer {
    let made = visitor.api().post_once::<CreatedKey>("/v1/keys", fields.once(), &body(&fields)).await;
    match mendable(made)? {
        Ok(made) => {
            let text = "The key is made. Copy it now: it is not shown again. Whoever has it can do what it allows, so keep it \
                        where you keep secrets, and delete it here when it is not used any more.";
            visitor.tell(Notice { secret: made.key, ..Notice::done(text) });
            // Who may make keys and not see them has no page of the key.
            onward(&if visitor.may("keys:read") { key::address(&made.id) } else { "/console/system".to_owned() })
        }
        Err(problem) => {
            let again = FormPage::of(&visitor, Values::of(&fields), Trouble::of(&problem, LABELS));
            with_status(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
    }
}

/// The body of the API's request: a list that is empty is not in it.
fn body(fields: &Fields) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    for list in ["accounts", "policies", "events", "actions"] {
        let words = fields.words(list);
        if !words.is_empty() {
            put(list, json!(words));
        }
    }
    let (at, life) = (fields.text("expires_at"), fields.text("expires_in_s"));
    if !at.is_empty() {
        put("expires_at", at.into());
    } else if life != "never" {
        put("expires_in_s", number(life));
    }
    for (name, value) in
        [("description", fields.text("description").into()), ("rate_per_s", number(fields.text("rate_per_s")))]
    {
        if !fields.text(name).is_empty() {
            put(name, value);
        }
    }
    body.into()
}

/// A number; what is none goes as it is, and the API refuses it by the field's name.
fn number(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}
