//! Secrets: written in place, in a file, or in the environment; shown nowhere.

use std::{fs::File, io::Read, path::Path};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// What stands for a secret wherever the configuration is shown.
const REDACTED: &str = "<redacted>";

/// Largest secret file: a credential has some tens of bytes, so anything near this is the wrong file.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A secret of the configuration. Neither `Debug` nor `Serialize` tells it.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub struct Secret(SecretString);

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Secret> for SecretString {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// Why a secret file gave no secret. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretFileError {
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("has more than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    #[error("is empty")]
    Empty,
}

/// The secret in the file at `path`, without white space around it (editors and `echo` end a file with a newline).
pub(super) fn read_file(path: &Path) -> Result<SecretString, SecretFileError> {
    let mut text = String::new();
    let file = File::open(path).map_err(SecretFileError::Unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(SecretFileError::Unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(SecretFileError::TooLarge);
    }
    match text.trim() {
        "" => Err(SecretFileError::Empty),
        secret => Ok(SecretString::from(secret)),
    }
}
