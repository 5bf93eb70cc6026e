//! Somebody who looks at pages and sends forms, without a script.

use reqwest::{Response, StatusCode, header::HeaderMap};

use crate::service::Service;

/// A page as it came.
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("text") }
    }

    /// Where it leads on to.
    pub fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.headers["location"].to_str().expect("text")
    }

    pub fn has(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "no {text:?} in {}", self.text);
        self
    }

    pub fn lacks(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{text:?} in {}", self.text);
        self
    }

    /// The value of the first field `name` of a form.
    pub fn field(&self, name: &str) -> String {
        let begin = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&begin).unwrap_or_else(|| panic!("no {name} in {}", self.text));
        rest.split('"').next().expect("a value").to_owned()
    }

    /// The session's cookie that it sets.
    pub fn cookie(&self) -> Option<String> {
        self.cookie_of("expensewire")
    }

    /// The cookie `name` that it sets.
    pub fn cookie_of(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all("set-cookie").iter().map(|line| line.to_str().expect("text"));
        let mut cookies = lines.filter_map(|line| line.split(';').next());
        cookies.find(|cookie| cookie.split_once('=').is_some_and(|(known, _)| known == name)).map(str::to_owned)
    }
}

pub struct Browser<'a> {
    service: &'a Service,
    pub cookie: String,
    csrf: String,
}

impl<'a> Browser<'a> {
    /// Signed in with `key`.
    pub async fn signed_in(service: &'a Service, key: &str) -> Self {
        let page = sign_in(service, key, "").await;
        assert_eq!(page.location(), "/");
        let mut browser = Self { service, cookie: page.cookie().expect("a session"), csrf: String::new() };
        browser.csrf = browser.get("/").await.field("csrf");
        browser
    }

    pub async fn get(&self, path: &str) -> Page {
        let asked = self.service.client.get(self.service.url(path)).header("cookie", &self.cookie);
        Page::of(asked.header("accept", "text/html").send().await.expect("an answer")).await
    }

    /// Sends a form with the session's token.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let fields = [&[("csrf", self.csrf.as_str())], fields].concat();
        self.send(path, &fields, &[]).await
    }

    /// Sends a form as it is.
    pub async fn send(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
        let mut asked = self.service.client.post(self.service.url(path)).header("cookie", &self.cookie).form(fields);
        for (name, value) in headers {
            asked = asked.header(*name, *value);
        }
        Page::of(asked.send().await.expect("an answer")).await
    }

    /// Sends a form and looks at the page that it leads to.
    pub async fn done(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.post(path, fields).await;
        self.get(page.location()).await
    }

    /// The token of the session's forms.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// What the form for signing in answers, filled in as it was shown.
pub async fn sign_in(service: &Service, key: &str, next: &str) -> Page {
    let form = anonymous(service, "/console/sign-in", "text/html").await;
    let (token, cookie) = (form.field("csrf"), form.cookie_of("expensewire-form").expect("a cookie"));
    enter(service, &[("key", key), ("next", next), ("csrf", &token)], &[("cookie", &cookie)]).await
}

/// What the form for signing in answers to these fields and headers.
pub async fn enter(service: &Service, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
    let asked = service.client.post(service.url("/console/sign-in")).form(fields);
    let asked = headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value));
    Page::of(asked.send().await.expect("an answer")).await
}

/// A page as it comes to who has no session.
pub async fn anonymous(service: &Service, path: &str, accept: &str) -> Page {
    let asked = service.client.get(service.url(path)).header("accept", accept);
    Page::of(asked.send().await.expect("an answer")).await
}
