//! A client of our own HTTP API: one request, one answer or one [`Failure`].

use std::{convert::Infallible, error::Error, str::FromStr, time::Duration};

use clap::Args;
use reqwest::{Method, RequestBuilder, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::{lines::Lines, problem};
use crate::{
    exit::{Exit, Failure},
    output::{Format, Output, plain},
};

/// A service on this machine answers within milliseconds, one across the world within seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// From the request to the end of the answer; the API itself gives up after 30 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Silence on a stream after which it is dead: the API sends a heartbeat every 15 s.
const STREAM_SILENCE: Duration = Duration::from_secs(45);

/// Largest answer that is read: a page of events has 4 MiB and one event more.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Which service is asked, and in what form its answer is shown.
#[derive(Args, Clone, Debug)]
pub struct Connection {
    /// The service to ask
    #[arg(long, global = true, env = "EXPENSEWIRE_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL",
          value_parser = server_url, help_heading = "Connection")]
    pub server: Url,
    /// The API key
    #[arg(
        long,
        global = true,
        env = "EXPENSEWIRE_KEY",
        hide_env_values = true,
        value_name = "KEY",
        help_heading = "Connection"
    )]
    pub key: Option<ApiKey>,
    /// The form of what is printed; on a terminal a table, elsewhere JSON
    #[arg(short, long, global = true, value_name = "FORM", help_heading = "Connection")]
    pub output: Option<Format>,
}

impl Connection {
    pub(super) fn output(&self) -> Output {
        Output::stdout(self.output)
    }
}

fn server_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("must be an http or https URL, like http://127.0.0.1:8080".to_owned()),
    }
}

/// An API key. Its `Debug` form hides it.
#[derive(Clone, Debug)]
pub struct ApiKey(SecretString);

/// Any text is taken: a refusal here would repeat it on the terminal. The service judges it.
impl FromStr for ApiKey {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().into()))
    }
}

/// A client of one service.
pub(super) struct Client {
    http: reqwest::Client,
    server: Url,
    key: Option<ApiKey>,
}

impl Client {
    pub fn new(connection: &Connection) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("expensewire-cli/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(STREAM_SILENCE)
            // The API redirects nowhere; who does is not it, and gets no key from us.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| Failure::new(Exit::Unexpected, format!("cannot make a client: {}", causes(&error))))?;
        Ok(Self { http, server: connection.server.clone(), key: connection.key.clone() })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, String)]) -> Result<T, Failure> {
        let body = self.body_of(self.request(Method::GET, path, query)?).await?;
        self.read(&body)
    }

    /// All of the list at `path`, whose pages name it as the last part of the path does, from the first page to the last.
    pub async fn list(&self, path: &[&str], query: &[(&str, String)]) -> Result<Vec<Value>, Failure> {
        let name = path.last().copied().unwrap_or_default();
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.extend(cursor.iter().map(|cursor| ("cursor", cursor.clone())));
            let mut page: Value = self.get(path, &query).await?;
            let Some(Value::Array(items)) = page.get_mut(name).map(Value::take) else {
                return Err(Failure::new(Exit::Unexpected, format!("the answer is not a page of {name}")));
            };
            let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
            let stands_still = items.is_empty() || next == cursor;
            all.extend(items);
            match next {
                Some(next) if !stands_still => cursor = Some(next),
                _ => return Ok(all),
            }
        }
    }

    pub async fn post(&self, path: &[&str], body: Option<&Value>) -> Result<Value, Failure> {
        let request = self.request(Method::POST, path, &[])?;
        self.send(body.iter().fold(request, |request, body| request.json(body))).await
    }

    pub async fn patch(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.send(self.request(Method::PATCH, path, &[])?.json(body)).await
    }

    pub async fn delete(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        self.send(self.request(Method::DELETE, path, query)?).await
    }

    /// Opens a stream of server-sent events; the answer's head is checked.
    pub async fn stream(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        last_event_id: Option<&str>,
    ) -> Result<Response, Failure> {
        let mut request = self.request(Method::GET, path, query)?.header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        self.checked(answer).await
    }

    /// Asks for lines of JSON that come as they are made; the answer's head is checked.
    pub async fn lines(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> Result<Lines, Failure> {
        let answer = self.request(method, path, query)?.send().await.map_err(|error| self.unreachable(&error))?;
        Ok(Lines::of(self.checked(answer).await?))
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> Result<RequestBuilder, Failure> {
        let mut url = self.server.clone();
        let no_base = |()| Failure::new(Exit::Usage, format!("{} is no address of a service", self.server));
        url.path_segments_mut().map_err(no_base)?.pop_if_empty().push("v1").extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        // An empty variable of the environment is no key.
        let key = self.key.as_ref().map(|key| key.0.expose_secret()).filter(|key| !key.is_empty());
        Ok(key.into_iter().fold(request, |request, key| request.bearer_auth(key)))
    }

    /// The answer to a change; `null` when it has no body.
    async fn send(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let body = self.body_of(request).await?;
        if body.is_empty() { Ok(Value::Null) } else { self.read(&body) }
    }

    async fn body_of(&self, request: RequestBuilder) -> Result<Vec<u8>, Failure> {
        let answer = request.timeout(REQUEST_TIMEOUT).send().await.map_err(|error| self.unreachable(&error))?;
        self.body(self.checked(answer).await?).await
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(body).map_err(|_| {
            Failure::new(Exit::Unexpected, format!("{} answered with something unexpected", self.server))
                .hint("is this the address of an Expensewire service, of this version?")
        })
    }

    /// The answer, if it is a success.
    async fn checked(&self, answer: Response) -> Result<Response, Failure> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = self.body(answer).await.unwrap_or_default();
        Err(problem::failure(status, &body, &self.server))
    }

    async fn body(&self, mut answer: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unreachable(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER_BYTES {
                let what = format!("{} answered with more than {MAX_ANSWER_BYTES} bytes", self.server);
                return Err(Failure::new(Exit::Unexpected, what));
            }
        }
        Ok(body)
    }

    /// The failure that stands for `error`, in which no answer came or it broke off.
    pub fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_builder() {
            // Nothing was sent: a key or a value that no header can carry. The cause may repeat it, so it is not told.
            return Failure::new(
                Exit::Usage,
                "the request cannot be written: is the key one line of visible characters?",
            );
        }
        let what = format!("no answer from {}: {}", self.server, plain(&causes(error)));
        Failure::new(Exit::Unreachable, what).hint(
            "is the service running (`expensewire serve`)? Another address is given by --server or EXPENSEWIRE_SERVER",
        )
    }
}

/// The innermost causes of `error`, without the URL that reqwest puts first.
fn causes(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    match texts.pop() {
        Some(last) => last,
        None if error.is_timeout() => "it took too long".to_owned(),
        None => "the request failed".to_owned(),
    }
}
