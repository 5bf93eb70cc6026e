//! What the log says of an entity now, and what it went through.

use askama::Template;
use http::Uri;

use super::{
    Answer, Asked,
    events::{Filter, newest},
    page,
};
use crate::{
    failure::Failure,
    link,
    model::event::{Entity, Row},
    shell::{Part, Shell},
    visitor::Visitor,
};

#[derive(Template)]
#[template(path = "entity.html")]
struct EntityPage {
    shell: Shell,
    entity: Entity,
    history: Vec<Row>,
    /// All of its history, where that is longer than what is shown.
    all: String,
}

/// `GET /console/entity?account=&subject=`
pub(super) async fn show(visitor: Visitor, uri: Uri) -> Answer {
    let asked = Asked::of(&uri);
    let (account, subject, api) = (asked.text("account"), asked.text("subject"), visitor.api());
    let (kind, id) = subject.split_once('/').ok_or(Failure::NoPage)?;
    let path = format!("/v1/entities/{}/{}", link::segment(kind), link::segment(id));
    let entity = api.get::<Entity>(&link::with_query(&path, &[("account", account)])).await?;
    let filter = Filter { account: entity.account.clone(), subject: entity.subject.clone(), ..Filter::default() };
    let found = newest::found(&api, &filter, None).await?;
    let pairs = [("account", account), ("subject", subject)];
    page(&EntityPage {
        shell: visitor.shell(Part::Events, subject),
        entity,
        history: found.rows,
        all: link::with_query("/console/events", &pairs),
    })
}
