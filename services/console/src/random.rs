//! What nobody can guess.

use data_encoding::BASE64URL_NOPAD;
use rand::Rng;

use crate::config::RANDOM_BYTES;

/// Whether `text` can be one of [`token`].
pub(crate) fn is_token(text: &str) -> bool {
    BASE64URL_NOPAD.decode(text.as_bytes()).is_ok_and(|bytes| bytes.len() == RANDOM_BYTES)
}

/// 256 random bits as text for a cookie or a form.
pub(crate) fn token() -> String {
    let mut bytes = [0; RANDOM_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    BASE64URL_NOPAD.encode(&bytes)
}
