//! Who is signed in.
//!
//! A session is a random id in a cookie; the key that was signed in with stays here, in memory, and is overwritten when the session
//! ends: by signing out, by not being used, by its age, by the API refusing the key, or by the end of the process. Sessions
//! are kept under the hash of their id, so that neither the table nor the time of a look into it tells an id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::{
    config::{MAX_SESSIONS, SESSION_IDLE, SESSION_LIFE},
    model::key::Key,
    random::token,
};

type Digest = [u8; 32];

/// One who is signed in.
pub(crate) struct Session {
    key: Zeroizing<String>,
    /// What the key allows. A key never changes once it is made.
    own: Arc<Key>,
    csrf: String,
    since: Instant,
    /// Cancelled when it ends: streams that it opened end too.
    pub ended: CancellationToken,
    changing: Mutex<Changing>,
}

struct Changing {
    used: Instant,
    notice: Option<Notice>,
}

/// What the next page says, once.
#[derive(Debug, Default)]
pub(crate) struct Notice {
    /// Whether it is about something that did not work.
    pub is_error: bool,
    pub text: String,
    /// A signing secret, which is shown this once.
    pub secret: Option<Zeroizing<String>>,
}

impl Notice {
    /// That something was done.
    pub fn done(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// That something did not work.
    pub fn error(text: impl Into<String>) -> Self {
        Self { is_error: true, text: text.into(), secret: None }
    }
}

impl Session {
    /// The API key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What the key is called and allows.
    pub fn own(&self) -> &Arc<Key> {
        &self.own
    }

    /// What each form of this session carries.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Says `notice` on the next page.
    pub fn tell(&self, notice: Notice) {
        self.changing().notice = Some(notice);
    }

    /// What is to be said; nothing from then on.
    pub fn told(&self) -> Option<Notice> {
        self.changing().notice.take()
    }

    /// When it ends if nobody uses it any more.
    pub fn ends_at(&self) -> Instant {
        (self.changing().used + SESSION_IDLE).min(self.since + SESSION_LIFE)
    }

    fn changing(&self) -> std::sync::MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// Everybody who is signed in.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<Digest, Arc<Session>>>);

impl Sessions {
    /// Begins a session with `key`, of which the API says `own`; the answer is its id, which goes into the cookie and nowhere else.
    pub fn begin(&self, key: Zeroizing<String>, own: Key, now: Instant) -> String {
        let id = token();
        let session = Session {
            key,
            own: Arc::new(own),
            csrf: token(),
            since: now,
            ended: CancellationToken::new(),
            changing: Mutex::new(Changing { used: now, notice: None }),
        };
        let mut all = self.all();
        sweep(&mut all, now);
        if all.len() >= MAX_SESSIONS
            && let Some(oldest) = all.iter().min_by_key(|(_, session)| session.ends_at()).map(|(id, _)| *id)
            && let Some(oldest) = all.remove(&oldest)
        {
            oldest.ended.cancel();
        }
        all.insert(digest(&id), Arc::new(session));
        id
    }

    /// The session `id`, which is used by that.
    pub fn used(&self, id: &str, now: Instant) -> Option<Arc<Session>> {
        let session = self.peek(id, now)?;
        session.changing().used = now;
        Some(session)
    }

    /// The session `id`, without keeping it alive.
    pub fn peek(&self, id: &str, now: Instant) -> Option<Arc<Session>> {
        let mut all = self.all();
        sweep(&mut all, now);
        all.get(&digest(id)).cloned()
    }

    /// Ends the session `id`, if there is one.
    pub fn end(&self, id: &str) {
        if let Some(session) = self.all().remove(&digest(id)) {
            session.ended.cancel();
        }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what has ended by itself. There are few, and each look is a request of a person.
fn sweep(all: &mut HashMap<Digest, Arc<Session>>, now: Instant) {
    all.retain(|_, session| {
        let lives = now < session.ends_at();
        if !lives {
            session.ended.cancel();
        }
        lives
    });
}

fn digest(id: &str) -> Digest {
    *blake3::hash(id.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn begun(sessions: &Sessions, now: Instant) -> String {
        let own = serde_json::json!({
            "id": "key_1", "accounts": [], "policies": [], "events": [], "actions": [], "origin": "made",
            "created_at": "2026-04-02T09:14:00Z", "expired": false,
        });
        let own = serde_json::from_value(own).expect("a key");
        sessions.begin(Zeroizing::new("ew_key".to_owned()), own, now)
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_after_a_day_of_use() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let (idle, busy) = (begun(&sessions, start), begun(&sessions, start));
        let mut now = start;
        while now < start + SESSION_LIFE - SESSION_IDLE / 2 {
            now += SESSION_IDLE / 2;
            assert!(sessions.used(&busy, now).is_some() || now >= start + SESSION_LIFE);
        }
        assert!(sessions.peek(&idle, start + SESSION_IDLE).is_none());
        assert!(sessions.used(&busy, start + SESSION_LIFE).is_none(), "however much it is used");
    }

    #[test]
    fn looking_without_using_keeps_nothing_alive() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let id = begun(&sessions, start);
        assert!(sessions.peek(&id, start + SESSION_IDLE - Duration::from_secs(1)).is_some());
        assert!(sessions.peek(&id, start + SESSION_IDLE).is_none());
    }

    #[test]
    fn the_end_of_a_session_is_told_to_what_it_opened() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let id = begun(&sessions, now);
        let session = sessions.used(&id, now).expect("signed in");
        sessions.end(&id);
        assert!(session.ended.is_cancelled());
        assert!(sessions.used(&id, now).is_none());
    }

    #[test]
    fn there_are_never_more_than_may_be_and_the_one_unused_longest_goes() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let first = begun(&sessions, start);
        let second = begun(&sessions, start);
        let later = start + Duration::from_secs(1);
        assert!(sessions.used(&first, later).is_some());
        for _ in 2..=MAX_SESSIONS {
            begun(&sessions, later);
        }
        assert_eq!(sessions.all().len(), MAX_SESSIONS);
        assert!(sessions.peek(&first, later).is_some());
        assert!(sessions.peek(&second, later).is_none());
    }

    #[test]
    fn each_session_has_a_token_of_its_own() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let ids = [begun(&sessions, now), begun(&sessions, now)];
        let [one, other] = ids.map(|id| sessions.used(&id, now).expect("signed in"));
        assert_ne!(one.csrf(), other.csrf());
        assert!(crate::random::is_token(one.csrf()) && !crate::random::is_token(&one.csrf()[1..]));
    }

    #[test]
    fn a_notice_is_told_once() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let session = sessions.used(&begun(&sessions, now), now).expect("signed in");
        session.tell(Notice::done("made"));
        assert_eq!(session.told().map(|notice| notice.text), Some("made".to_owned()));
        assert!(session.told().is_none());
    }
}
