//! What delivery costs beside a bare keep-alive client that posts the same bytes to the same receiver: the parts of
//! `bench_delivery` and `bench_fairness`.
//!
//! The receiver is another process ([`receiver`]), so that its work is not counted as ours. It answers as fast as a
//! hand-written server can and stamps what arrives; all rates run to its last stamp. The bare client ([`bare`]) is
//! reqwest, the client that most programs use, on the same runtime, with as many requests in flight and as many idle
//! connections, and nothing around it: no log, no filter, no signature, no cursor. What is delivered live is compared with
//! that client beside the same appends.

pub mod bare;
pub mod memory;
pub mod receiver;
pub mod stage;
pub mod usage;
pub mod verdict;
