//! Why no signature fits: what people and programs commonly do to a message on its way, tried one after the other.
//!
//! A signature alone does not tell a wrong secret from another body. What is tried here can only be right if the secret is:
//! then it is told for certain. What is left is told from each other by the event as the service has it.

use serde::Deserialize;

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The secret is right; this was done to the body.
    BodyAltered(&'static str),
    /// The secret is right, and the signature is of this id.
    IdAltered(String),
    /// The secret is right, and the body is not the event's.
    OtherBody,
    /// The body is the event's, byte for byte, and the signature fits under another secret, or of another id or time.
    WrongSecret,
    /// The body is not the event's, and not even that fits.
    Both,
    /// Nothing of that.
    Unknown,
}

/// What is signed.
pub(super) struct Message<'a> {
    pub id: &'a str,
    pub body: &'a [u8],
}

/// The part of an event that names it.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// `fits` says whether a signature of the header fits this message.
pub(super) fn find(message: &Message<'_>, logged: Option<&[u8]>, fits: impl Fn(&Message<'_>) -> bool) -> Finding {
    let id = message.id;
    for (done, body) in undone(message.body) {
        if body != message.body && fits(&Message { id, body: &body }) {
            return Finding::BodyAltered(done);
        }
    }
    let named = serde_json::from_slice::<Named>(message.body).ok().filter(|named| named.id != id);
    if let Some(Named { id }) = named.filter(|named| fits(&Message { id: &named.id, body: message.body })) {
        return Finding::IdAltered(id);
    }
    match logged {
        Some(logged) if logged == message.body => Finding::WrongSecret,
        Some(logged) if fits(&Message { id, body: logged }) => Finding::OtherBody,
        Some(_) => Finding::Both,
        None => Finding::Unknown,
    }
}

/// The body as it would be without this or that.
fn undone(body: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let trimmed = body.trim_ascii().to_vec();
    let mut all = vec![
        ("white space was added around it, a newline of an editor perhaps", trimmed.clone()),
        ("a newline at its end was lost", [body, b"\n"].concat()),
        ("its ends of lines were changed to those of Windows", without_returns(body)),
    ];
    if let Some(rest) = trimmed.strip_prefix(b"\xef\xbb\xbf") {
        all.push(("a byte order mark was put before it", rest.to_vec()));
    }
    all.push(("it was parsed as JSON and written anew, with blanks", without_blanks(body)));
    all
}

fn without_returns(body: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(body.len());
    for (at, byte) in body.iter().enumerate() {
        if *byte != b'\r' || body.get(at + 1) != Some(&b'\n') {
            kept.push(*byte);
        }
    }
    kept
}

/// JSON without the white space between its tokens, as it is signed.
fn without_blanks(body: &[u8]) -> Vec<u8> {
    let (mut kept, mut within, mut escaped) = (Vec::with_capacity(body.len()), false, false);
    for &byte in body {
        if within || !byte.is_ascii_whitespace() {
            kept.push(byte);
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &str = r#"{"id":"evt_1","data":{"a":1,"b":"x \" y"}}"#;

    /// What is found of `body`, when the signature is of [`SIGNED`] under `evt_1`, and the secret is right or not.
    fn found(id: &str, body: &str, right: bool, logged: Option<&str>) -> Finding {
        let message = Message { id, body: body.as_bytes() };
        find(&message, logged.map(str::as_bytes), |one| right && one.id == "evt_1" && one.body == SIGNED.as_bytes())
    }

    #[test]
    fn what_is_commonly_done_to_a_body_is_found_out() {
        for (body, told) in [
            (format!("{SIGNED}\n"), "white space"),
            (format!("\u{feff}{SIGNED}"), "byte order mark"),
            ("{\n  \"id\": \"evt_1\",\r\n  \"data\": {\"a\": 1, \"b\": \"x \\\" y\"}\n}".to_owned(), "parsed as JSON"),
        ] {
            let Finding::BodyAltered(done) = found("evt_1", &body, true, None) else { panic!("{body}") };
            assert!(done.contains(told), "{body}: {done}");
        }
    }

    #[test]
    fn an_id_that_is_not_the_bodys_is_found_out() {
        assert_eq!(found("evt_2", SIGNED, true, None), Finding::IdAltered("evt_1".to_owned()));
        assert_eq!(found("evt_2", SIGNED, false, None), Finding::Unknown);
    }

    #[test]
    fn the_event_as_it_is_in_the_log_tells_a_wrong_secret_from_another_body() {
        let other = r#"{"id":"evt_1","data":{"a":2}}"#;
        assert_eq!(found("evt_1", SIGNED, false, Some(SIGNED)), Finding::WrongSecret);
        assert_eq!(found("evt_1", other, true, Some(SIGNED)), Finding::OtherBody);
        assert_eq!(found("evt_1", other, false, Some(SIGNED)), Finding::Both);
        assert_eq!(found("evt_1", other, false, None), Finding::Unknown);
    }
}
