//! What can go wrong outside of any one request. What a caller did wrong is a [`crate::problem::Refusal`].

use event_store::StoreError;

use crate::config::MIN_ADMIN_KEY;

/// A failure of the API as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The store failed while keys were read or written.
    #[error("cannot {doing}")]
    Store {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: StoreError,
    },
    /// The configured admin key is too easily guessed.
    #[error("the configured admin key has {length} characters, it needs at least {MIN_ADMIN_KEY}")]
    WeakAdminKey {
        /// How long it is.
        length: usize,
    },
    /// The configured admin key cannot be sent in a header.
    #[error(
        "the configured admin key may only have visible ASCII characters, and at most {}",
        crate::config::MAX_TOKEN
    )]
    UnusableAdminKey,
    /// No id could be made for a new key.
    #[error("cannot name a new API key")]
    KeyId(#[source] event_model::InvalidId),
    /// The listener has no local address, so it cannot be served.
    #[error("cannot use the listener")]
    Listener(#[source] std::io::Error),
}
