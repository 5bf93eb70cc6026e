//! Shell that delivers the log: signs, sends, retries, records; the guard on where it may send.
