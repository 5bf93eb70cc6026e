//! What is logged of what people do in the console: whose key it was, and never a key or a secret.

use std::{
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{Dispatch, Level};

use crate::{
    browser::{Browser, sign_in},
    service::Service,
};

/// While there is only one subscriber, tracing keeps the first answer of a thread for all: a second makes it ask again.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| {
    Dispatch::new(tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(io::sink).finish())
});

/// What this test's thread logs, the service with it.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lock").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_sign_in_is_noted_with_the_keys_id_and_no_line_has_a_key_or_a_secret() {
    LazyLock::force(&SECOND);
    let lines = Lines::default();
    let writer = lines.clone();
    let noting = tracing_subscriber::fmt().with_ansi(false).with_max_level(Level::TRACE);
    let noting = tracing::subscriber::set_default(noting.with_writer(move || writer.clone()).finish());
    let service = Service::start().await;
    let own = service.get("/v1/keys/self").await["id"].as_str().expect("an id").to_owned();
    let wrong = "ew_wrongwrongwrongwrong";
    sign_in(&service, wrong, "").await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let key = browser.done("/console/keys", &[("once", "k"), ("expires_in_s", "60")]).await;
    let fields = [("url", "https://a.example/"), ("events", "*"), ("headers", "X-Token: hushed"), ("once", "s")];
    let secret = browser.done("/console/subscriptions", &fields).await;
    drop(noting);
    let text = String::from_utf8(lines.0.lock().expect("lock").clone()).expect("text");
    let noted: Vec<_> = text.lines().filter(|line| line.contains("a sign-in to the console")).collect();
    assert!(noted.len() == 2 && noted[0].contains("refused") && noted[1].contains(&own), "{noted:?}");
    let shown =
        |page: &str| page.split("id=\"secret\">").nth(1).and_then(|rest| rest.split('<').next()).map(str::to_owned);
    let (key, secret) = (shown(&key.text).expect("a key"), shown(&secret.text).expect("a secret"));
    let session = browser.cookie.split('=').nth(1).expect("an id");
    for hidden in [wrong, &service.key, &key, &secret, "hushed", session, browser.csrf()] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    service.stopped().await;
}
