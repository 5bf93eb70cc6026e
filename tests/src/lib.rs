//! Tests over the whole: helpers shared by the files under `tests/tests`.
