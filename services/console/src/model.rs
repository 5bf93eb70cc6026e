//! What the API answers, as far as pages show it.

pub(crate) mod account;
pub(crate) mod delivery;
pub(crate) mod event;
pub(crate) mod key;
pub(crate) mod path;
pub(crate) mod replay;
pub(crate) mod subscription;
