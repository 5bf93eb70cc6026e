//! Asking the API, as any caller does: by its own router, in this process, with the key of whoever is signed in.
//!
//! So what a key may see and do, how often, what is told to the audit trail and how a refusal reads is decided in one place.

use std::net::SocketAddr;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    response::Response,
};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt;

use crate::{
    config::MAX_ANSWER_BYTES,
    failure::{Failure, Problem},
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub router: &'a Router,
    /// The bearer token; none for what is open to all.
    pub key: Option<&'a str>,
    /// From where they ask us; the API limits and notes by it.
    pub remote: Option<SocketAddr>,
}

impl Caller<'_> {
    /// `GET path`, read as `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(self.send(self.request(Method::GET, path, None)?).await?).await
    }

    /// `GET path` as text.
    pub async fn text(&self, path: &str) -> Result<String, Failure> {
        let bytes = whole(self.send(self.request(Method::GET, path, None)?).await?).await?;
        String::from_utf8(bytes).map_err(|error| Failure::Unreadable(Box::new(error)))
    }

    /// `GET path` as it comes.
    pub async fn open(&self, path: &str, headers: &[(HeaderName, HeaderValue)]) -> Result<Response, Failure> {
        let mut request = self.request(Method::GET, path, None)?;
        request.headers_mut().extend(headers.iter().cloned());
        self.send(request).await
    }

    /// `POST path` with `body`, read as `T`.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        read(self.send(self.request(Method::POST, path, Some(body))?).await?).await
    }

    /// The same, done once however often a form is sent that carries `once`.
    pub async fn post_once<T: DeserializeOwned>(&self, path: &str, once: &str, body: &Value) -> Result<T, Failure> {
        let mut request = self.request(Method::POST, path, Some(body))?;
        // Some forms do the same however often they are sent, and carry none.
        if let Some(value) = HeaderValue::from_str(once).ok().filter(|value| !value.is_empty()) {
            request.headers_mut().insert(IDEMPOTENCY_KEY, value);
        }
        read(self.send(request).await?).await
    }

    /// `PATCH path` with `body`, read as `T`.
    pub async fn patch<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        read(self.send(self.request(Method::PATCH, path, Some(body))?).await?).await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, path, None)?).await.map(drop)
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Request<Body>, Failure> {
        let unreadable = |error: http::Error| Failure::Unreadable(Box::new(error));
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let mut request = request.body(body).map_err(unreadable)?;
        if let Some(remote) = self.remote {
            request.extensions_mut().insert(ConnectInfo(remote));
        }
        Ok(request)
    }

    async fn send(&self, request: Request<Body>) -> Result<Response, Failure> {
        // A router always answers.
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if response.status().is_success() {
            return Ok(response);
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(Failure::KeyRefused);
        }
        let bytes = whole(response).await?;
        let problem: Problem = serde_json::from_slice(&bytes).map_err(|error| Failure::Unreadable(Box::new(error)))?;
        Err(Failure::Problem(Box::new(problem)))
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    let bytes = whole(response).await?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::Unreadable(Box::new(error)))
}

async fn whole(response: Response) -> Result<Vec<u8>, Failure> {
    let bytes = to_bytes(response.into_body(), MAX_ANSWER_BYTES).await;
    bytes.map(Vec::from).map_err(|error| Failure::Unreadable(Box::new(error)))
}
