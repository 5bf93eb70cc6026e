//! Who does things.

/// Who writes reports.
pub const AUTHORS: [&str; 3] = ["sam@acme.example", "kim@acme.example", "ida@acme.example"];
/// Who approves and pays them.
pub const APPROVERS: [&str; 3] = ["lee@acme.example", "ana@acme.example", "cfo@acme.example"];
