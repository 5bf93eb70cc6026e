//! What is around every page.

use std::sync::Arc;

use crate::{
    assets,
    model::key::Key,
    session::{Notice, Session},
};

/// A part of the console, as the navigation has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Overview,
    Events,
    Subscriptions,
    Deliveries,
    Replay,
    Catalogue,
    Quarantine,
    System,
    Docs,
    /// None of them.
    Nowhere,
}

impl Part {
    /// The navigation, in its order.
    pub const ALL: [(Self, &'static str, &'static str); 9] = [
        (Self::Overview, "/", "Overview"),
        (Self::Events, "/console/events", "Events"),
        (Self::Subscriptions, "/console/subscriptions", "Subscriptions"),
        (Self::Deliveries, "/console/deliveries", "Deliveries"),
        (Self::Replay, "/console/replay", "Replay"),
        (Self::Catalogue, "/console/catalogue", "Catalogue"),
        (Self::Quarantine, "/console/quarantine", "Quarantine"),
        (Self::System, "/console/system", "System"),
        (Self::Docs, "/console/docs", "Documentation"),
    ];
}

/// The frame of one page.
pub(crate) struct Shell {
    pub title: String,
    pub part: Part,
    /// The session's token for forms; empty for who is not signed in.
    pub csrf: String,
    pub notice: Option<Notice>,
    /// The key of the session; none for who is not signed in.
    pub own: Option<Arc<Key>>,
    refresh_s: Option<u32>,
}

impl Shell {
    /// For somebody who is signed in.
    pub fn of(session: &Session, part: Part, title: impl Into<String>) -> Self {
        let (csrf, own) = (session.csrf().to_owned(), Some(Arc::clone(session.own())));
        Self { title: title.into(), part, csrf, notice: None, own, refresh_s: None }
    }

    /// The same page, which says this.
    pub fn saying(self, notice: Option<Notice>) -> Self {
        Self { notice, ..self }
    }

    /// For somebody who is not.
    pub fn outside(title: impl Into<String>) -> Self {
        Self { title: title.into(), part: Part::Nowhere, csrf: String::new(), notice: None, own: None, refresh_s: None }
    }

    /// For a page that loads itself again after so many seconds, since what it shows goes on by itself.
    pub fn looking_again(self, refresh_s: Option<u32>) -> Self {
        Self { refresh_s, ..self }
    }

    /// After how many seconds. Never while a secret is shown: it would be gone before somebody has copied it.
    pub fn refresh_s(&self) -> Option<u32> {
        let shows_secret = self.notice.as_ref().is_some_and(|notice| notice.secret.is_some());
        self.refresh_s.filter(|_| !shows_secret)
    }

    /// Whether the key of whoever is signed in allows `action`. It decides what is offered; what is done the API decides.
    pub fn may(&self, action: &str) -> bool {
        self.own.as_ref().is_some_and(|own| own.allows(action))
    }

    pub fn is_inside(&self) -> bool {
        !self.csrf.is_empty()
    }

    /// The address of the asset `name`.
    pub fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// The navigation: whether it is here, where it leads, its name.
    pub fn parts(&self) -> impl Iterator<Item = (bool, &'static str, &'static str)> {
        Part::ALL.into_iter().map(|(part, address, name)| (part == self.part, address, name))
    }

    /// The version of the program.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
