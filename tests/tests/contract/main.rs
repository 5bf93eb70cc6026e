//! The contract, before programs that are not ours: validators of both documents, schemathesis against the running service, the
//! reader of metrics that Prometheus' own library has, and two clients of server-sent events.
//!
//! `EXPENSEWIRE_INTEROP_PYTHON` names the Python to run (of a virtual environment, say), `EXPENSEWIRE_INTEROP_NODE_PATH` a
//! `node_modules` directory. What is missing is said in a line that begins with SKIP; with `STRICT=1` it fails the test.
//! `make contract` runs it with more cases and shows the table.

mod cutting;
mod documents;
mod foreign;
mod metrics;
mod schemathesis;
mod service;
mod streams;
