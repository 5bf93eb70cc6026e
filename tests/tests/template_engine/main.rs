//! The export template before the real FreeMarker engine: hostile data, every setting that a server may have, faults at
//! every key. What the simulator writes equals what the engine writes, byte for byte; what the engine could not render
//! is never read as data.
//!
//! Needs a JDK and Debian's `libfreemarker-java`; without them it says so in a line that begins with SKIP, and with
//! `STRICT=1` it fails.

mod engine;
mod faults;
mod matrix;
mod models;
mod probe;

use expensify_client::template::{self, Nonce};
use expensify_sim::template::{EngineSettings, Recognised, recognise};

/// Any nonce will do.
fn nonce() -> Nonce {
    Nonce::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)
}

/// The simulator's engine, set up as the real one was.
fn simulated(version: &str, locale: &str) -> EngineSettings {
    EngineSettings { version: version.to_owned(), locale: locale.to_owned(), ..EngineSettings::default() }
}

#[test]
fn the_simulator_recognises_what_the_client_sends_and_nothing_else() {
    let (reports, doctor, digits) = (template::reports(&nonce()), template::doctor(&nonce()), nonce().to_string());
    let hint =
        "put the new `sha256sum services/expensify-client/templates/*.min.ftl` into the simulator's template/mod.rs";
    assert_eq!(recognise(&reports), Some(Recognised::Reports { nonce: digits.clone() }), "{hint}");
    assert_eq!(recognise(&doctor), Some(Recognised::Doctor { nonce: digits }), "{hint}");
    assert_eq!(recognise(&reports.replace('+', " ")), None, "as it arrives when it was sent unencoded");
    for template in [reports, doctor] {
        assert_eq!(recognise(&format!("{template} ")), None);
        assert_eq!(recognise(&template.replacen("xwNil", "xwNul", 1)), None);
        assert_eq!(recognise(&template[..template.len() - 1]), None);
    }
}
