//! The page of what each event means, made of the catalogue.

use std::fmt::Write;

use event_model::{EntityKind, EventType, catalogue};

use super::cell;

const HEAD: &str = "# What each event means\n\n\
    Generated from the catalogue, which `GET /v1/event-types` serves too, with the JSON Schema and an example of each type. The schemas\n\
    are in `schemas/events/TYPE/v1.json`; a released one never changes. `expensewire trigger TYPE` sends a sample to your endpoint.\n\n\
    Every event has `id` (the same for the same change for ever), `type`, `timestamp`, `sequence` (its place in the log), `account`,\n\
    `subject` (`kind/id`), `revision` (1 for an entity's first event), `actor` (who did it, where the history tells), `data` with\n\
    `object` (the whole entity now), `changed` (the paths that differ) and `previous` (their values before), and `detection`, which says\n\
    when the change was noticed and between which two looks it lies. Money is in minor units, ids are text, times are UTC.\n\n\
    A `*.snapshot` is a first sight: the state when watching began. Only who names it gets it (`*.snapshot`; `*` does not).\n";

/// The page.
pub fn page() -> String {
    let mut text = HEAD.to_owned();
    let mut kind: Option<EntityKind> = None;
    for event_type in EventType::ALL.iter().copied() {
        if kind.replace(event_type.kind()) != Some(event_type.kind()) {
            // Writing to a String does not fail.
            let _ =
                writeln!(text, "\n## {}\n\n| type | means | for example |\n|---|---|---|", title(event_type.kind()));
        }
        let meaning = cell(catalogue::description(event_type));
        let _ = writeln!(text, "| `{event_type}` | {meaning} | {} |", cell(&example(event_type)));
    }
    text
}

const fn title(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Report => "Reports",
        EntityKind::Expense => "Expenses, the lines of a report",
        EntityKind::Policy => "Policies",
        EntityKind::Card => "Cards",
        EntityKind::Feed => "Feeds of cards",
        EntityKind::Scope => "What is watched",
        EntityKind::Account => "The account",
        EntityKind::Subscription => "The service's own",
    }
}

/// About what, and what changed, in the example of the type.
fn example(event_type: EventType) -> String {
    let example = catalogue::example(event_type);
    let changed = match example.data.changed.as_slice() {
        [] => String::new(),
        paths => format!(": {}", paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ")),
    };
    format!("`{}`{changed}", example.subject)
}
