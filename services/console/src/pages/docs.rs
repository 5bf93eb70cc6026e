//! The documentation, for whoever is signed in or not yet.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use http::HeaderMap;
use tokio::time::Instant;

use super::{Answer, page};
use crate::{
    cookie, docs,
    failure::Failure,
    shell::{Part, Shell},
    state::Console,
};

#[derive(Template)]
#[template(path = "docs.html")]
struct List {
    shell: Shell,
    /// Address and title.
    pages: Vec<(String, &'static str)>,
}

#[derive(Template)]
#[template(path = "doc.html")]
struct DocPage {
    shell: Shell,
    title: &'static str,
    html: String,
}

/// `GET /console/docs`
pub(super) async fn list(State(console): State<Arc<Console>>, headers: HeaderMap) -> Answer {
    let pages = console.docs.iter();
    let pages = pages.map(|(name, text)| (format!("{}/{name}", docs::ADDRESS), docs::title(text).0)).collect();
    page(&List { shell: shell(&console, &headers, "Documentation"), pages })
}

/// `GET /console/docs/{page}`
pub(super) async fn show(State(console): State<Arc<Console>>, headers: HeaderMap, Path(name): Path<String>) -> Answer {
    let (_, text) = console.docs.iter().find(|(known, _)| *known == name).ok_or(Failure::NoPage)?;
    let (title, rest) = docs::title(text);
    page(&DocPage { shell: shell(&console, &headers, title), title, html: docs::html(rest) })
}

fn shell(console: &Console, headers: &HeaderMap, title: &str) -> Shell {
    let session = cookie::SESSION.of(headers).and_then(|id| console.sessions.used(id, Instant::now()));
    match session {
        Some(session) => Shell::of(&session, Part::Docs, title),
        None => Shell::outside(title),
    }
}
