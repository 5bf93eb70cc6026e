//! Webhooks for Expensify: the service and its command line.
