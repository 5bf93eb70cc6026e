//! `openapi` and `asyncapi`: what programs may rely on, as the service serves it.

use std::{io, io::Write};

use crate::exit::{Exit, Failure};

pub(super) fn openapi() -> Result<Exit, Failure> {
    printed(http_api::openapi())
}

pub(super) fn asyncapi() -> Result<Exit, Failure> {
    printed(http_api::asyncapi())
}

fn printed(document: &str) -> Result<Exit, Failure> {
    io::stdout().write_all(document.as_bytes())?;
    Ok(Exit::Ok)
}
