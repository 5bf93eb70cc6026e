//! Request parameters, read as a Java servlet reads them: from the query, a urlencoded body or a multipart body.
//!
//! When a name comes twice the first value counts, the query's before the body's.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Multipart};
use axum::http::{Request, StatusCode, header};
use std::collections::BTreeMap;

/// The largest body that is read: a template and a list of a few ten thousand employees fit many times.
pub(crate) const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Parameters by name.
#[derive(Debug, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// A parameter's value.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn add(&mut self, name: String, value: String) {
        self.0.entry(name).or_insert(value);
    }

    fn add_encoded(&mut self, encoded: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(encoded) {
            self.add(name.into_owned(), value.into_owned());
        }
    }
}

/// Reads all parameters of a request.
///
/// # Errors
/// The HTTP status to answer: 413 for a body over [`MAX_BODY_BYTES`], 400 for one that breaks off or is no multipart
/// body although it says so.
pub(crate) async fn read(request: Request<Body>) -> Result<Params, StatusCode> {
    let mut params = Params::default();
    params.add_encoded(request.uri().query().unwrap_or_default().as_bytes());
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/form-data")) {
        read_multipart(request, &mut params).await?;
        return Ok(params);
    }
    let body = to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    params.add_encoded(&body);
    Ok(params)
}

async fn read_multipart(request: Request<Body>, params: &mut Params) -> Result<(), StatusCode> {
    let mut parts = Multipart::from_request(request, &()).await.map_err(|rejection| rejection.status())?;
    while let Some(part) = parts.next_field().await.map_err(|error| error.status())? {
        let Some(name) = part.name().map(str::to_owned) else { continue };
        let value = part.bytes().await.map_err(|error| error.status())?;
        params.add(name, String::from_utf8_lossy(&value).into_owned());
    }
    Ok(())
}
