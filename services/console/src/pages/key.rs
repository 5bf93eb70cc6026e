//! One key: what it allows, what belongs to it, and its end.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;

use super::{Answer, allowed, mendable, onward, page};
use crate::{
    config::SUBSCRIPTIONS_ASKED,
    failure::Failure,
    form::Posted,
    link,
    model::{
        key::{self, Key},
        subscription::{Subscription, Subscriptions},
    },
    session::Notice,
    shell::{Part, Shell},
    visitor::Visitor,
};

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage {
    shell: Shell,
    key: Arc<Key>,
    /// Those that belong to it, as far as they may be seen.
    owned: Vec<Subscription>,
    /// Whether it is the one that is signed in with.
    is_own: bool,
    /// Whether all that belongs to it is seen.
    is_all: bool,
}

impl KeyPage {
    /// Whether it can be ended from here.
    fn can_end(&self) -> bool {
        self.shell.may("keys:write") && !self.is_own && !self.key.is_configured()
    }
}

fn api_path(id: &str) -> String {
    format!("/v1/keys/{}", link::segment(id))
}

/// `GET /console/keys/{id}`
pub(super) async fn show(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let api = visitor.api();
    let own = visitor.session.own();
    let is_own = id == own.id;
    // A key may know itself, also one that may see no keys.
    let key = if is_own { Arc::clone(own) } else { Arc::new(api.get::<Key>(&api_path(&id)).await?) };
    let all = allowed(api.get::<Subscriptions>(&format!("/v1/subscriptions?limit={SUBSCRIPTIONS_ASKED}")).await)?;
    let is_all = own.is_everything() && all.as_ref().is_some_and(|all| all.next.is_none());
    let mut owned = all.unwrap_or_default().subscriptions;
    owned.retain(|one| one.owner.as_deref() == Some(&key.id));
    let shell = visitor.shell(Part::System, format!("Key {}", key.name()));
    page(&KeyPage { shell, key, owned, is_own, is_all })
}

/// `POST /console/keys/{id}/delete`: it opens nothing from then on.
pub(super) async fn delete(Path(id): Path<String>, Posted { visitor, fields }: Posted) -> Answer {
    let back = key::address(&id);
    if !fields.is_ticked("sure") {
        visitor.tell(Notice::error("Nothing was deleted: tick the box that says you are sure."));
        return onward(&back);
    }
    let path = link::with_query(&api_path(&id), &[("subscriptions", fields.text("subscriptions"))]);
    let deleted: Result<(), Failure> = visitor.api().delete(&path).await;
    if let Err(problem) = mendable(deleted)? {
        visitor.tell(Notice::error(problem.sentence()));
        return onward(&back);
    }
    visitor.tell(Notice::done(format!("{id} is deleted. It opens nothing any more, here or anywhere.")));
    onward("/console/system")
}
