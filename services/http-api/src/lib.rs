//! REST, server-sent events, metrics and health over the log.
