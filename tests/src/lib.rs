//! Tests over the whole: helpers shared by the files under `tests/tests` and by the soak.

pub mod bench_delivery;
pub mod bench_schedule;
pub mod log_proof;
pub mod mounted;
pub mod program;
pub mod sim;
pub mod soak;
pub mod wait;
