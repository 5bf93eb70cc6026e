//! The documentation, as it lies in the binary: pages of Markdown, in the order in which they are read.
//!
//! What repeats the program (its commands, its configuration, its events) is generated from it, and a test holds the files
//! to that.

pub mod commands;
pub mod configuration;
pub mod events;

/// Each page: its name, which is its file's without `.md`, and its text.
pub const PAGES: &[(&str, &str)] = &[
    ("quick-start", include_str!("../docs/quick-start.md")),
    ("real-account", include_str!("../docs/real-account.md")),
    ("receiving", include_str!("../docs/receiving.md")),
    ("replay", include_str!("../docs/replay.md")),
    ("events", include_str!("../docs/events.md")),
    ("guarantees", include_str!("../docs/guarantees.md")),
    ("security", include_str!("../docs/security.md")),
    ("operating", include_str!("../docs/operating.md")),
    ("sizing", include_str!("../docs/sizing.md")),
    ("migrating", include_str!("../docs/migrating.md")),
    ("commands", include_str!("../docs/commands.md")),
    ("configuration", include_str!("../docs/configuration.md")),
];

/// The generated ones, as they must be.
pub fn generated() -> [(&'static str, String); 3] {
    [("events", events::page()), ("commands", commands::page()), ("configuration", configuration::page())]
}

/// `text` as it may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
