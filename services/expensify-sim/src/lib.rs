//! A simulator of Expensify's Integration Server that a person can run.
