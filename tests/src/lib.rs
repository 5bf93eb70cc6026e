//! Tests over the whole: helpers shared by the files under `tests/tests` and by the soak.

pub mod program;
pub mod soak;
pub mod wait;
