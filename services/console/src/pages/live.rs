//! The log as it grows: the API's stream of events, for whoever is signed in.

use axum::{body::Body, response::Response};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, Uri};

use super::Answer;
use crate::visitor::Visitor;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// `GET /console/events/stream?type=&account=&subject=`: `GET /v1/events/stream` of the session's key, until the session ends.
///
/// An open stream does not keep a session alive: a page that nobody looks at is not use. So it ends when the session would,
/// and a browser that connects again finds out.
pub(super) async fn open(visitor: Visitor, headers: HeaderMap, uri: Uri) -> Answer {
    let path = uri.query().map_or_else(|| "/v1/events/stream".to_owned(), |query| format!("/v1/events/stream?{query}"));
    let resumed = headers.get(&LAST_EVENT_ID).map(|value| (LAST_EVENT_ID, value.clone()));
    let response = visitor.api().open(&path, resumed.as_slice()).await?;
    let (parts, body) = response.into_parts();
    let (session, stop) = (visitor.session, visitor.console.stop.clone());
    let over = async move {
        loop {
            let ends_at = session.ends_at();
            tokio::select! {
                () = stop.cancelled() => return,
                () = session.ended.cancelled() => return,
                () = tokio::time::sleep_until(ends_at) => {
                    // It was used meanwhile, on another page, or it is over.
                    if session.ends_at() <= ends_at { return }
                }
            }
        }
    };
    let body = Body::from_stream(body.into_data_stream().take_until(Box::pin(over)));
    Ok(Response::from_parts(parts, body))
}
