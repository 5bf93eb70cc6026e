//! The types of events.

use askama::Template;
use axum::extract::Path;

use super::{Answer, page};
use crate::{
    link,
    model::event::{Catalogue, Entry, FullEntry, kind},
    shell::{Part, Shell},
    visitor::Visitor,
};

#[derive(Template)]
#[template(path = "catalogue.html")]
struct List {
    shell: Shell,
    types: Vec<Entry>,
}

#[derive(Template)]
#[template(path = "event_type.html")]
struct TypePage {
    shell: Shell,
    full: FullEntry,
    /// The events of this type.
    events: String,
}

impl Entry {
    pub fn address(&self) -> String {
        format!("/console/catalogue/{}", link::segment(&self.event_type))
    }

    /// The class of its mark.
    pub fn tone(&self) -> &str {
        kind(&self.event_type)
    }
}

/// `GET /console/catalogue`
pub(super) async fn list(visitor: Visitor) -> Answer {
    let types = visitor.api().get::<Catalogue>("/v1/event-types").await?.event_types;
    page(&List { shell: visitor.shell(Part::Catalogue, "Catalogue"), types })
}

/// `GET /console/catalogue/{type}`
pub(super) async fn show(visitor: Visitor, Path(name): Path<String>) -> Answer {
    let full = visitor.api().get::<FullEntry>(&format!("/v1/event-types/{}", link::segment(&name))).await?;
    let shell = visitor.shell(Part::Catalogue, full.entry.event_type.clone());
    let events = link::with_query("/console/events", &[("type", &full.entry.event_type)]);
    page(&TypePage { shell, full, events })
}
