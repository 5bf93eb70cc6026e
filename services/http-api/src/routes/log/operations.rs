//! What the routes of the whole log take and answer: lines of JSON.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    contract::{Operation, Schemas, Tag, operation::media, parameters},
    problem::kind,
};

/// Lines of JSON; each is an object, and the schema of the whole is that of a text.
fn lines(example: &[Value]) -> Value {
    let text: String = example.iter().map(|line| format!("{line}\n")).collect();
    media("application/x-ndjson", json!({ "type": "string" }), text.into())
}

fn progress() -> Value {
    json!({ "progress": { "sequence": 640, "last": 1042 } })
}

pub(in crate::routes) fn verify(_: &mut Schemas) -> Operation {
    let described = "Reads every event and follows the hash chain. Lines with `progress` come meanwhile; the last line has \
                     `result`, or a `problem` that says what is damaged and where. An answer without it was cut short.";
    let result = json!({ "result": { "events": 1042, "horizon": 0, "last": 1042, "link": "9f1c" } });
    Operation::new(Tag::Log, "verifyLog", "Prove that the log is what was written", described)
        .answer(StatusCode::OK, "Progress, and the result.", lines(&[progress(), result]))
        .refused(&[&kind::BUSY])
}

fn compared(name: &'static str, summary: &'static str, described: &'static str, rebuilt: bool) -> Operation {
    let result = json!({
        "result": { "entities": 120, "folded_up_to": 1042, "differ": 0, "differing": [], "rebuilt": rebuilt },
    });
    Operation::new(Tag::Log, name, summary, described)
        .answer(StatusCode::OK, "Progress, and the result.", lines(&[progress(), result]))
        .refused(&[&kind::BUSY])
}

pub(in crate::routes) fn check_states(_: &mut Schemas) -> Operation {
    let described = "Folds the log from scratch and compares the states of the entities with that; changes nothing.";
    compared("checkStates", "Compare the states with the log", described, false)
}

pub(in crate::routes) fn rebuild_states(_: &mut Schemas) -> Operation {
    let described = "Folds the log from scratch, and puts right what differs of the states of the entities.";
    compared("rebuildStates", "Rebuild the states from the log", described, true)
}

pub(in crate::routes) fn export(_: &mut Schemas) -> Operation {
    let described = "Events byte for byte as they are stored, one a line, and lines that begin with `{\"expensewire\":`: the first \
                     gives the link of the chain that the events follow, `link` one where retention removed events, `end` is the \
                     last. What was cut short goes on after the last event that arrived.";
    let to =
        parameters::query("to", "The last position; the end of the log unless given.", parameters::sequence(), 1042);
    let begin = json!({ "expensewire": "events", "version": 1, "after": 1042, "link": "9f1c" });
    let end = json!({ "expensewire": "end", "last": 1042, "link": "9f1c", "horizon": 0 });
    Operation::new(Tag::Log, "exportLog", "Export events", described)
        .with(parameters::after())
        .with(to)
        .answer(StatusCode::OK, "The events.", lines(&[begin, end]))
        .refused(&[&kind::BUSY])
}

pub(in crate::routes) fn tables(_: &mut Schemas) -> Operation {
    let described = "Everything that is kept beside the log, one row a line. Secrets are sealed, keys are hashed.";
    let row = json!({ "expensewire": "row", "table": "progress", "key": "sub_0198c2f4", "value": { "cursor": 1042 } });
    let end = json!({ "expensewire": "rows", "rows": 1 });
    Operation::new(Tag::Log, "exportTables", "Export the tables", described)
        .answer(StatusCode::OK, "The rows.", lines(&[row, end]))
        .refused(&[&kind::BUSY])
}
