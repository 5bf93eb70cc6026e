//! The two export templates that this simulator knows, and what the real engine makes of them.
//!
//! There is no FreeMarker here. A template is recognised by its exact bytes, and one function per template writes what
//! the engine would have written, byte for byte; the workspace's tests hold that against the real engine. Any other
//! template is answered with an error by the caller: a simulator that renders what it does not understand would teach
//! its users something false.

mod doctor;
mod reports;
mod scalar;

pub use doctor::render_doctor;
pub(crate) use reports::render_each;
pub use reports::render_reports;

use sha2::{Digest, Sha256};

/// SHA-256 of the reports template, its nonce replaced by [`PLACEHOLDER`].
const REPORTS_SHA256: &str = "b994a7e8f1e71027267bdfbdab5b70301a8af7c1e199108a83c3705590ebea43";
/// SHA-256 of the doctor template, its nonce replaced by [`PLACEHOLDER`].
const DOCTOR_SHA256: &str = "55991ca86a5f4b8bf7fede973b280577ebfe433e152a564b2cfffa47c1c771b2";
/// What stands for the nonce when a template is hashed.
const PLACEHOLDER: &str = "@NONCE@";
/// A nonce is so many lower-case hexadecimal digits.
const NONCE_DIGITS: usize = 32;
/// How a template that may be known begins; the nonce follows.
const REPORTS_MARKER: &str = "<#-- expensewire:reports:v1 ";
const DOCTOR_MARKER: &str = "<#-- expensewire:doctor:v1 ";

/// Which template a job carries, and the nonce that its sender put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// The report export.
    Reports {
        /// Thirty-two hexadecimal digits.
        nonce: String,
    },
    /// The probe of the engine's settings.
    Doctor {
        /// Thirty-two hexadecimal digits.
        nonce: String,
    },
}

/// The template that these are the exact bytes of, if any.
pub fn recognise(template: &str) -> Option<Recognised> {
    if let Some(nonce) = nonce_of(template, REPORTS_MARKER) {
        return matches_hash(template, nonce, REPORTS_SHA256).then(|| Recognised::Reports { nonce: nonce.to_owned() });
    }
    let nonce = nonce_of(template, DOCTOR_MARKER)?;
    matches_hash(template, nonce, DOCTOR_SHA256).then(|| Recognised::Doctor { nonce: nonce.to_owned() })
}

fn nonce_of<'a>(template: &'a str, marker: &str) -> Option<&'a str> {
    let nonce = template.strip_prefix(marker)?.get(..NONCE_DIGITS)?;
    nonce.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(nonce)
}

fn matches_hash(template: &str, nonce: &str, wanted: &str) -> bool {
    let digest = Sha256::digest(template.replace(nonce, PLACEHOLDER).as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex == wanted
}

/// How the simulated engine is set up. The default is what is believed of the live one: numbers without grouping, and
/// an error handler that prints nothing for what fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// FreeMarker's version.
    pub version: String,
    /// Its locale, `en_US`.
    pub locale: String,
    /// The data model's `addHeader`.
    pub add_header: bool,
    /// Strings of the data model arrive HTML-escaped.
    pub escapes_html: bool,
    /// A failing interpolation prints nothing; otherwise it throws. Shown by the doctor template.
    pub blanks_failures: bool,
    /// A number prints with the separators of English; otherwise bare. Shown by the doctor template.
    pub groups_numbers: bool,
    /// The output encoding that the engine was told. Shown by the doctor template.
    pub encoding: Option<String>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            version: "2.3.31".to_owned(),
            locale: "en_US".to_owned(),
            add_header: true,
            escapes_html: false,
            blanks_failures: true,
            groups_numbers: false,
            encoding: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_but_the_exact_bytes_is_not_recognised() {
        let nonce = "0123456789abcdef0123456789abcdef";
        for template in [
            String::new(),
            "<#list reports as r>${r.reportID}</#list>".to_owned(),
            REPORTS_MARKER.to_owned(),
            format!("{REPORTS_MARKER}{nonce} -->"),
            format!("{DOCTOR_MARKER}{nonce} -->${{1}}"),
            format!("{REPORTS_MARKER}é{nonce}"),
        ] {
            assert_eq!(recognise(&template), None, "{template}");
        }
    }

    #[test]
    fn a_nonce_is_lower_case_hexadecimal_of_full_length() {
        let marker = "m ";
        assert_eq!(nonce_of(&format!("m {}", "a".repeat(40)), marker), Some("a".repeat(32).as_str()));
        assert_eq!(nonce_of(&format!("m {}", "A".repeat(40)), marker), None);
        assert_eq!(nonce_of("m abc", marker), None);
    }
}
