//! The FreeMarker templates that we send, as committed under `templates/`: a readable source each (`*.ftl`, with the
//! theory at its head) and the one-line ASCII text that is sent (`*.min.ftl`), which a test holds equal to the minified
//! source. `cargo run -p expensify-client --example minify_templates` rewrites the latter.

mod minify;

pub use minify::{NotAscii, minify};

use std::fmt;

/// Stands for the nonce in the committed templates.
pub const NONCE_PLACEHOLDER: &str = "@NONCE@";

const REPORTS: &str = include_str!("../templates/reports.min.ftl");
const DOCTOR: &str = include_str!("../templates/doctor.min.ftl");

/// Thirty-two hexadecimal digits made for one job. They stand in the template and must come back in the file's first and
/// last record: a file of another job, or one that no template of ours wrote, is known by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// The nonce that these 128 bits spell.
    pub fn from_bits(bits: u128) -> Self {
        Self(format!("{bits:032x}"))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The report export, as sent for the job of this nonce.
pub fn reports(nonce: &Nonce) -> String {
    REPORTS.replace(NONCE_PLACEHOLDER, nonce.as_str())
}

/// The probe of the server's engine, as sent for the job of this nonce.
pub fn doctor(nonce: &Nonce) -> String {
    DOCTOR.replace(NONCE_PLACEHOLDER, nonce.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_the_minified_source() {
        for (source, committed) in
            [(include_str!("../templates/reports.ftl"), REPORTS), (include_str!("../templates/doctor.ftl"), DOCTOR)]
        {
            assert_eq!(minify(source).as_deref(), Ok(committed), "run the example minify_templates");
        }
    }

    #[test]
    fn what_is_sent_is_one_line_that_begins_with_marker_and_nonce() {
        let nonce = Nonce::from_bits(0xabc);
        for (sent, kind) in [(reports(&nonce), "reports"), (doctor(&nonce), "doctor")] {
            assert!(sent.starts_with(&format!("<#-- expensewire:{kind}:v1 00000000000000000000000000000abc -->")));
            assert!(!sent.contains(['\n', '\r', '\t']) && !sent.contains(NONCE_PLACEHOLDER));
            assert_eq!(sent.matches(nonce.as_str()).count(), 3, "marker, begin and end");
            assert!(!sent.contains("<!--"), "the server reads HTML comments as directives of its own");
        }
    }

    #[test]
    fn nothing_newer_than_the_oldest_engine_is_used() {
        let newer = [
            "?filter",
            "?map",
            "?eval_json",
            "?truncate",
            "<#continue",
            "<#outputformat",
            "<#autoesc",
            "?no_esc",
            "?esc",
            "?cn",
            "?c_lower_case",
            "?blank_to_null",
            ".output_format",
            ".auto_esc",
            "?take_while",
            "?is_infinite",
        ];
        for text in [REPORTS, DOCTOR] {
            for word in newer {
                assert!(!text.contains(word), "{word}");
            }
        }
    }
}
